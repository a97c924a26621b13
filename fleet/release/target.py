"""The desired state of a host: its releases with their lock files and the store.

Targets are loaded by :mod:`fleet.store.targets`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.language import _
from fleet.release.lockfile import Lock
from fleet.release.model import Patch, Release, compute_digest

#: Folder of the store if the inventory does not set `store`.
DEFAULT_STORE = "artifacts"
#: Address that servers are bound to if the inventory does not set `serve_address`.
LOOPBACK_ADDRESS = "127.0.0.1"
#: Address that means all of the host's.
ANY_ADDRESS = "0.0.0.0"
#: Length of an identity in hex digits.
IDENTITY_DIGITS = 16


@dataclass(frozen=True)
class ReleaseTarget:
    """One release that a host must run.

    Attributes:
        release: The release.
        lock: Its lock file.
        store: Folder of the store on the controller.
        cards: Numbers of the cards that belong to the release; None for all cards of the host.
        key: Stable name of the release on the host, unchanged by upgrades; "" if it is the only
            release. The release's stamps and shared files lie in a subfolder of this name.
        address: IPv4 address of the host that the release's servers are bound to.
        api_key: Key that clients of its servers have to send; empty for none. It is secret.
        file: File that the release was read from; None if it is not known.
    """

    release: Release
    lock: Lock
    store: Path
    cards: tuple[int, ...] | None = None
    key: str = ""
    address: str = LOOPBACK_ADDRESS
    api_key: str = field(default="", repr=False)
    file: Path | None = field(default=None, compare=False)

    @property
    def identity(self) -> str:
        """Digest of release and lock file: equal on all hosts that must have equal files."""
        lock = self.lock.model_dump(exclude={"unproved"})
        return compute_digest([self.release.digest, lock])[:IDENTITY_DIGITS]

    def qualify(self, title: str) -> str:
        """Add the release's name to the name of a stage if the host has several releases.

        Args:
            title: The name, which is the same in every language.

        Returns:
            For example "image of chat"; the name itself if this is the only release.
        """
        return f"{title} of {self.release.name}" if self.key else title

    def qualify_title(self, title: str) -> str:
        """Add the release's name to a title for people if the host has several releases.

        Args:
            title: Title of an upload or a finding.
        """
        if not self.key:
            return title
        return _("{title} of {release}", title=title, release=self.release.name)

    def card_numbers(self, card_count: int) -> list[int]:
        """List the numbers of the release's cards.

        Args:
            card_count: Number of cards in the host.

        Returns:
            The numbers as in /dev/cambricon_dev0.
        """
        return list(range(card_count)) if self.cards is None else list(self.cards)

    def local_file(self, name: str) -> tuple[Path, str]:
        """Find an artifact on the controller.

        Args:
            name: Its path in the store.

        Returns:
            Its path on the controller, and its SHA-256 in the lock file.
        """
        return self.store / name, self.lock.files[name].sha256

    @property
    def image_bytes(self) -> int:
        """Size of the image as a host receives it: of its archive, or of its layers' archives."""
        archive = self.release.image.file
        return self.lock.files[archive].size if archive else self.lock.image.size

    def patch_inputs(self, patch: Patch) -> list[Any]:
        """List everything that determines the result of a patch, to be included in a digest.

        Args:
            patch: A patch of the release.

        Returns:
            Plain data.
        """
        replacement = self.lock.files[patch.store].sha256 if patch.store else ""
        if patch.source:  # another commit may have the same file
            replacement = self.lock.source_file_sha256(patch) or self.lock.commits[patch.source]
        return [patch.model_dump(), replacement]


@dataclass(frozen=True)
class HostTarget:
    """Everything that a host must run.

    Attributes:
        releases: At least one release, sorted by key.
        store: Folder of the store on the controller.
    """

    releases: tuple[ReleaseTarget, ...]
    store: Path

    @property
    def primary(self) -> ReleaseTarget:
        """The first release, whose driver section applies to the host.

        All releases of a host require the same driver version.
        """
        return self.releases[0]

    @property
    def identity(self) -> str:
        """Digest of all releases and their cards; that of the release if there is only one."""
        if len(self.releases) == 1:
            return self.primary.identity
        content = [[target.identity, target.cards] for target in self.releases]
        return compute_digest(content)[:IDENTITY_DIGITS]

    @property
    def is_served(self) -> bool:
        """Whether the model of a release is served."""
        return any(target.release.serve for target in self.releases)

    @property
    def label(self) -> str:
        """The names of the releases, separated by commas."""
        return ", ".join(target.release.name for target in self.releases)
