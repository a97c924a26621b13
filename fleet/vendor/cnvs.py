"""Parser of the output of CNVS, the vendor's validation suite: a verdict and rates.

Only the verdict line (`plugin [software]: PASS`) is documented. Any value that looks like a rate
(`name: 11.8 GB/s`) is recorded as well, with card numbers removed from its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from fleet.language import _

_ANSI_ESCAPE = re.compile(r"\x1b\[[;?0-9]*[a-zA-Z]")
_VERDICT = re.compile(r"plugin\s+\[([^\]]+)\]\s*:\s*(\S+)", re.IGNORECASE)
_RATE = re.compile(
    r"(?P<name>\S.*?)\s*[:=|]\s*(?P<value>[0-9]+(?:\.[0-9]+)?)\s*"
    r"(?P<unit>[KMGT]i?B/s|[KMGTP]?(?:FLOPS|OPS))(?![A-Za-z/])"
)
#: Which card a rate is of; all cards of a model are held to the same baseline.
_CARD_NUMBER = re.compile(r"\b(?:card|mlu|device|dev)[ _]?\[?[0-9]+\]?", re.IGNORECASE)


@dataclass(frozen=True)
class SuiteOutput:
    """What one plugin of the suite printed.

    Attributes:
        passed: Whether every verdict is PASS.
        reason: Why it did not pass; "" if it did.
        rates: Name with unit -> the lowest value of all cards. Higher values are better.
    """

    passed: bool
    reason: str = ""
    rates: dict[str, float] = field(default_factory=dict)


def parse(lines: Iterable[str], plugin: str) -> SuiteOutput:
    """Parse the output of `cnvs -r PLUGIN -v`, whose exit status is not used.

    Args:
        lines: The output.
        plugin: The plugin that was run; verdicts of others are ignored.

    Returns:
        The verdict and all rates.
    """
    verdicts: list[str] = []
    rates: dict[str, float] = {}
    for line in (_ANSI_ESCAPE.sub("", raw).strip() for raw in lines):
        if verdict := _VERDICT.search(line):
            if verdict[1].strip() == plugin:
                verdicts.append(verdict[2])
        elif rate := _RATE.search(line):
            name = f"{_normalize_name(rate['name']) or plugin} {rate['unit']}"
            value = float(rate["value"])
            rates[name] = min(value, rates.get(name, value))
    if not verdicts:
        return SuiteOutput(False, _("it printed no verdict"), rates)
    others = [verdict for verdict in verdicts if verdict != "PASS"]
    reason = _("its verdict is {verdict}", verdict=others[0]) if others else ""
    return SuiteOutput(not others, reason, rates)


def _normalize_name(text: str) -> str:
    return " ".join(re.sub(r"[^\w%./+-]+|->", " ", _CARD_NUMBER.sub(" ", text)).split())
