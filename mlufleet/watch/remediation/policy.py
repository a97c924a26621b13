"""How much the watch may mend: hosts at once, tries a day, hours, and what counts as a storm."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from typing_extensions import override

from mlufleet.rollout.host_count import HostCount

MINUTES_PER_DAY = 24 * 60
#: seconds within which problems of several hosts count as one event
STORM_WINDOW_S = 15 * 60
#: seconds for which tries are counted
TRY_WINDOW_S = 86400


@dataclass(frozen=True)
class Hours:
    """A part of each day in local time; it may include midnight.

    Attributes:
        begin: Minute of the day with which it begins.
        end: Minute before which it ends.
    """

    begin: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Parse hours such as "22:00-06:00".

        Args:
            text: What the operator gave.

        Raises:
            ValueError: It is something else.
        """
        match = re.fullmatch(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})", text.strip(), re.ASCII)
        numbers = [int(number) for number in match.groups()] if match else []
        if not numbers or numbers[0] > 23 or numbers[2] > 24 or max(numbers[1::2]) > 59:
            raise ValueError(f"{text!r} is not a time of day such as 22:00-06:00")
        begin, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
        if end > MINUTES_PER_DAY or begin == end:
            raise ValueError(f"{text!r} is no part of a day; 00:00-24:00 is all of it")
        return cls(begin, end)

    def includes(self, now: float) -> bool:
        """Return whether a moment is within these hours.

        Args:
            now: The moment, in seconds since the epoch.
        """
        local = time.localtime(now)
        minute = local.tm_hour * 60 + local.tm_min
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end

    @override
    def __str__(self) -> str:
        begin, end = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in (self.begin, self.end))
        return f"{begin}-{end}"


@dataclass(frozen=True)
class Policy:
    """What the site allows, over the whole fleet.

    Attributes:
        at_once: Hosts that are mended at the same time.
        tries: Runs on one host within 24 hours.
        storm: More hosts than this with a new problem within 15 minutes are not mended.
        hours: When hosts are mended; None for at any time.
        quarantine_at_most: Hosts in quarantine beyond which the watch adds none.
    """

    at_once: int = 1
    tries: int = 3
    storm: HostCount = field(default=HostCount(10, is_percentage=True))
    hours: Hours | None = None
    quarantine_at_most: HostCount = field(default=HostCount(10, is_percentage=True))

    def count_quarantines(self, total: int) -> int:
        """Return how many hosts may be in quarantine for the watch to add another one.

        A percentage is one host at least, and never all of them; a number is taken at its word.

        Args:
            total: Hosts that are watched.
        """
        count = self.quarantine_at_most
        if not count.value:
            return 0
        allowed = count.resolve(total, minimum=1)
        return min(allowed, total - 1) if count.is_percentage else allowed
