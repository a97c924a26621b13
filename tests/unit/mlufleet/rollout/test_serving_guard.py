"""Hosts are taken while enough endpoints stay ready, whatever happens to the others."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlufleet.rollout.host_count import HostCount
from mlufleet.rollout.serving_guard import HostServing, ServingGuard, count_endpoints
from operations.host.facts import EndpointFacts, HostFacts, ReleaseFacts
from tests.unit.conftest import probe


def guard(share: str, **before: int) -> ServingGuard:
    """A guard whose last look found every endpoint ready."""
    made = ServingGuard(before, HostCount.parse(share))
    made.observe({host: HostServing(count) for host, count in before.items()})
    return made


def test_endpoints_that_are_ready_count_at_whatever_port() -> None:
    states = {
        "0": EndpointFacts("0", "d", "ready", listens=True),
        "1": EndpointFacts("1", "d", "ready", listens=False),
        "2": EndpointFacts("2", "d", "loading", listens=True),
        "3": EndpointFacts("3", "d", "failed", listens=False),
    }
    other = {"0": EndpointFacts("0", "e", "ready", listens=True)}
    facts = HostFacts(
        releases={"a": ReleaseFacts(endpoints=states), "b": ReleaseFacts(endpoints=other)}
    )
    assert count_endpoints(facts) == HostServing(ready=3, final=1)
    assert count_endpoints(HostFacts()) == HostServing()


def test_what_a_probe_prints_of_endpoints_is_counted() -> None:
    told = ("d|ready|7|1000|2.5|0|1000|-|-", "d|loading|8|1000|-1|0|0|-|-")
    lines = [f"endpoint|{name}|yes|{line}" for name, line in enumerate(told)]
    facts = probe("release|", *lines, "host")
    assert count_endpoints(facts) == HostServing(ready=1)


def test_what_the_new_release_does_not_serve_is_counted_while_it_runs() -> None:
    told = ("d|ready|7|1000|2.5|0|1000|-|-", "d|failed|0|1000|-1|6|0|-|-")
    lines = [f"former|old|{name}|{line}" for name, line in enumerate(told)]
    facts = probe("release|", "host", "retired|old|ID|", *lines)
    assert count_endpoints(facts) == HostServing(ready=1, final=1)


@pytest.mark.parametrize(
    ("share", "before", "needed", "remedy"),
    [
        ("75%", {"a": 1, "b": 1, "c": 1, "d": 1}, 3, ""),
        ("75%", {"a": 1, "b": 1, "c": 1}, 3, "--keep-serving 66%"),
        ("66%", {"a": 1, "b": 1, "c": 1}, 2, ""),
        # the largest host decides
        ("50%", {"a": 8, "b": 4, "c": 2}, 7, "--keep-serving 42%"),
        ("42%", {"a": 8, "b": 4, "c": 2}, 6, ""),
        ("1%", {"a": 2}, 1, "leave --keep-serving out"),
        ("0%", {"a": 2}, 0, ""),
        ("3", {"a": 2, "b": 2}, 3, "--keep-serving 2,"),
        ("2", {"a": 2, "b": 2}, 2, ""),
        ("9", {"a": 2, "b": 2}, 9, "--keep-serving 2,"),
        # nothing was ready, so nothing can be lost
        ("100%", {"a": 0}, 0, ""),
        ("5", {}, 5, ""),
    ],
)
def test_a_share_that_lets_no_host_go_is_refused_with_one_that_does(
    share: str, before: dict[str, int], needed: int, remedy: str
) -> None:
    made = guard(share, **before)
    refusal = made.refuse(before)
    assert made.needed == needed
    assert (refusal is None) == (not remedy)
    if refusal:
        assert remedy in refusal.remedy and str(made.total) in refusal.sentence


def test_hosts_that_need_nothing_do_not_make_a_share_impossible() -> None:
    made = guard("50%", large=8, small=2)
    assert made.refuse(["large", "small"]) and made.refuse(["small"]) is None


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 8)), st.integers(1, 100))
def test_what_a_refusal_proposes_is_possible(before: dict[str, int], percent: int) -> None:
    refusal = guard(f"{percent}%", **before).refuse(before)
    if refusal is None:
        return
    if refusal.remedy.startswith("use "):
        proposed = refusal.remedy.split()[2].rstrip(",")
        assert HostCount.parse(proposed).value < percent
        assert guard(proposed, **before).refuse(before) is None
    else:
        assert guard("1%", **before).refuse(before) is not None


def test_a_host_at_work_counts_for_nothing_and_an_unseen_one_neither() -> None:
    made = guard("50%", a=1, b=1, c=1, d=1)
    assert made.count_ready([]) == 4
    assert made.may_take("b", ["a"]) and not made.may_take("c", ["a", "b"])
    made.observe({"a": HostServing(1), "b": HostServing(1), "c": HostServing(1)})
    assert made.count_ready([]) == 3
    assert made.may_take("a", []) and not made.may_take("b", ["a"])


def test_endpoints_that_came_later_do_not_stand_in_for_those_there_were() -> None:
    made = guard("100%", a=2, b=2)
    made.observe({"a": HostServing(1), "b": HostServing(8), "c": HostServing(8)})
    assert made.count_ready([]) == 3


def test_a_host_without_ready_endpoints_is_not_held_back() -> None:
    made = guard("75%", a=1, b=1, c=1, d=1)
    made.observe({host: HostServing(0, final=1) for host in "ab"} | {"c": HostServing(1)})
    assert made.may_take("new", ["d"])
    assert made.may_take("a", []), "it takes nothing away, and the rollout may repair it"
    assert not made.may_take("c", [])
    assert not made.may_take("d", []), "nobody knows what it serves"


def test_waiting_makes_sense_only_while_endpoints_may_come_back() -> None:
    made = guard("75%", a=1, b=1, c=1, d=1)
    made.observe({"a": HostServing(1), "b": HostServing(1), "c": HostServing(1)})
    assert not made.may_take("a", []) and made.may_recover("a", [])
    made.observe({host: HostServing(1) for host in "abc"} | {"d": HostServing(0)})
    assert made.may_recover("a", []), "its container may be starting"
    assert not made.may_recover("a", ["d"]), "nobody works on it any more"
    made.observe({host: HostServing(1) for host in "abc"} | {"d": HostServing(0, final=1)})
    assert not made.may_recover("a", [])


@dataclass
class Fleet:
    """Hosts whose endpoints are ready or not, and a rollout over them."""

    guard: ServingGuard
    ready: dict[str, int]
    at_work: set[str] = field(default_factory=set)

    def look(self, silent: set[str]) -> None:
        self.guard.observe(
            {host: HostServing(n) for host, n in self.ready.items() if host not in silent}
        )


@given(st.data())
def test_no_host_that_is_taken_makes_too_few_of_the_endpoints_ready(data: st.DataObject) -> None:
    hosts = [f"h{number}" for number in range(data.draw(st.integers(1, 12)))]
    before = {host: data.draw(st.integers(0, 4)) for host in hosts}
    percent = data.draw(st.integers(1, 100))
    fleet = Fleet(ServingGuard(before, HostCount.parse(f"{percent}%")), dict(before))
    waiting = list(hosts)
    for _ in range(30):
        silent = set(data.draw(st.lists(st.sampled_from(hosts), max_size=2)))
        fleet.look(silent - fleet.at_work)
        host = data.draw(st.sampled_from(hosts))
        if host in waiting and fleet.guard.may_take(host, fleet.at_work):
            takes = fleet.ready[host]
            waiting.remove(host)
            fleet.at_work.add(host)
            fleet.ready[host] = 0
            kept = sum(min(fleet.ready[name], before[name]) for name in hosts)
            assert not takes or not before[host] or kept >= fleet.guard.total * percent / 100
        elif host in fleet.at_work and data.draw(st.booleans()):
            fleet.at_work.remove(host)
            fleet.ready[host] = data.draw(st.integers(0, 6))
