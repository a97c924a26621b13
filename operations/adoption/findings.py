"""What a survey finds on a host that was set up by hand, item by item."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from fleet.language import N_


class Relation(Enum):
    """How something on a host relates to what the release asks for."""

    PRESENT = N_("present")
    """It is what the release asks for, and is used as it is."""
    REUSABLE = N_("reusable")
    """Its bytes are on the host in another place, and need not be sent."""
    DIFFERENT = N_("different")
    """It is there, and differs; adoption brings it to the release and keeps what differs."""
    IN_THE_WAY = N_("in the way")
    """It belongs to somebody else and occupies a name, a path or a card that the release needs."""
    LEFT_ALONE = N_("left alone")
    """It belongs to somebody else and is in nobody's way; adoption leaves it as it is."""
    MISSING = N_("missing")
    """Nothing of it is there."""
    UNKNOWN = N_("unknown")
    """The host gave no answer, so nothing is claimed of it."""


@dataclass(frozen=True)
class Finding:
    """One item of a release, or one thing of somebody else, on a host.

    Attributes:
        item: what it is about, such as "driver" or "weights baichuan-7B".
        relation: how it relates to the release.
        place: path, image reference or container on the host; "" if there is none.
        evidence: by what it was recognized, such as "image id" or "sha256 of 12 files".
        owner: whose it is, as the host names the user; "" for nobody's or this tool's.
        differences: how it differs, a line each: paths, versions, the first lines of a diff.
        action: what adoption would do about it; "" for nothing.
        commands: commands that the user may need, such as the one that starts a container again.
        blocker: what permission is missing, so that adoption would refuse the host; "" for none.
        sent_bytes: bytes that would still have to be sent.
        reused_bytes: bytes that are on the host and need not be sent.
    """

    item: str
    relation: Relation
    place: str = ""
    evidence: str = ""
    owner: str = ""
    differences: tuple[str, ...] = field(default=())
    action: str = ""
    commands: tuple[str, ...] = field(default=())
    blocker: str = ""
    sent_bytes: int = 0
    reused_bytes: int = 0


def name_owner(account: str) -> str:
    """Return whose a file or folder is, as findings have it.

    Args:
        account: The account that it belongs to on the host.

    Returns:
        The account; "" for root's, which tell nothing about their user.
    """
    return "" if account == "root" else account
