"""A command's output as lines of text: of any bytes, bounded, its marks told from forged ones.

A word of a script to the controller (`@@code LOCKED`) carries a value made in this run, so that
neither a login banner nor what a model, a container or a vendor's tool prints can say it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyinfra.connectors.util import CommandOutput, OutputLine

from fleet.text import sanitize

#: of this run; not known to what was written before it, or runs without root's eyes on a host
DIRECTIVE_TAG = secrets.token_hex(8)
#: bytes of one command's output, of one line of it, and lines, that are read
MAX_OUTPUT_BYTES, MAX_LINE_BYTES, MAX_LINES = 16 << 20, 1 << 20, 400_000
READ_BYTES = 32768
_TAGGED = re.compile(rf"@@([a-z-]+)\.{DIRECTIVE_TAG}")


def tag_directives(script: str) -> str:
    """A script whose words to the controller carry the mark."""
    return re.sub(r"@@([a-z-]+)", rf"@@\1.{DIRECTIVE_TAG}", script)


def strip_tag(line: str) -> list[str]:
    """The line with marks taken off; a word stands at the beginning, whatever was printed before
    it without an end of line."""
    at = line.find("@@")
    if at < 0 or not (found := _TAGGED.search(line, at)):
        return [line]
    word = f"@@{found[1]}{line[found.end() :]}"
    return [line[: found.start()], word] if found.start() else [word]


def neutralize_untagged(line: str) -> list[str]:
    """The same where no line without the mark may look like a word of ours."""
    return strip_tag(f" {line}" if line.startswith("@@") and not _TAGGED.match(line) else line)


class DecodedOutput:
    """Output of a command on an SSH channel.

    :param channel: paramiko's; pyinfra asks it for the exit status
    :param receive: reads at most so many bytes of it; none at its end
    """

    def __init__(self, channel: Any, receive: Callable[[int], bytes]) -> None:
        self.channel, self._receive = channel, receive

    def __iter__(self) -> Iterator[str]:
        for line in decode_lines(self._receive, self.channel.close):
            yield from neutralize_untagged(line)


def decode_lines(receive: Callable[[int], bytes], stop: Callable[[], object]) -> Iterator[str]:
    """Lines of a stream. One byte that is no UTF-8 would lose all that follows it; what a terminal
    would obey is shown as text.

    :param stop: called where there is too much of it
    """
    rest, read, count, cut = b"", 0, 0, False
    while block := receive(READ_BYTES):
        read, count = read + len(block), count + block.count(b"\n")
        if read > MAX_OUTPUT_BYTES or count > MAX_LINES:
            stop()
            yield (
                f"the output is longer than {MAX_OUTPUT_BYTES >> 20} MiB or {MAX_LINES:,} lines: "
                "it is cut here"
            )
            return
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            if not cut:
                yield _decode_line(line)
            cut = False
        if cut:
            rest = b""
        elif len(rest) > MAX_LINE_BYTES:
            yield _decode_line(rest)
            rest, cut = b"", True
    if rest:
        yield _decode_line(rest)


def _decode_line(line: bytes) -> str:
    return sanitize.escape_line(line.decode("utf-8", "replace").rstrip("\r\n"))


def wrap_exec_command(execute: Any) -> Any:
    """paramiko's `exec_command` with output as above."""

    def run(*arguments: Any, **named: Any) -> tuple[Any, DecodedOutput, DecodedOutput]:
        stdin, stdout, _ = execute(*arguments, **named)
        channel = stdout.channel
        return (
            stdin,
            DecodedOutput(channel, channel.recv),
            DecodedOutput(channel, channel.recv_stderr),
        )

    return run


def wrap_run_shell_command(run: Any) -> Any:
    """A connector's `run_shell_command` where there is no SSH: marks are taken off."""

    def without(*arguments: Any, **named: Any) -> tuple[bool, CommandOutput]:
        ok, output = run(*arguments, **named)
        return ok, CommandOutput(list(_strip_tags(output.combined_lines)))

    return without


def _strip_tags(lines: Iterable[OutputLine]) -> Iterator[OutputLine]:
    for line in lines:
        for text in strip_tag(sanitize.escape_line(line.line.rstrip("\r\n"))):
            yield OutputLine(line.buffer_name, text)
