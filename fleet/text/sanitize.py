"""What others wrote, as text that does nothing: escape sequences and the like are shown.

It goes through here where it comes in: a host's output (operations/host/output.py), failures,
events and
wrong input, whatever they quote, and journals and reports of other times and places when they are
read. What pyinfra prints by itself goes through here last of all.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from functools import cache
from typing import Any

#: controls (C0 but for tabs, DEL, C1), ends of lines and paragraphs, what turns the direction of
#: writing or is not seen, what is no character (surrogates and the like)
UNSAFE_CHARACTERS = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff"
    + "".join(
        f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(1 << 16, 17 << 16, 1 << 16)
    )
    + "\U000e0000-\U000e007f]"
)
#: colours and the like, which pyinfra puts around what it says
ANSI_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def _escape_match(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def escape_line(said: str) -> str:
    """As one line: its own line ends are shown as well."""
    if said.isascii() and said.isprintable():
        return said
    return UNSAFE_CHARACTERS.sub(_escape_match, said)


def escape_text(said: str) -> str:
    """As several lines."""
    return "\n".join(map(escape_line, said.split("\n")))


def join_lines(said: str) -> str:
    """Several lines as one that can be read."""
    return escape_line("; ".join(part.strip() for part in said.split("\n") if part.strip()))


def escape_data(said: Any) -> Any:
    """Every text in what a JSON document holds, names of fields as well."""
    if isinstance(said, str):
        return escape_line(said)
    if isinstance(said, dict):
        return {escape_data(key): escape_data(value) for key, value in said.items()}
    if isinstance(said, (list, tuple)):
        return [escape_data(value) for value in said]
    return said


def escape_styled(said: str) -> str:
    """Text with pyinfra's colours, which stay unless NO_COLOR is set."""
    colours = [] if os.environ.get("NO_COLOR") else ANSI_STYLES.findall(said)
    parts = [escape_text(part) for part in ANSI_STYLES.split(said)]
    return "".join(
        part + colour for part, colour in zip(parts, [*colours, *[""] * len(parts)], strict=False)
    )


def escape_log_record(record: logging.LogRecord) -> bool:
    record.msg, record.args = escape_styled(record.getMessage()), ()
    return True


@cache
def filter_pyinfra_output() -> None:
    """Have all that pyinfra prints of hosts go through here, before it is on a terminal."""
    from pyinfra import logger
    from pyinfra.api import output
    from pyinfra_cli.log import LogFormatter

    logger.addFilter(escape_log_record)
    output.set_echo(_escaping_echo(output._echo))
    if os.environ.get("NO_COLOR"):
        output.set_formatter(lambda said, *_, **__: said)
        LogFormatter.level_to_format = {}


def _escaping_echo(echo: Callable[..., None]) -> Callable[..., None]:
    def tamed(message: Any = None, **named: Any) -> None:
        echo(escape_styled(message) if isinstance(message, str) else message, **named)

    return tamed
