"""Which hosts are to be looked at now. Times are those of any clock that only goes forward."""

from __future__ import annotations

import hashlib
import math
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: share of the interval by which a look is earlier or later, at random: a host's own periodic
#: tasks would otherwise meet every look, or none
JITTER = 0.03
#: seconds in which all hosts are looked at for the first time, if the interval is not shorter
FIRST_PASS_S = 20.0
#: seconds until the second look at a host of which a look has shown something new, if the interval
#: is not shorter
CONFIRM_S = 60.0
#: share of all hosts that is looked at for that reason within CONFIRM_S, and how many are in any
#: case: when the whole fleet breaks at once, the looks may not double
CONFIRM_SHARE, MIN_CONFIRMED_HOSTS = 0.1, 5
#: rounds for each interval, if there are as many hosts: a process that looks at several hosts costs
#: less than one for each
ROUNDS_PER_INTERVAL = 30
#: hosts of one round, as each of them has a connection
MAX_ROUND_HOSTS = 50
#: bounds of the seconds between two rounds
MIN_ROUND_S, MAX_ROUND_S = 1.0, 10.0


def choose_round_interval(every_s: float) -> float:
    """Return the seconds between two rounds.

    Args:
        every_s: Seconds between two looks at a host.
    """
    return min(max(every_s / ROUNDS_PER_INTERVAL, MIN_ROUND_S), MAX_ROUND_S)


def find_phase(name: str) -> float:
    """Return at which part of the interval a host is looked at: the same at every start.

    Args:
        name: Name of the host.

    Returns:
        From 0 up to, but not including, 1.
    """
    digest = hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=6).digest()
    return int.from_bytes(digest, "big") / (1 << 48)


@dataclass
class Turn:
    """When a host is due.

    Attributes:
        due: When it is to be looked at next.
        is_running: Whether it is looked at now.
    """

    due: float
    is_running: bool = False


class Schedule:
    """Spreads the looks at hosts evenly, and never has two at one host at once.

    Args:
        every_s: Seconds between two looks at a host.
        pick: Returns a number between -1 and 1, for the jitter.
    """

    def __init__(
        self, every_s: float, pick: Callable[[], float] = lambda: random.uniform(-1, 1)
    ) -> None:
        self.every_s, self._pick = every_s, pick
        self._turns: dict[str, Turn] = {}
        #: times of the latest looks that come sooner to confirm another one, oldest first
        self._confirming: deque[float] = deque(maxlen=MIN_CONFIRMED_HOSTS)

    def set_hosts(self, names: Iterable[str], now: float) -> None:
        """Take the hosts of an inventory; those that are known already keep their turns.

        Args:
            names: The hosts.
            now: The time.
        """
        first_pass_s = min(self.every_s, FIRST_PASS_S)
        self._turns = {
            name: self._turns.get(name) or Turn(now + find_phase(name) * first_pass_s)
            for name in names
        }
        limit = max(MIN_CONFIRMED_HOSTS, math.ceil(len(self._turns) * CONFIRM_SHARE))
        self._confirming = deque(self._confirming, maxlen=limit)

    def take_due(self, now: float, limit: int = MAX_ROUND_HOSTS) -> list[str]:
        """Return the hosts that are due, the longest first; each runs until :meth:`finish`.

        Args:
            now: The time.
            limit: At most so many.
        """
        due = [name for name, turn in self._turns.items() if turn.due <= now]
        due = [name for name in due if not self._turns[name].is_running]
        taken = sorted(due, key=lambda name: self._turns[name].due)[:limit]
        for name in taken:
            self._turns[name].is_running = True
        return taken

    def make_due(self, now: float) -> None:
        """Make every host due that is not being looked at.

        Args:
            now: The time.
        """
        for turn in self._turns.values():
            turn.due = min(turn.due, now)

    def finish(
        self, name: str, now: float, *, again_in: float | None = None, confirms: bool = False
    ) -> None:
        """Note that the look at a host has ended.

        Args:
            name: The host; unknown ones are ignored, as the inventory may have lost it meanwhile.
            now: The time.
            again_in: Seconds until the next look, if this one came to nothing.
            confirms: Whether the next look is to confirm soon what this one has shown.
        """
        if turn := self._turns.get(name):
            turn.is_running = False
            turn.due = self._find_next(name, turn.due, now) if again_in is None else now + again_in
            if confirms:
                turn.due = self._find_sooner(turn.due, now)

    def _find_sooner(self, due: float, now: float) -> float:
        """Return when a look is confirmed: at its host's next time, or at a free one before it."""
        sooner = now + CONFIRM_S * (1 + self._pick() * JITTER)
        if len(self._confirming) == self._confirming.maxlen:
            sooner = max(sooner, self._confirming[0] + CONFIRM_S)
        if sooner >= due:
            return due
        self._confirming.append(sooner)
        return sooner

    def _find_next(self, name: str, last: float, now: float) -> float:
        """Return the host's next own time that is far enough from the last one, with jitter."""
        phase = find_phase(name) * self.every_s
        earliest = max(now, last + self.every_s / 2)
        count = math.ceil((earliest - phase) / self.every_s)
        return phase + count * self.every_s + self._pick() * JITTER * self.every_s
