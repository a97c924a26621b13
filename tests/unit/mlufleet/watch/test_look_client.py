"""The watch's end of the look process, with a process that sees what a file says."""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlufleet.watch import look_client
from mlufleet.watch.look_child import Said
from mlufleet.watch.look_client import LookClient
from mlufleet.watch.look_messages import Ready
from mlufleet.watch.observation import SEEN, UNPROBED, Observation
from tests.unit.mlufleet.watch import fake_looks
from tests.waiting import PATIENCE_S


class Told:
    """What a listener is told."""

    def __init__(self) -> None:
        self.hosts: list[dict[str, list[str]]] = []
        self.observations: list[Observation] = []
        self.dropped: list[str] = []
        self.troubles: list[str] = []
        self.reloads: list[str] = []

    def on_hosts(self, ready: Ready) -> None:
        self.hosts.append(ready.hosts)

    def on_observation(self, observation: Observation) -> None:
        self.observations.append(observation)

    def on_dropped(self, host: str) -> None:
        self.dropped.append(host)

    def on_trouble(self, text: str) -> None:
        self.troubles.append(text)

    def on_reload(self, error: str) -> None:
        self.reloads.append(error)


class Bench:
    def __init__(self, world: Path) -> None:
        self.world, self.told = world, Told()
        self.inbox: queue.SimpleQueue[Said] = queue.SimpleQueue()
        command = [sys.executable, "-m", fake_looks.__name__, str(world)]
        self.client = LookClient(command, self.told, self.inbox.put)

    def until(self, holds: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end
            self.client.keep_alive()
            try:
                self.client.handle(self.inbox.get(timeout=0.05))
            except queue.Empty:
                continue


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(look_client, "MIN_PAUSE_S", 0.1)
    found = Bench(fake_looks.write_world(tmp_path / "world"))
    yield found
    found.client.close(0)


def test_looks_come_back_one_by_one(bench: Bench) -> None:
    bench.until(lambda: bench.client.is_ready)
    assert bench.told.hosts == [fake_looks.HOSTS]
    bench.client.look(["one", "two"])
    assert bench.client.is_looking
    bench.until(lambda: not bench.client.is_looking)
    assert [(one.host, one.outcome) for one in bench.told.observations] == [
        ("one", SEEN),
        ("two", SEEN),
    ]


def test_a_host_of_which_nothing_was_said_has_a_failure(bench: Bench) -> None:
    fake_looks.write_world(bench.world, seen={"one": "nothing"})
    bench.until(lambda: bench.client.is_ready)
    bench.client.look(["one"])
    bench.until(lambda: bench.told.observations)
    (seen,) = bench.told.observations
    assert seen.outcome == UNPROBED and seen.failure and seen.failure.code == "INTERNAL"


def test_a_process_that_dies_is_told_and_comes_back(bench: Bench) -> None:
    fake_looks.write_world(bench.world, seen={"one": "die"})
    bench.until(lambda: bench.client.is_ready)
    bench.client.look(["one", "two"])
    bench.until(lambda: bench.told.troubles)
    assert sorted(bench.told.dropped) == ["one", "two"] and not bench.told.observations
    assert not bench.client.is_looking and not bench.client.is_ready
    bench.until(lambda: bench.client.is_ready)


def test_a_process_that_hangs_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_client, "GRACE_S", 0.1)
    fake_looks.write_world(bench.world, seen={"one": "hang"}, limit=0.1)
    bench.until(lambda: bench.client.is_ready)
    bench.client.look(["one"])
    bench.until(lambda: bench.told.dropped)
    assert "did not end" in bench.told.troubles[0]
    bench.until(lambda: bench.client.is_ready)


def test_pauses_grow_while_a_process_cannot_begin(bench: Bench) -> None:
    fake_looks.write_world(bench.world, invalid="no such release")
    bench.until(lambda: len(bench.told.troubles) == 3)
    assert all("no such release" in text for text in bench.told.troubles)
    assert bench.client.status == 3
    fake_looks.write_world(bench.world)
    bench.until(lambda: bench.client.is_ready)


def test_a_new_inventory_replaces_the_old_one_when_its_looks_have_ended(bench: Bench) -> None:
    bench.until(lambda: bench.client.is_ready)
    former = bench.client.current
    fake_looks.write_world(bench.world, seen={"one": "hang"}, hosts={"three": []})
    bench.client.look(["one"])
    bench.client.reload()
    bench.until(lambda: bench.told.reloads)
    assert bench.told.reloads == [""] and bench.told.hosts[-1] == {"three": []}
    assert bench.client.current is not former and bench.client.is_looking
    bench.client.look(["three"])
    bench.until(lambda: bench.told.observations)
    assert bench.told.observations[0].host == "three"


def test_a_wrong_inventory_leaves_the_old_one(bench: Bench) -> None:
    bench.until(lambda: bench.client.is_ready)
    former = bench.client.current
    fake_looks.write_world(bench.world, invalid="no such release")
    bench.client.reload()
    bench.until(lambda: bench.told.reloads)
    assert bench.told.reloads == ["no such release"] and bench.client.current is former
    bench.client.look(["one"])
    bench.until(lambda: bench.told.observations)
    assert bench.told.troubles == []
