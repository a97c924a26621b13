"""Many hosts in few words: `mlu[001-250]` as inventories have it; what is alike is said once."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from typing import Any, TypeVar

#: up to so many hosts, each has lines of its own
MAX_LISTED_HOSTS = 24
#: ranges and names of one line
MAX_RANGES = 8
#: lines of one kind
MAX_LINES = 30

NUMBERED_NAME = re.compile(r"(.*?)([0-9]{1,15})([^0-9]*)", re.DOTALL)
Key = TypeVar("Key", bound=Hashable)
#: a host of a report
NamedHost = tuple[str, dict[str, Any]]


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Key that sorts mlu9 before mlu10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [
        (int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in parts
    ], name


def sort_hosts(report: dict[str, Any]) -> list[NamedHost]:
    """The hosts of a report, as a person counts them."""
    return sorted(report["hosts"].items(), key=lambda item: natural_key(item[0]))


def format_ranges(names: Iterable[str], limit: int = MAX_RANGES) -> str:
    """Names in one line, neighbours as ranges.

    :param most: ranges and names that are written; the hosts beyond are counted
    """
    spans: list[tuple[str, str, list[list[str]]]] = []
    for name in sorted(set(names), key=natural_key):
        match = NUMBERED_NAME.fullmatch(name)
        before, number, after = match.groups() if match else (name, "", "")
        last = spans[-1] if spans else None
        if last is None or last[:2] != (before, after) or not (number and last[2][0][0]):
            spans.append((before, after, [[number]]))
        elif number == str(int(spans[-1][2][-1][-1]) + 1).zfill(len(spans[-1][2][-1][-1])):
            spans[-1][2][-1].append(number)
        else:
            spans[-1][2].append([number])
    said, room, more = [], limit, 0
    for before, after, runs in spans:
        shown, beyond = runs[: max(room, 0)], runs[max(room, 0) :]
        room -= len(shown)
        more += sum(map(len, beyond))
        if shown:
            said.append(before + _format_runs(shown) + after)
    return ", ".join(said) + (f" and {more} more" if more else "")


def _format_runs(runs: list[list[str]]) -> str:
    parts = [run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return parts[0] if len(runs) == 1 == len(runs[0]) else f"[{','.join(parts)}]"


def format_hosts(names: list[str]) -> str:
    """The same, with how many they are."""
    return names[0] if len(names) == 1 else f"{format_ranges(names)} ({len(names)} hosts)"


def group_hosts(pairs: Iterable[tuple[str, Key]]) -> dict[Key, list[str]]:
    """What is said of hosts -> the hosts, in the order in which it was first said."""
    found: dict[Key, list[str]] = {}
    for name, key in pairs:
        found.setdefault(key, []).append(name)
    return found


def group_lines(
    pairs: Iterable[tuple[str, str]], fleet_size: int, limit: int = MAX_LINES
) -> Iterator[str]:
    """What is said of hosts; of many hosts what is said alike in one line, and not without end.

    :param hosts: of the fleet
    """
    if fleet_size <= MAX_LISTED_HOSTS:
        yield from (f"{name}: {said}" for name, said in pairs)
        return
    found = sorted(group_hosts(pairs).items(), key=lambda one: -len(one[1]))
    for said, names in found[:limit]:
        yield f"{format_hosts(names)}: {said}"
    if rest := found[limit:]:
        yield f"… and {len(rest)} more such lines of {sum(len(names) for _, names in rest)} hosts"
