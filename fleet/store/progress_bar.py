"""Progress of reading or writing many bytes: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    DownloadColumn(),
    TransferSpeedColumn(),
    TimeRemainingColumn(),
)


class ProgressBar:
    """Shows progress on standard error while it is entered; any thread may report.

    Args:
        description: text before the bar.
        total: bytes of all files.
        quiet: print nothing at all (default: False).
    """

    def __init__(self, description: str, total: int, *, quiet: bool = False) -> None:
        # rich respects NO_COLOR, and draws nothing where there is no terminal
        self.console = Console(stderr=True, highlight=False, quiet=quiet)
        self.no_terminal = not self.console.is_terminal
        self.bar = Progress(
            *COLUMNS, console=self.console, transient=True, disable=self.no_terminal
        )
        self.task = self.bar.add_task(description, total=total)

    def __enter__(self) -> ProgressBar:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def advance(self, count: int) -> None:
        """Report progress.

        Args:
            count: bytes since the last call.
        """
        self.bar.advance(self.task, count)

    def describe(self, description: str) -> None:
        """Change the text before the bar.

        Args:
            description: text without markup.
        """
        self.bar.update(self.task, description=escape(description))

    def file_done(self, name: str, size: int, result: str, *, ok: bool = True) -> None:
        """Report the end of a file; on a terminal, only a failure is printed.

        Args:
            name: path of the file.
            size: bytes of the file.
            result: a word or a failure code.
            ok: whether the file is as it should be (default: True).
        """
        if self.no_terminal or not ok:
            line = f"{escape(name)}: {result} ({decimal(size)})"
            self.console.print(line, style="" if ok else "red", soft_wrap=True)

    def print_line(self, line: str) -> None:
        """Print a line above the bar.

        Args:
            line: text without markup.
        """
        self.console.print(escape(line), soft_wrap=True)
