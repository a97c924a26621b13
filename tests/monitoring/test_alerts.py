"""An alert from /metrics to the receiver of Alertmanager, and its end."""

from __future__ import annotations

import time

from mlufleet.watch.problems import UNREACHABLE
from tests import snapshots
from tests.monitoring.conftest import Monitoring, fleet
from tests.monitoring.servers import wait_for

CARD = snapshots.CARDS[0]


def test_a_broken_host_is_told_and_its_repair_too(monitoring: Monitoring) -> None:
    """Looks, their tracking, metrics, rules and routes, of which only the looks are made up."""
    cards = {**snapshots.facts()["cards"], CARD: "dropped"}
    monitoring.see(one={"facts": snapshots.facts(cards=cards)})
    receiver = monitoring.receiver
    told = wait_for(lambda: receiver.find("firing", "MluFleetCardDropped"), "the alert")
    assert told["labels"].items() >= {
        ("host", "one"),
        ("subject", CARD),
        ("severity", "critical"),
        ("action", "POWER_CYCLE"),
        ("instance", monitoring.address),
    }
    assert "one" in told["annotations"]["summary"] and CARD in told["annotations"]["summary_zh"]
    assert told["annotations"]["remedy"].startswith("Power-cycle")
    assert "断电重启" in told["annotations"]["remedy_zh"]
    monitoring.see()
    over = wait_for(lambda: receiver.find("resolved", "MluFleetCardDropped"), "its end")
    assert over["labels"] == told["labels"]
    with receiver.lock:
        labels = [one["labels"] for one in receiver.told]
    of_the_watch = [one for one in labels if one.get("instance") == monitoring.address]
    assert {one["alertname"] for one in of_the_watch} == {"MluFleetCardDropped"}


def test_many_unreachable_hosts_are_told_as_one(monitoring: Monitoring) -> None:
    now = time.time()
    gone = [
        snapshots.host(
            name,
            snapshots.opened("UNREACHABLE", since=now - 600, health=UNREACHABLE),
            probed=snapshots.look(name, now - 900),
            last=snapshots.unreachable(name, now),
        )
        for name in ("gone1", "gone2", "gone3")
    ]
    monitoring.pages.snapshot = fleet(*gone)
    receiver = monitoring.receiver
    told = wait_for(lambda: receiver.find("firing", "MluFleetManyHostsDown"), "the alert")
    assert told["annotations"]["summary"].startswith("3 hosts")
    rules = monitoring.prometheus.ask("rules")["groups"]
    # an expression that two watches or several hosts make ambiguous would be an error
    assert {rule["health"] for group in rules for rule in group["rules"]} == {"ok"}
    firing = monitoring.prometheus.query('ALERTS{alertstate="firing"}')
    assert {one["metric"]["alertname"] for one in firing} == {
        "MluFleetManyHostsDown",
        "MluFleetUnreachable",
    }
