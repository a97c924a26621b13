"""Reads text files of a host."""

from __future__ import annotations

from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from operations.host.file_edit import decode_content
from operations.host.scripts import script_command


class TextFile(FactBase[str]):
    """The content of a text file; empty if the file cannot be read."""

    @override
    def command(self, path: str) -> StringCommand:
        """Return the command that prints the file.

        Args:
            path: Path on the host.
        """
        return StringCommand(script_command("read-file", path), "||", "true")

    @override
    def process(self, output: list[str]) -> str:
        """Return the content of the file.

        Args:
            output: Lines that the command printed.
        """
        return (decode_content(output) or b"").decode(errors="replace")
