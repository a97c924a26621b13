"""What is wrong in the fleet, each thing once: hosts with the same problem are one entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mlufleet.report.host_ranges import natural_key
from mlufleet.watch.problems import DRIFT, REBOOTED, Problem, TrackedProblem
from mlufleet.watch.snapshot import HostSnapshot

#: different problems that are written out of those with the same code
MAX_CAUSES = 20
#: hosts of a problem that are listed one by one; the others are in the table
MAX_CAUSE_HOSTS = 50
#: lines of output that are shown of what failed
MAX_TAIL_LINES = 20


@dataclass(frozen=True)
class AffectedHost:
    """A host with a problem.

    Attributes:
        name: Name of the host.
        health: Its health.
        tracked: The problem over time.
        tail: Last lines of the output of what failed.
    """

    name: str
    health: str
    tracked: TrackedProblem
    tail: list[str]


@dataclass
class Cause:
    """The same problem on one or more hosts.

    Attributes:
        problem: The problem.
        hosts: Where it is, the host that has it longest first.
    """

    problem: Problem
    hosts: list[AffectedHost] = field(default_factory=list)

    @property
    def listed(self) -> list[AffectedHost]:
        """The first :data:`MAX_CAUSE_HOSTS` hosts."""
        return self.hosts[:MAX_CAUSE_HOSTS]

    @property
    def since(self) -> float:
        """When it was first seen on any of the hosts."""
        return min(host.tracked.first_seen for host in self.hosts)


@dataclass
class ProblemGroup:
    """All problems of the fleet with the same code and the same remedy.

    Attributes:
        code: Their code.
        remedy: What to do about them.
        action: What is suggested, as programs understand it: a key of ACTIONS.
        causes: The problems, those of the most hosts first; at most :data:`MAX_CAUSES`.
        names: Hosts with such a problem, sorted.
        omitted: Hosts of the causes beyond that, sorted.
    """

    code: str
    remedy: str
    action: str
    causes: list[Cause] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    omitted: list[str] = field(default_factory=list)


def group_problems(hosts: Iterable[HostSnapshot]) -> list[ProblemGroup]:
    """Return what is wrong: drift last, else what most hosts have first.

    Args:
        hosts: All hosts.
    """
    found: dict[tuple[str, str], dict[tuple[str, str], Cause]] = {}
    for host in hosts:
        for tracked in host.state.open_problems:
            problem = tracked.problem
            causes = found.setdefault((problem.code, problem.remedy), {})
            cause = causes.setdefault((problem.subject, problem.sentence), Cause(problem))
            cause.hosts.append(
                AffectedHost(host.name, host.state.health, tracked, _find_tail(host, problem))
            )
    groups = [_make_group(*key, list(causes.values())) for key, causes in found.items()]
    return sorted(groups, key=lambda group: (group.code == DRIFT, -len(group.names), group.code))


def _make_group(code: str, remedy: str, causes: list[Cause]) -> ProblemGroup:
    for cause in causes:
        cause.hosts.sort(key=lambda host: (host.tracked.first_seen, natural_key(host.name)))
    causes.sort(key=lambda cause: (-len(cause.hosts), cause.since))
    shown, beyond = causes[:MAX_CAUSES], causes[MAX_CAUSES:]
    action = causes[0].problem.action
    return ProblemGroup(code, remedy, action, shown, _names(causes), _names(beyond))


def _names(causes: list[Cause]) -> list[str]:
    return sorted({host.name for cause in causes for host in cause.hosts}, key=natural_key)


def _find_tail(host: HostSnapshot, problem: Problem) -> list[str]:
    """Return the output of what failed, if the last look brought it."""
    for look in (host.last, host.probed):
        if look and look.failure and look.failure.code == problem.code:
            return look.failure.tail[-MAX_TAIL_LINES:]
    return []


def count_unconfirmed(hosts: Iterable[HostSnapshot]) -> dict[str, list[str]]:
    """Return code -> hosts of the problems that only one look has seen so far.

    Args:
        hosts: All hosts.
    """
    found: dict[str, list[str]] = {}
    for host in hosts:
        codes = {
            one.problem.code
            for one in host.state.problems.values()
            if one.opened is None and not one.missed
        }
        for code in codes - {REBOOTED}:
            found.setdefault(code, []).append(host.name)
    return dict(sorted(found.items()))
