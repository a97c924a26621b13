"""Escape control characters in text from hosts, files and users before it is shown.

Text is sanitized where it enters the program: the output of hosts (operations/host/output.py),
failures, events and invalid input with whatever they quote, and journals and reports of other runs
when they are read. What pyinfra prints itself is sanitized last, by
:func:`filter_pyinfra_output`.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from fleet.language import change_text

#: Controls (C0 except tab, DEL, C1), line and paragraph separators, characters that are invisible
#: or change the writing direction, and code points that are not characters (such as surrogates).
UNSAFE_CHARACTERS = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff"
    + "".join(
        f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(1 << 16, 17 << 16, 1 << 16)
    )
    + "\U000e0000-\U000e007f]"
)
#: Colors and other styles that pyinfra adds to its messages.
ANSI_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def _escape_match(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def escape_line(text: str) -> str:
    r"""Escape unsafe characters, including line ends.

    Args:
        text: Any text.

    Returns:
        The text as one printable line, with escapes such as ``\x1b``.
    """
    return text if _is_safe(text) else change_text(text, _escape_characters)


def _is_safe(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _escape_characters(text: str) -> str:
    return UNSAFE_CHARACTERS.sub(_escape_match, text)


def escape_text(text: str) -> str:
    """Escape unsafe characters but keep line ends.

    Args:
        text: Any text.

    Returns:
        The text with the same number of lines.
    """
    return change_text(text, _escape_lines)


def _escape_lines(text: str) -> str:
    return "\n".join(map(escape_line, text.split("\n")))


def join_lines(text: str) -> str:
    """Join several lines into one readable line, and escape it.

    Args:
        text: Any text; blank lines are dropped.

    Returns:
        The lines, separated by "; ".
    """
    return change_text(text, _join_lines)


def _join_lines(text: str) -> str:
    return escape_line("; ".join(line.strip() for line in text.split("\n") if line.strip()))


def escape_data(value: Any) -> Any:
    """Escape every string in JSON data, including the keys of objects.

    Args:
        value: Decoded JSON.

    Returns:
        A copy of the same structure; tuples become lists.
    """
    if isinstance(value, str):
        return escape_line(value)
    if isinstance(value, dict):
        return {escape_data(key): escape_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [escape_data(item) for item in value]
    return value


def escape_styled(text: str) -> str:
    """Escape text but keep pyinfra's ANSI styles, unless NO_COLOR is set.

    Args:
        text: Text with line ends and styles.

    Returns:
        The escaped text.
    """
    styles = [] if os.environ.get("NO_COLOR") else ANSI_STYLES.findall(text)
    parts = [escape_text(part) for part in ANSI_STYLES.split(text)]
    styles += [""] * (len(parts) - len(styles))
    return "".join(part + style for part, style in zip(parts, styles, strict=True))


def escape_log_record(record: logging.LogRecord) -> bool:
    """Escape a log record in place; a filter for :class:`logging.Logger`.

    Args:
        record: The record of pyinfra's logger.

    Returns:
        True, so that the record is logged.
    """
    record.msg, record.args = escape_styled(record.getMessage()), ()
    return True


@cache
def filter_pyinfra_output() -> None:
    """Escape everything that pyinfra prints; later calls have no effect."""
    from pyinfra import logger
    from pyinfra.api import output
    from pyinfra_cli.log import LogFormatter

    logger.addFilter(escape_log_record)
    output.set_echo(_escaping_echo(output._echo))
    if os.environ.get("NO_COLOR"):
        output.set_formatter(lambda text, *_, **__: text)
        LogFormatter.level_to_format = {}


def _escaping_echo(echo: Callable[..., None]) -> Callable[..., None]:
    def escaped(message: Any = None, **options: Any) -> None:
        echo(escape_styled(message) if isinstance(message, str) else message, **options)

    return escaped
