"""How far the reading or writing of many bytes is: bars on a terminal, plain lines elsewhere."""

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
    """Told of bytes by any thread, while it is entered.

    :param what: that is done to all of them
    :param total: bytes
    :param quiet: say nothing at all
    """

    def __init__(self, what: str, total: int, *, quiet: bool = False) -> None:
        # rich heeds NO_COLOR; nothing of it is drawn where there is no terminal
        self.console = Console(stderr=True, highlight=False, quiet=quiet)
        self.no_terminal = not self.console.is_terminal
        self.bar = Progress(
            *COLUMNS, console=self.console, transient=True, disable=self.no_terminal
        )
        self.task = self.bar.add_task(what, total=total)

    def __enter__(self) -> ProgressBar:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def advance(self, count: int) -> None:
        self.bar.advance(self.task, count)

    def file_done(self, name: str, size: int, how: str, *, right: bool = True) -> None:
        """One file is done with; on a terminal the bar says it unless something is wrong."""
        if self.no_terminal or not right:
            style = "" if right else "red"
            line = f"{escape(name)}: {how} ({decimal(size)})"
            self.console.print(line, style=style, soft_wrap=True)

    def print_line(self, line: str) -> None:
        self.console.print(escape(line), soft_wrap=True)
