"""Many hosts in few words: ``mlu[001-250]``, and one line for hosts that are alike."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from fleet.language import _, n_

#: with more hosts than this, those that are alike share a line
MAX_LISTED_HOSTS = 24
#: ranges and names in a line
MAX_RANGES = 8
#: lines of one kind
MAX_LINES = 30

NUMBERED_NAME = re.compile(r"(.*?)([0-9]{1,15})([^0-9]*)", re.DOTALL)
Key = TypeVar("Key", bound=Hashable)


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a key that sorts mlu9 before mlu10.

    Args:
        name: Name of a host or a group.
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [
        (int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in parts
    ], name


@dataclass
class _Span:
    """Names that differ in one number only; a name without a number has none."""

    prefix: str
    suffix: str
    runs: list[list[str]] = field(default_factory=list)

    def continues(self, prefix: str, suffix: str) -> bool:
        """Return whether a numbered name with this prefix and suffix belongs to the span."""
        return (self.prefix, self.suffix) == (prefix, suffix) and bool(self.runs[0][0])

    def add(self, number: str) -> None:
        """Add a number that is larger than all others: to the last run if it follows it."""
        last = self.runs[-1][-1] if self.runs else ""
        if last and number == str(int(last) + 1).zfill(len(last)):
            self.runs[-1].append(number)
        else:
            self.runs.append([number])


def _spans(names: Iterable[str]) -> list[_Span]:
    spans: list[_Span] = []
    for name in sorted(set(names), key=natural_key):
        match = NUMBERED_NAME.fullmatch(name)
        prefix, number, suffix = match.groups() if match else (name, "", "")
        span = spans[-1] if spans else None
        if not number or span is None or not span.continues(prefix, suffix):
            span = _Span(prefix, suffix)
            spans.append(span)
        span.add(number)
    return spans


def format_ranges(names: Iterable[str], limit: int = MAX_RANGES) -> str:
    """Return names in one line, neighbors as ranges.

    Args:
        names: Names of hosts, in any order.
        limit: Ranges and names that are written out; the hosts beyond are counted.
    """
    shown, omitted = name_some(names, limit)
    return _("{hosts} and {count} more", hosts=shown, count=omitted) if omitted else shown


def name_some(names: Iterable[str], limit: int) -> tuple[str, int]:
    """Return some names in one line, neighbors as ranges, and how many hosts are beyond.

    Args:
        names: Names of hosts, in any order.
        limit: Ranges and names that are written out.
    """
    parts: list[str] = []
    room, omitted = limit, 0
    for span in _spans(names):
        shown, beyond = span.runs[: max(room, 0)], span.runs[max(room, 0) :]
        room -= len(shown)
        omitted += sum(map(len, beyond))
        if shown:
            parts.append(span.prefix + _format_runs(shown) + span.suffix)
    return ", ".join(parts), omitted


def _format_runs(runs: list[list[str]]) -> str:
    parts = [run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return parts[0] if len(runs) == 1 == len(runs[0]) else f"[{','.join(parts)}]"


def format_hosts(names: list[str], limit: int = MAX_RANGES) -> str:
    """Return names in one line, with their number if there are several.

    Args:
        names: Names of hosts.
        limit: Ranges and names that are written out.
    """
    if len(names) == 1:
        return names[0]
    ranges = format_ranges(names, limit)
    return n_("{ranges} ({count} host)", "{ranges} ({count} hosts)", len(names), ranges=ranges)


def group_hosts(pairs: Iterable[tuple[str, Key]]) -> dict[Key, list[str]]:
    """Return what hosts have in common -> their names, in the order of its first occurrence.

    Args:
        pairs: Names, and what is compared.
    """
    groups: dict[Key, list[str]] = {}
    for name, key in pairs:
        groups.setdefault(key, []).append(name)
    return groups


def group_lines(
    pairs: Iterable[tuple[str, str]], fleet_size: int, limit: int = MAX_LINES
) -> Iterator[str]:
    """Return a line per host; in a large fleet, one per different text and at most so many.

    Args:
        pairs: Names and texts.
        fleet_size: Hosts of the fleet.
        limit: Lines for a large fleet; the rest is counted.
    """
    if fleet_size <= MAX_LISTED_HOSTS:
        yield from (f"{name}: {text}" for name, text in pairs)
        return
    groups = sorted(group_hosts(pairs).items(), key=lambda item: -len(item[1]))
    for text, names in groups[:limit]:
        yield f"{format_hosts(names)}: {text}"
    if rest := groups[limit:]:
        count = sum(len(names) for _text, names in rest)
        yield _("… and {lines} more such lines of {count} hosts", lines=len(rest), count=count)


def share_lines(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Return a line per different text, with the hosts that it is about.

    Args:
        pairs: Names and texts.
    """
    for text, names in group_hosts(pairs).items():
        yield f"{format_hosts(names)}: {text}"
