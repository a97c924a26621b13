"""What the vendor's validation suite prints, read: a verdict by its own word, and rates.

Known of it is the line with the verdict (`plugin [software]: PASS`). How it prints figures is not:
taken is what looks like a rate, and nothing is claimed of what does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import click

_VERDICT = re.compile(r"plugin\s+\[([^\]]+)\]\s*:\s*(\S+)", re.IGNORECASE)
_RATE = re.compile(
    r"(?P<name>\S.*?)\s*[:=|]\s*(?P<value>[0-9]+(?:\.[0-9]+)?)\s*"
    r"(?P<unit>[KMGT]i?B/s|[KMGTP]?(?:FLOPS|OPS))(?![A-Za-z/])"
)
#: which card it is of: all cards of a model are held to the same
_CARD_NUMBER = re.compile(r"\b(?:card|mlu|device|dev)[ _]?\[?[0-9]+\]?", re.IGNORECASE)


@dataclass(frozen=True)
class SuiteOutput:
    """:param passed: the suite's own word, and no other, is PASS"""

    passed: bool
    #: why it has not
    reason: str = ""
    #: name with its unit -> the least of all cards; of all of them more is better
    rates: dict[str, float] = field(default_factory=dict)


def parse(lines: Iterable[str], plugin: str) -> SuiteOutput:
    """What `cnvs -r PLUGIN -v` printed; its exit status is not asked."""
    verdicts: list[str] = []
    rates: dict[str, float] = {}
    for line in (click.unstyle(raw).strip() for raw in lines):
        if verdict := _VERDICT.search(line):
            if verdict[1].strip() == plugin:
                verdicts.append(verdict[2])
        elif found := _RATE.search(line):
            name = f"{_normalize_name(found['name']) or plugin} {found['unit']}"
            value = float(found["value"])
            rates[name] = min(value, rates.get(name, value))
    if not verdicts:
        return SuiteOutput(False, "it said no verdict", rates)
    others = [word for word in verdicts if word != "PASS"]
    return SuiteOutput(not others, f"it said {others[0]}" if others else "", rates)


def _normalize_name(text: str) -> str:
    return " ".join(re.sub(r"[^\w%./+-]+|->", " ", _CARD_NUMBER.sub(" ", text)).split())
