"""Help in a script whose characters are two cells wide and whose words have no blanks between."""

from __future__ import annotations

from collections.abc import Iterable

import click
from typing_extensions import override

from fleet.language import _
from mlufleet.report.wrapping import measure_cells, wrap_cells

#: the least that the second column of a list has
MIN_COLUMN = 20


def _wrap_paragraphs(text: str, width: int) -> list[str]:
    """Return the lines of a text; click's `\\b` begins a paragraph that is not wrapped."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        first, _line_end, rest = paragraph.partition("\n")
        lines += ["", *(rest.splitlines() if first == "\b" else wrap_cells(paragraph, width))]
    return lines[1:]


class WideFormatter(click.HelpFormatter):
    """click's formatter for Chinese: it measures in cells, and wraps between any two characters."""

    @override
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        title = _("Usage:") if prefix is None else prefix
        start = f"{title}{prog} "
        indent = measure_cells(start)
        lines = wrap_cells(args, max(self.width - indent, MIN_COLUMN))
        self._write_lines([start + lines[0], *(" " * indent + line for line in lines[1:])])

    @override
    def write_heading(self, heading: str) -> None:
        self.write(f"{'':>{self.current_indent}}{heading}：\n")

    @override
    def write_text(self, text: str) -> None:
        indent = " " * self.current_indent
        self._write_lines(
            indent + line for line in _wrap_paragraphs(text, self.width - len(indent))
        )

    @override
    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        rows = list(rows)
        column = min(max(measure_cells(first) for first, _second in rows), col_max) + col_spacing
        indent = " " * self.current_indent
        for first, second in rows:
            lines = _wrap_paragraphs(second, max(self.width - column - len(indent), MIN_COLUMN))
            blanks = column - measure_cells(first)
            if lines and blanks >= col_spacing:
                first += " " * blanks + lines.pop(0)
            self._write_lines([indent + first, *(indent + " " * column + line for line in lines)])

    def _write_lines(self, lines: Iterable[str]) -> None:
        self.write("".join(f"{line.rstrip()}\n" for line in lines))
