"""Copies a host's audit log to the controller, before the host forgets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyinfra.api import Host
from typing_extensions import override

from fleet.documents import atomic_write
from fleet.errors import Failure
from fleet.language import _
from operations.host import connection
from operations.host.command import HostCommand
from operations.host.failures import failure_from_output
from operations.host.file_edit import decode_content
from operations.host.scripts import script_command

#: bytes of the log that one command reads: their base64 has to fit into the output that is read
_BLOCK_BYTES = 8 << 20
#: a log of this size is not this tool's alone, which writes some hundred bytes for each step
_MAX_BYTES = 256 << 20


class FetchAuditLog(HostCommand):
    """Writes the host's audit log into a file of the controller.

    A log that was fetched by an earlier attempt, and that the host has no more, stays.
    """

    def __init__(self, path: Path) -> None:
        """Prepare the command.

        Args:
            path: The file on the controller; its folder is created.
        """
        super().__init__(_("fetching the audit log"), stage="state")
        self.path = path

    @property
    @override
    def summary(self) -> str:
        return str(self.path)

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        blocks, size = list[bytes](), 0
        while not blocks or len(blocks[-1]) >= _BLOCK_BYTES:
            if size >= _MAX_BYTES:  # the host would forget what was not read
                reason = _(
                    "{title}: it has more than {size} MiB; move it away",
                    title=self.title,
                    size=_MAX_BYTES >> 20,
                )
                return Failure("NOT_RETIRED", reason)
            command = script_command("read-audit-log", str(size), str(_BLOCK_BYTES))
            ok, output = connection.run_command(host, command, arguments)
            block = decode_content(output.stdout_lines)
            if not ok or block is None:
                return failure_from_output("NOT_RETIRED", output.output_lines, self.title)
            blocks.append(block)
            size += len(block)
        if not size and self.path.is_file():
            return None
        try:
            atomic_write.replace_file(self.path, b"".join(blocks))
        except OSError as error:
            return Failure("NOT_RETIRED", f"{self.title}: {error}")
        return None
