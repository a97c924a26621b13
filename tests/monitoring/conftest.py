"""Watches, Prometheus with the project's rules, and Alertmanager with its configuration."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mlufleet.watch.decision import DONE, FAILED, HOLD_ACTION, NONE, RESTART, Decision
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot, LookTotals
from tests import snapshots
from tests.monitoring import servers
from tests.unit.mlufleet.watch import fake_looks


@dataclass
class Monitoring:
    """A watch whose looks a test sets, the pages of another one, and what is told of both."""

    world: Path
    address: str
    pages: servers.Pages
    prometheus: servers.Prometheus
    receiver: servers.Receiver

    def see(self, **seen: dict[str, Any]) -> None:
        """Set what looks see from now on."""
        see(self.world, **seen)


def see(world: Path, **seen: dict[str, Any]) -> None:
    """Set what looks see from now on; a host that is not named is right."""
    looks = {host: seen.get(host, {"facts": snapshots.facts()}) for host in fake_looks.HOSTS}
    fake_looks.write_world(world, seen=looks)


def right(name: str) -> HostSnapshot:
    """A host that was looked at just now."""
    return snapshots.host(name, last=snapshots.look(name, time.time()), groups=("mlu", "rack1"))


def fleet(*hosts: HostSnapshot, looks: int = 100) -> FleetSnapshot:
    """Four hosts that are right, and these."""
    others = (right(f"ok{number}") for number in range(4))
    return snapshots.snapshot(*others, *hosts, looks={"seen": LookTotals(looks, looks * 1.5)})


def everything(looks: int = 100) -> FleetSnapshot:
    """Every metric of the watch has a sample."""
    now = time.time()
    cards = {**snapshots.facts()["cards"], snapshots.CARDS[0]: "dropped"}
    look = snapshots.look(
        "bad", now, facts=snapshots.facts(cards=cards), drift={"driver": ["install driver"]}
    )
    state = snapshots.opened("CARD_DROPPED", snapshots.CARDS[0], now - 600, is_flapping=True)
    return replace(
        fleet(snapshots.host("bad", state, last=look, groups=("mlu",)), looks=looks),
        decisions={
            "bad": Decision(now - 60, "bad", NONE, "CARD_DROPPED: POWER_CYCLE is suggested")
        },
        runs={(RESTART, DONE): looks // 100, (RESTART, FAILED): 1},
        holds={"bad": HOLD_ACTION},
    )


@pytest.fixture(scope="package")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    folder, watched = tmp_path_factory.mktemp("monitoring"), tmp_path_factory.mktemp("watch")
    world = watched / "world"
    see(world)
    command = (sys.executable, "-m", fake_looks.__name__, str(world))
    with (
        servers.watching(watched, 0.5, *command) as address,
        servers.serving_pages(fleet()) as pages,
        servers.monitoring(
            folder,
            servers.job("mlufleet-watch", address, watched / "token"),
            servers.job("another-watch", pages.address),
        ) as (prometheus, receiver),
    ):
        yield Monitoring(world, address, pages, prometheus, receiver)
