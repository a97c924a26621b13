"""A command's output as lines of text, with any bytes, of bounded size, with directives verified.

A directive is a line by which a script talks to the controller (`@@code LOCKED`). It carries a tag
that is made for each run, so that no login banner, model, container or vendor's tool can print one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from pyinfra.connectors.util import CommandOutput, OutputLine

from fleet.language import _
from fleet.text import sanitize

#: limits of the output of one command that is read
MAX_OUTPUT_BYTES, MAX_LINE_BYTES, MAX_LINES = 16 << 20, 1 << 20, 400_000
READ_BYTES = 32768
#: printed on both streams ahead of a command's own output: what comes before is the login shell's
COMMAND_MARKER = "@@mlufleet-command"


class DirectiveTag:
    """What makes a directive one of this process.

    Attributes:
        value: unknown to anything that was written before
        pattern: finds a directive that carries it
    """

    def __init__(self) -> None:
        """Make a first tag."""
        self.renew()

    def renew(self) -> None:
        """Make another tag: for a process that was forked, of which hosts know nothing yet."""
        self.value = secrets.token_hex(8)
        self.pattern = re.compile(rf"@@([a-z-]+)\.{self.value}")


TAG = DirectiveTag()


def tag_directives(script: str) -> str:
    """Return a script whose directives carry the tag.

    Args:
        script: its text, with directives such as `@@code`
    """
    return re.sub(r"@@([a-z-]+)", rf"@@\1.{TAG.value}", script)


def mark_output(command: str) -> str:
    """Return a command that marks on each stream where its own output begins.

    Args:
        command: for a POSIX shell that a login shell starts
    """
    mark = f"echo {tag_directives(COMMAND_MARKER)}"
    return f"{mark}; {mark} >&2\n{command}"


def strip_tag(line: str) -> list[str]:
    """Return a line with the tag removed.

    Args:
        line: a line of output

    Returns:
        One line; two if something without a line end was printed before a directive.
    """
    at = line.find("@@")
    if at < 0 or not (tagged := TAG.pattern.search(line, at)):
        return [line]
    directive = f"@@{tagged[1]}{line[tagged.end() :]}"
    return [line[: tagged.start()], directive] if tagged.start() else [directive]


def neutralize_untagged(line: str) -> list[str]:
    """Return a line like :func:`strip_tag`, with a directive that has no tag indented.

    Args:
        line: a line of output
    """
    forged = line.startswith("@@") and not TAG.pattern.match(line)
    return strip_tag(f" {line}" if forged else line)


class DecodedOutput:
    """Output of a command on an SSH channel, as an iterator of lines.

    What the login shell printed ahead of it, such as a banner, is left out: it would be taken for
    the command's progress, or for the reason why it failed. If no command began, it is all that is
    yielded.

    Attributes:
        channel: paramiko's channel, which pyinfra asks for the exit status
    """

    def __init__(self, channel: Any, receive: Callable[[int], bytes]) -> None:
        """Prepare the iterator.

        Args:
            channel: of the command
            receive: reads at most so many bytes; nothing at the end
        """
        self.channel, self._receive = channel, receive

    def __iter__(self) -> Iterator[str]:
        lines = decode_lines(self._receive, self.channel.close)
        output = chain.from_iterable(map(neutralize_untagged, lines))
        login_lines = []
        for line in output:
            if line == COMMAND_MARKER:
                # where both streams are one, it has both markers
                yield from (line for line in output if line != COMMAND_MARKER)
                return
            login_lines.append(line)
        yield from login_lines


def decode_lines(receive: Callable[[int], bytes], stop: Callable[[], object]) -> Iterator[str]:
    """Yield the lines of a stream.

    Bytes that are not UTF-8 are replaced, as one of them would lose everything behind it. Control
    characters that a terminal would interpret are escaped.

    Args:
        receive: reads at most so many bytes; nothing at the end
        stop: called if there is more output than the limits allow
    """
    rest, read, count, is_cut = b"", 0, 0, False
    while block := receive(READ_BYTES):
        read, count = read + len(block), count + block.count(b"\n")
        if read > MAX_OUTPUT_BYTES or count > MAX_LINES:
            stop()
            yield (
                _(
                    "the output is longer than {size} MiB or {count:,} lines: it is cut here",
                    size=MAX_OUTPUT_BYTES >> 20,
                    count=MAX_LINES,
                )
            )
            return
        *complete, rest = (rest + block).split(b"\n")
        for line in complete:
            if not is_cut:
                yield _decode_line(line)
            is_cut = False
        if is_cut:
            rest = b""
        elif len(rest) > MAX_LINE_BYTES:
            yield _decode_line(rest)
            rest, is_cut = b"", True
    if rest:
        yield _decode_line(rest)


def _decode_line(line: bytes) -> str:
    return sanitize.escape_line(line.decode("utf-8", "replace").rstrip("\r\n"))


def wrap_exec_command(execute: Any) -> Any:
    """Return paramiko's `exec_command` with output as :class:`DecodedOutput`.

    Args:
        execute: the original method
    """

    def run(*arguments: Any, **named: Any) -> tuple[Any, DecodedOutput, DecodedOutput]:
        stdin, stdout, _stderr = execute(*arguments, **named)
        channel = stdout.channel
        return (
            stdin,
            DecodedOutput(channel, channel.recv),
            DecodedOutput(channel, channel.recv_stderr),
        )

    return run


def wrap_run_shell_command(run: Any) -> Any:
    """Return `run_shell_command` of a connector without SSH, with tags removed from its output.

    Args:
        run: the original method
    """

    def run_and_strip(*arguments: Any, **named: Any) -> tuple[bool, CommandOutput]:
        ok, output = run(*arguments, **named)
        return ok, CommandOutput(list(_strip_tags(output.combined_lines)))

    return run_and_strip


def _strip_tags(lines: Iterable[OutputLine]) -> Iterator[OutputLine]:
    for line in lines:
        for text in strip_tag(sanitize.escape_line(line.line.rstrip("\r\n"))):
            yield OutputLine(line.buffer_name, text)
