"""How many hosts an amount of a fleet is: "3", or "25%" rounded down."""

from __future__ import annotations

import re
from dataclasses import dataclass

from typing_extensions import override


@dataclass(frozen=True)
class HostCount:
    """A count of hosts, or a whole percentage of them (0 to 100)."""

    value: int
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> HostCount:
        """:raises ValueError: it is neither a count nor a percentage up to 100"""
        match = re.fullmatch(r"([0-9]{1,6})(%?)", text.strip(), re.ASCII)
        if not match:
            raise ValueError(f"{text!r} is neither a number of hosts (3) nor a percentage (25%)")
        amount = cls(int(match[1]), match[2] == "%")
        if amount.percent and amount.value > 100:
            raise ValueError(f"{text!r} is more than 100%")
        return amount

    def resolve(self, total: int) -> int:
        """Hosts of ``total``: what may break. A share of a host is none: 10% of 9 is 0."""
        return min(total, total * self.value // 100 if self.percent else self.value)

    def resolve_at_least_one(self, total: int) -> int:
        """Hosts of ``total``: what may be worked on at once. None would never end."""
        return max(1, self.resolve(total))

    @override
    def __str__(self) -> str:
        return f"{self.value}{'%' if self.percent else ''}"
