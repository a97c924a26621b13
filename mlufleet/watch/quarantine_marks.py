"""The hosts in quarantine as the watch knows them: read again whenever the file has changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.paths import find_quarantine_file as find_file

if TYPE_CHECKING:
    from fleet.quarantine import Quarantine


class QuarantineMarks:
    """What is in the file of quarantines; for the watch's own thread.

    Args:
        inventory: File of the inventory.

    Attributes:
        hosts: Name of each host -> its quarantine; as last read, if the file is not valid.
        error: Why the file cannot be used; empty if it can.
    """

    def __init__(self, inventory: str) -> None:
        self.hosts: Mapping[str, Quarantine] = {}
        self.error = ""
        self._inventory, self._path = Path(inventory), find_file(inventory)
        self._seen: tuple[int, ...] | None = None
        self.refresh()

    def refresh(self) -> bool:
        """Read the file if it has changed, and return whether it was read."""
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        if not seen:
            self.hosts, self.error = {}, ""
            return True
        from fleet import quarantine  # what reads it takes memory, and most fleets have none

        try:
            self.hosts, self.error = quarantine.load(self._path), ""
        except InvalidInput as error:
            self.error = str(error)
        return True

    def _look(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return ()
        except OSError as error:
            return (error.errno or -1,)
        # the last is also that of a change of its rights
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def find_obstacle(self) -> str:
        """Return why no mark can be written; empty for nothing that is known."""
        if self.error:
            return self.error
        folder = self._path.resolve().parent
        return (
            ""
            if os.access(folder, os.W_OK | os.X_OK)
            else _("{folder} cannot be written", folder=folder)
        )

    def add(self, host: str, entry: Quarantine) -> Quarantine:
        """Take a host out of service, and return its quarantine: an earlier one stays.

        Args:
            host: Name of the host.
            entry: Its quarantine.

        Raises:
            InvalidInput: The file is not valid, or cannot be written.
        """
        from fleet import quarantine

        quarantine.add(self._path, {host: entry}, self._inventory)
        self._seen = None
        self.refresh()
        # it may be gone again already
        self.hosts = {host: entry, **self.hosts}
        return self.hosts[host]
