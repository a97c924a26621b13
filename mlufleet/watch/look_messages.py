"""What the watch and its look process say to each other: one line of JSON for each message.

The watch imports nothing that is slow to import, so that its process stays small; the look process
imports all of pyinfra.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from mlufleet.watch.observation import Observation


@dataclass(frozen=True)
class Round:
    """To the look process: look at some hosts at the same time.

    Attributes:
        number: Number of the round, which its answers carry.
        hosts: Names of the hosts.
    """

    number: int
    hosts: list[str]


@dataclass(frozen=True)
class Ready:
    """Inventory and releases are valid; rounds may be asked for.

    Attributes:
        hosts: Host -> its groups, in the order of the inventory.
        limit_s: Seconds after which a round is killed.
        modes: Host -> its `remediate`, of hosts that may be mended.
        digests: Host -> digest of what it is to be.
    """

    kind: ClassVar[str] = "ready"
    hosts: dict[str, list[str]] = field(default_factory=dict)
    limit_s: float = 0
    modes: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Observed:
    """One host was looked at.

    Attributes:
        number: Number of the round.
        observation: What was seen.
    """

    kind: ClassVar[str] = "observed"
    number: int
    observation: Observation


@dataclass(frozen=True)
class RoundEnded:
    """A round has ended; its hosts that have no observation will get none.

    Attributes:
        number: Number of the round.
        is_overdue: Whether it was killed because it took too long.
        reason: How its process ended; empty if it ended by itself.
    """

    kind: ClassVar[str] = "ended"
    number: int
    is_overdue: bool = False
    reason: str = ""


@dataclass(frozen=True)
class MachineSeen:
    """To the fork server, from the process of a round: which machine a name leads to.

    Attributes:
        host: Name of the host.
        machine_id: Equal for two names that lead to one machine.
        filesystems: Shared file systems that the host uses.
    """

    kind: ClassVar[str] = "machine"
    host: str
    machine_id: str
    filesystems: list[str]


Message = Ready | Observed | RoundEnded | MachineSeen
MESSAGE_TYPES: dict[str, Any] = {
    each.kind: each for each in (Ready, Observed, RoundEnded, MachineSeen)
}


def encode_message(message: Round | Message) -> bytes:
    """Return a message as one line.

    Args:
        message: The message.
    """
    fields = asdict(message)
    if kind := getattr(message, "kind", ""):
        fields["kind"] = kind
    # what is no text (half a surrogate pair) could not be stored: a question mark takes its place
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def decode_round(line: bytes) -> Round:
    """Read a request of the watch.

    Args:
        line: What :func:`encode_message` made.
    """
    return Round(**json.loads(line))


def decode_message(line: bytes) -> Message:
    """Read a message of the look process.

    Args:
        line: What :func:`encode_message` made.

    Raises:
        ValueError: It is no such line.
    """
    try:
        fields = json.loads(line)
        kind = MESSAGE_TYPES[fields.pop("kind")]
        if kind is Observed:
            fields["observation"] = Observation.from_fields(fields["observation"])
        message: Message = kind(**fields)
        return message
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"not a message of a look process: {error}") from None
