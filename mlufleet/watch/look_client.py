"""The watch's end of the look process: asks for rounds, and sees to it that each comes to an end.

All methods of :class:`LookClient` belong to one thread, the main one: a look process is killed with
the thread that started it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fleet.errors import Failure
from fleet.language import _
from mlufleet.watch.look_child import END_LIMIT_S, LookProcess, Said
from mlufleet.watch.look_messages import Observed, Ready, Round, RoundEnded
from mlufleet.watch.observation import UNPROBED, Observation, record_failure

#: seconds in which a look process has to have read inventory, releases and stores
START_LIMIT_S = 300
#: seconds beyond a round's own limit after which the look process itself counts as hung
GRACE_S = 30
#: rounds at the same time: each is a process
MAX_ROUNDS = 8
#: bounds of the seconds until a look process that ended is started again
MIN_PAUSE_S, MAX_PAUSE_S = 1.0, 60.0


class LookListener(Protocol):
    """Who is told what the look process brings."""

    def on_hosts(self, ready: Ready) -> None:
        """Take the hosts that are watched from now on.

        Args:
            ready: The hosts, and what they are to be.
        """

    def on_observation(self, observation: Observation) -> None:
        """Take a look that has ended.

        Args:
            observation: What it saw.
        """

    def on_dropped(self, host: str) -> None:
        """Note that a look ended for reasons that are not the host's.

        Args:
            host: Name of the host.
        """

    def on_trouble(self, text: str) -> None:
        """Tell that a look process has ended.

        Args:
            text: Why, and what comes next.
        """

    def on_reload(self, error: str) -> None:
        """Note how reading the inventory anew has ended.

        Args:
            error: Why it is not used; empty if it is.
        """


@dataclass
class RunningRound:
    """A round that has not ended.

    Attributes:
        process: Who was asked for it.
        hosts: Those that have not been looked at yet.
        began: When it was asked for, in seconds since the epoch.
        end: When its process counts as hung, by the monotonic clock.
    """

    process: LookProcess
    hosts: set[str]
    began: float
    end: float


@dataclass
class LookClient:
    """Keeps a look process at work, and replaces it when the inventory is to be read anew.

    Args:
        command: Starts a look process.
        listener: Is told what it brings.
        put: Takes events of other threads; :meth:`handle` gets them back.

    Attributes:
        current: The look process; None while there is none.
        candidate: The one that is to replace it.
        status: Exit status of the last one that ended without having been ready.
    """

    command: Sequence[str]
    listener: LookListener
    put: Callable[[Said], None]
    current: LookProcess | None = None
    candidate: LookProcess | None = None
    status: int = 0
    _rounds: dict[int, RunningRound] = field(default_factory=dict)
    _last_number: int = 0
    _ends: int = 0
    _start_at: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether rounds may be asked for."""
        return self.current is not None and self.current.is_ready

    @property
    def has_room(self) -> bool:
        """Whether a further round may be asked for now."""
        return self.is_ready and len(self._rounds) < MAX_ROUNDS

    @property
    def is_looking(self) -> bool:
        """Whether a round is running."""
        return bool(self._rounds)

    def reload(self) -> None:
        """Read inventory and releases anew; the present ones stay until that has succeeded."""
        if self.candidate:
            self.candidate.kill()
        try:
            self.candidate = LookProcess(self.command, self.put)
        except OSError as error:
            self.listener.on_reload(_("no process can be started: {error}", error=error.strerror))

    def look(self, hosts: list[str]) -> None:
        """Ask for a look at hosts.

        Args:
            hosts: Names of hosts that are not being looked at.
        """
        assert self.current and self.current.is_ready
        self._last_number += 1
        end = time.monotonic() + self.current.limit_s + GRACE_S
        self._rounds[self._last_number] = RunningRound(self.current, set(hosts), time.time(), end)
        self.current.ask(Round(self._last_number, hosts))

    def keep_alive(self) -> None:
        """Start what has ended, and kill what hangs; to be called at least every second."""
        now = time.monotonic()
        if self.current is None and now >= self._start_at:
            try:
                self.current = LookProcess(self.command, self.put)
            except OSError as error:
                self._pause(_("no process can be started: {error}", error=error.strerror))
        for process in (self.current, self.candidate):
            if process and not process.is_ready and now > process.started + START_LIMIT_S:
                process.errors.append(_("not ready within {seconds} s", seconds=START_LIMIT_S))
                process.kill()
        for running in self._rounds.values():
            if now > running.end:
                running.process.errors.append(_("a round did not end, and was not killed"))
                running.process.kill()

    def handle(self, said: Said) -> None:
        """Act on what a look process has said.

        Args:
            said: What was put.
        """
        match said.message:
            case Ready():
                self._accept(said.process, said.message)
            case Observed():
                self._observe(said.message)
            case RoundEnded():
                self._end_round(said.message)
                self._retire(said.process)
            case None:
                self._end_process(said.process)

    def close(self, patience_s: float = END_LIMIT_S) -> None:
        """End all look processes.

        Args:
            patience_s: Seconds that each has to end by itself.
        """
        processes = {id(each.process): each.process for each in self._rounds.values()}
        for process in (self.current, self.candidate, *processes.values()):
            if process:
                process.close(patience_s)
        self.current = self.candidate = None
        self._rounds.clear()

    def _accept(self, process: LookProcess, ready: Ready) -> None:
        process.limit_s = ready.limit_s
        if process is self.candidate:
            former, self.current, self.candidate = self.current, process, None
            if former:
                self._retire(former)
            self.listener.on_reload("")
        elif process is not self.current:
            return
        self.listener.on_hosts(ready)

    def _observe(self, message: Observed) -> None:
        running, name = self._rounds.get(message.number), message.observation.host
        if running and name in running.hosts:
            running.hosts.discard(name)
            self.listener.on_observation(message.observation)

    def _end_round(self, ended: RoundEnded) -> None:
        running = self._rounds.pop(ended.number, None)
        if running is None:
            return
        self._ends = 0
        if ended.is_overdue:
            limit_s = running.process.limit_s
            failure = Failure(
                "PROBE_FAILED",
                _("no end within {seconds:.0f} s; the look was killed", seconds=limit_s),
            )
        else:
            reason = ended.reason or _("exit status {status}", status=0)
            failure = Failure(
                "INTERNAL", _("the process of the look ended with {reason}", reason=reason)
            )
        now = round(time.time(), 3)
        for name in sorted(running.hosts):
            self.listener.on_observation(
                Observation(name, running.began, now, UNPROBED, record_failure(failure))
            )

    def _retire(self, process: LookProcess) -> None:
        """End a look process that was replaced, once its last round has ended."""
        is_needed = process in (self.current, self.candidate)
        if not is_needed and not any(one.process is process for one in self._rounds.values()):
            process.close()

    def _end_process(self, process: LookProcess) -> None:
        status = process.close()
        reason = " ".join(process.errors) or _("exit status {status}", status=status)
        lost = [number for number, one in self._rounds.items() if one.process is process]
        for number in lost:
            for name in sorted(self._rounds.pop(number).hosts):
                self.listener.on_dropped(name)
        if process is self.candidate:
            self.candidate = None
            self.listener.on_reload(reason)
        elif process is self.current:
            self.current = None
            self.status = 0 if process.is_ready else status
            self._pause(_("the look process has ended: {reason}", reason=reason))

    def _pause(self, reason: str) -> None:
        """Tell what happened, and start a look process after a while."""
        pause_s = min(MIN_PAUSE_S * 2 ** min(self._ends, 10), MAX_PAUSE_S)
        self._ends += 1
        self._start_at = time.monotonic() + pause_s
        self.listener.on_trouble(
            _(
                "{reason}; the next one is started in {seconds:.0f} s",
                reason=reason,
                seconds=pause_s,
            )
        )
