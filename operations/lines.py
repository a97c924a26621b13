"""A command's output as lines, whatever bytes it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Lines:
    """A command's output by lines. One byte that is no UTF-8 would lose all that follows it.

    :param channel: paramiko's; pyinfra asks it for the exit status
    """

    def __init__(self, channel: Any, stream: Any) -> None:
        self.channel, self._stream = channel, stream

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            yield line.decode("utf-8", "replace")


def tolerant(execute: Any) -> Any:
    def run(*arguments: Any, **named: Any) -> tuple[Any, Lines, Lines]:
        stdin, stdout, _ = execute(*arguments, **named)
        channel = stdout.channel
        return (
            stdin,
            Lines(channel, channel.makefile("rb", -1)),
            Lines(channel, channel.makefile_stderr("rb", -1)),
        )

    return run
