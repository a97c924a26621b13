"""The time by which the watch writes its history, when the clock of its machine jumps.

A controller whose clock has lost its battery begins in a past year, until NTP sets it; another one
is far ahead for a while. What was recorded and a clock that only goes forward tell that apart from
time that has passed: a jump is believed at once if it leads back to what was recorded before it,
and else when it has lasted for an hour.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from fleet.language import _
from fleet.text.times import format_duration, format_utc
from mlufleet.watch.observation import Observation

#: no clock is right that is before this was written: 2026-01-01
WRITTEN = 1_767_225_600.0
#: seconds by which a clock may be set without being doubted
JUMP_S = 3600.0
#: seconds after which a jump is believed
DOUBT_S = 3600.0
#: seconds that a look takes at most, with room
MAX_LOOK_S = 1800.0


def read_steady_clock() -> float:
    """Return the seconds of a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def set_back(at: float, now: float, by: float = 0.0) -> float:
    """Return a time that is not in the future.

    Args:
        at: A time by a clock that may have been ahead.
        now: The time by the clock as it is.
        by: How far it was ahead, if that is known.
    """
    return at if at <= now else min(now, at - by)


class WatchClock:
    """The time of a watch; methods can be called by any thread.

    Args:
        newest: The latest time that was recorded, in seconds since the epoch; 0 for none.
        doubt_s: Seconds after which a jump is believed.
        wall: Returns the time of this machine's clock, in seconds since the epoch.
        steady: Returns seconds of a clock that nobody sets.
    """

    def __init__(
        self,
        newest: float = 0.0,
        doubt_s: float = DOUBT_S,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = read_steady_clock,
    ) -> None:
        self._doubt_s, self._wall, self._steady = doubt_s, wall, steady
        self._lock = threading.Lock()
        self._notes: list[str] = []
        self._ahead_s = 0.0
        now = wall()
        #: whether the clock is behind what was recorded: to be set forward is what it needs
        self._is_behind = now < max(newest - JUMP_S, WRITTEN)
        self._base = max(newest, WRITTEN) if self._is_behind else now
        self._at = steady()
        #: the time before the last jump forward that was believed; 0 for none
        self._floor = newest if 0 < newest < self._base - JUMP_S else 0.0
        self._doubted_s, self._doubted_at = 0.0, 0.0

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        with self._lock:
            return self._read()[0]

    def find_offset(self) -> float:
        """Return the seconds by which this time is ahead of the machine's clock."""
        with self._lock:
            now, wall = self._read()
            return now - wall

    def place(self, observation: Observation) -> Observation:
        """Return a look that has just ended with its times by this clock.

        Args:
            observation: The look, with times of the machine's clock.
        """
        with self._lock:
            now, wall = self._read()
        ended, began = observation.ended + now - wall, observation.began + now - wall
        if not now - MAX_LOOK_S <= ended <= now:
            ended = now
        if not ended - MAX_LOOK_S <= began <= ended:  # the clock was set while it looked
            began = ended
        return replace(observation, began=round(began, 3), ended=round(ended, 3))

    def take_notes(self) -> list[str]:
        """Return what an operator has to know of the clock since the last call."""
        with self._lock:
            notes, self._notes = self._notes, []
            return notes

    def take_step_back(self) -> float:
        """Return by how many seconds this time was set back since the last call."""
        with self._lock:
            ahead_s, self._ahead_s = self._ahead_s, 0.0
            return ahead_s

    def _read(self) -> tuple[float, float]:
        """Return this time and that of the machine's clock."""
        wall, steady = self._wall(), self._steady()
        expected = self._base + steady - self._at
        jump_s = wall - expected
        if abs(jump_s) > JUMP_S:
            if not self._is_believed(wall, jump_s, steady):
                return expected, wall
            self._notes.append(_("the time is {time} from now on", time=format_utc(wall)))
            self._ahead_s += max(0.0, -jump_s)
            self._floor = expected if jump_s > 0 else 0.0
        self._base, self._at, self._is_behind, self._doubted_s = wall, steady, False, 0.0
        return wall, wall

    def _is_believed(self, wall: float, jump_s: float, steady: float) -> bool:
        if abs(jump_s - self._doubted_s) > JUMP_S:
            self._doubted_s, self._doubted_at = jump_s, steady
            self._notes.append(_describe_jump(wall, jump_s))
        if wall < WRITTEN:
            return False
        if self._is_behind and jump_s > 0:
            return True
        is_return = self._floor and jump_s < 0 and wall >= self._floor - JUMP_S
        return bool(is_return) or steady - self._doubted_at >= self._doubt_s


def _describe_jump(wall: float, jump_s: float) -> str:
    values = {"time": format_utc(wall), "duration": format_duration(round(abs(jump_s)))}
    if jump_s > 0:
        return _(
            "the clock of this machine says {time}, {duration} later than what was recorded and "
            "the time since: it is believed if it stays so; remedy: have NTP set it (timedatectl)",
            **values,
        )
    return _(
        "the clock of this machine says {time}, {duration} earlier than what was recorded and "
        "the time since: it is believed if it stays so; remedy: have NTP set it (timedatectl)",
        **values,
    )
