"""Numbers of hosts or endpoints as operators give them: "3", or "25%" of all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from typing_extensions import override


@dataclass(frozen=True)
class HostCount:
    """A number of hosts or endpoints, or a percentage of them.

    Attributes:
        value: The number, or the percentage (0 to 100).
        is_percentage: Whether it is a percentage.
    """

    value: int
    is_percentage: bool = False

    @classmethod
    def parse(cls, text: str) -> HostCount:
        """Parse a number such as "3", or a percentage such as "25%".

        Args:
            text: What the operator gave.

        Raises:
            ValueError: It is neither, or more than 100%.
        """
        match = re.fullmatch(r"([0-9]{1,6})(%?)", text.strip(), re.ASCII)
        if not match:
            raise ValueError(f"{text!r} is neither a number (3) nor a percentage (25%)")
        count = cls(int(match[1]), match[2] == "%")
        if count.is_percentage and count.value > 100:
            raise ValueError(f"{text!r} is more than 100%")
        return count

    def resolve(self, total: int, *, minimum: int = 0) -> int:
        """Return the number of hosts; a percentage is rounded down (10% of 9 hosts are 0).

        Args:
            total: Hosts that there are.
            minimum: The result is not smaller, e.g. 1 if 0 hosts at a time would never end.
        """
        count = total * self.value // 100 if self.is_percentage else self.value
        return max(minimum, min(total, count))

    def resolve_up(self, total: int) -> int:
        """Return how many have to stay; a percentage is rounded up (75% of 3 endpoints are 3).

        Args:
            total: Hosts or endpoints that there are.
        """
        return -(-total * self.value // 100) if self.is_percentage else self.value

    @override
    def __str__(self) -> str:
        return f"{self.value}{'%' if self.is_percentage else ''}"
