"""The process that looks at hosts for the watch: it loads everything once, and forks for each look.

python -m mlufleet.watch.look_process INVENTORY [--limit HOSTS]… [--exclude HOSTS]…

Standard input brings rounds, standard output observations (:mod:`mlufleet.watch.look_messages`).
Each round has a process of its own, which ends with it: what pyinfra and paramiko keep of a host
is gone then, and a look that hangs is killed without harm to others. This process itself starts no
greenlet and no thread, so that it can be forked at any time.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from fleet.language import _
from mlufleet.run import startup
from mlufleet.run.error_exit import exit_on_error
from mlufleet.watch import child_signals
from mlufleet.watch.look_messages import (
    MachineSeen,
    Message,
    Ready,
    Round,
    RoundEnded,
    decode_message,
    decode_round,
    encode_message,
)

# gevent's would run an event loop in this process
_poll = select.poll
_waitpid = os.waitpid

#: bytes that are read at once
READ_BYTES = 1 << 16
#: number of Linux's prctl(2) that asks for a signal when the parent ends
PR_SET_PDEATHSIG = 1


class LineBuffer:
    """Puts the lines of a stream together that arrives in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, block: bytes) -> list[bytes]:
        """Add what was read, and return the lines that are complete now.

        Args:
            block: The next bytes.
        """
        *lines, self._rest = (self._rest + block).split(b"\n")
        return [line for line in lines if line]


@dataclass
class RunningRound:
    """A round whose process has not ended.

    Attributes:
        number: Number of the round.
        pid: Its process.
        end: When it is killed, by the monotonic clock.
        lines: What it has written.
        is_overdue: Whether it was killed.
    """

    number: int
    pid: int
    end: float
    lines: LineBuffer = field(default_factory=LineBuffer)
    is_overdue: bool = False


#: Looks at the hosts of a round, and tells what it sees; in the process of that round.
RunRound = Callable[[Round, dict[str, MachineSeen], Callable[[Message], None]], None]


class ForkServer:
    """Runs rounds, each in a process of its own, and passes on what they write.

    Args:
        look: Looks at the hosts of a round.
        limit_s: Seconds after which a round is killed.
        source: File descriptor that brings rounds.
        sink: File descriptor that takes messages.
    """

    def __init__(self, look: RunRound, limit_s: float, source: int, sink: int) -> None:
        self.look, self.limit_s, self.source, self.sink = look, limit_s, source, sink
        self._requests = LineBuffer()
        #: file descriptor of what a round writes -> the round
        self._running: dict[int, RunningRound] = {}
        #: host -> the machine that it led to when it was last looked at
        self._machines: dict[str, MachineSeen] = {}
        self._poll = _poll()

    def serve(self) -> None:
        """Run rounds until the input ends; then kill those that run."""
        self._poll.register(self.source, select.POLLIN)
        try:
            while self._serve_once():
                pass
        except BrokenPipeError:
            pass  # the watch is gone
        finally:
            for running in self._running.values():
                _kill(running.pid)

    def _serve_once(self) -> bool:
        """Wait for something, and do it; return whether there may be more."""
        for number, _event in self._poll.poll(self._milliseconds_left()):
            block = os.read(number, READ_BYTES)
            if number != self.source:
                self._read_round(number, block)
            elif not block:
                return False
            else:
                for line in self._requests.add(block):
                    self._start(decode_round(line))
        self._kill_overdue()
        return True

    def _milliseconds_left(self) -> float | None:
        ends = [each.end for each in self._running.values() if not each.is_overdue]
        return max(0.0, min(ends) - time.monotonic()) * 1000 + 1 if ends else None

    def _start(self, wanted: Round) -> None:
        reader, writer = os.pipe()
        pid = _fork()
        if pid == 0:
            self._become_round(wanted, writer)
        os.close(writer)
        self._poll.register(reader, select.POLLIN)
        end = time.monotonic() + self.limit_s
        self._running[reader] = RunningRound(wanted.number, pid, end)

    def _become_round(self, wanted: Round, writer: int) -> NoReturn:
        """Look at the hosts of a round and end: never returns to the server's code."""
        status = 1
        try:
            die_with_parent()
            for number in (self.source, self.sink, *self._running):
                os.close(number)

            others = {
                name: seen for name, seen in self._machines.items() if name not in wanted.hosts
            }
            self.look(wanted, others, lambda message: write_all(writer, encode_message(message)))
            status = 0
        except BaseException as error:
            with suppress(Exception):
                print(f"look: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)

    def _read_round(self, number: int, block: bytes) -> None:
        running = self._running[number]
        if not block:
            self._end_round(number, running)
            return
        for line in running.lines.add(block):
            message = decode_message(line)
            if isinstance(message, MachineSeen):
                self._machines[message.host] = message
            else:
                write_all(self.sink, line + b"\n")

    def _end_round(self, number: int, running: RunningRound) -> None:
        self._poll.unregister(number)
        os.close(number)
        del self._running[number]
        status = 0
        with suppress(ChildProcessError):
            status = os.waitstatus_to_exitcode(_waitpid(running.pid, 0)[1])
        reason = ""
        if status:
            reason = (
                _("signal {number}", number=-status)
                if status < 0
                else _("exit status {status}", status=status)
            )
        ended = RoundEnded(running.number, running.is_overdue, reason)
        write_all(self.sink, encode_message(ended))

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            if now >= running.end and not running.is_overdue:
                running.is_overdue = True
                _kill(running.pid)


def _fork() -> int:
    """Fork, and make gevent usable in the new process."""
    import gevent.os

    return int(gevent.os.fork_gevent())


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def die_with_parent() -> None:
    """Have this process killed when the one that forked it ends, however that happens."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of some bytes.

    Args:
        descriptor: Of a file that blocks.
        data: The bytes.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def take_standard_streams() -> tuple[int, int]:
    """Keep standard input and output for messages: what else is printed goes to standard error.

    Returns:
        File descriptors of the input and the output.
    """
    source, sink = os.dup(0), os.dup(1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    return source, sink


def main() -> None:
    """Validate the input, say so, and look at hosts until standard input ends.

    Raises:
        SystemExit: The input is invalid; the reason has been printed.
    """
    parser = argparse.ArgumentParser(prog="look_process")
    parser.add_argument("inventory")
    parser.add_argument("--limit", action="append", default=[])
    parser.add_argument("--exclude", action="append", default=[])
    given = parser.parse_args()
    source, sink = take_standard_streams()
    child_signals.leave_to_parent()
    die_with_parent()
    with exit_on_error():
        with startup.cheap_imports():
            from mlufleet.watch import look_round
        rounds = look_round.LookRounds(given.inventory, tuple(given.limit), tuple(given.exclude))
    gc.collect()
    gc.freeze()  # no round copies pages because its collector of garbage looks at them
    ready = Ready(rounds.groups, look_round.LIMIT_S, rounds.modes, rounds.digests)
    write_all(sink, encode_message(ready))
    ForkServer(rounds.look, look_round.LIMIT_S, source, sink).serve()


if __name__ == "__main__":
    main()
