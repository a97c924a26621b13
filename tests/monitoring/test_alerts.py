"""An alert from /metrics to the receiver of Alertmanager, and its end."""

from __future__ import annotations

import time
from dataclasses import replace

from fleet.quarantine import Quarantine
from mlufleet.watch.decision import FAILED, HOLD_AT_ONCE, HOLD_EXHAUSTED, HOLD_STORM, REPAIR
from mlufleet.watch.problems import UNREACHABLE
from tests import snapshots
from tests.monitoring.conftest import Monitoring, fleet
from tests.waiting import until

CARD = snapshots.CARDS[0]


def test_a_broken_host_is_told_and_its_repair_too(monitoring: Monitoring) -> None:
    """Looks, their tracking, metrics, rules and routes, of which only the looks are made up."""
    cards = {**snapshots.facts()["cards"], CARD: "dropped"}
    monitoring.see(one={"facts": snapshots.facts(cards=cards)})
    receiver = monitoring.receiver
    told = until(lambda: receiver.find("firing", "MluFleetCardDropped"), "the alert")
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
    over = until(lambda: receiver.find("resolved", "MluFleetCardDropped"), "its end")
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
    told = until(lambda: receiver.find("firing", "MluFleetManyHostsDown"), "the alert")
    assert told["annotations"]["summary"].startswith("3 hosts")
    rules = monitoring.prometheus.ask("rules")["groups"]
    # an expression that two watches or several hosts make ambiguous would be an error
    assert {rule["health"] for group in rules for rule in group["rules"]} == {"ok"}
    firing = monitoring.prometheus.query('ALERTS{alertstate="firing"}')
    assert {one["metric"]["alertname"] for one in firing} == {
        "MluFleetManyHostsDown",
        "MluFleetUnreachable",
    }


def test_what_the_watch_does_not_mend_is_told(monitoring: Monitoring) -> None:
    mark = Quarantine.begin("li@ops", "ticket 4711")
    monitoring.pages.snapshot = replace(
        fleet(replace(snapshots.host("away"), quarantine=mark)),
        runs={(REPAIR, FAILED): 1},
        holds={"ok0": HOLD_EXHAUSTED, "ok1": HOLD_STORM, "ok2": HOLD_STORM, "ok3": HOLD_AT_ONCE},
    )
    receiver = monitoring.receiver
    failed = until(lambda: receiver.find("firing", "MluFleetRemediationFailed"), "a failed run")
    assert failed["labels"]["rung"] == REPAIR
    person = until(lambda: receiver.find("firing", "MluFleetRemediationNeedsPerson"), "a person")
    assert (person["labels"]["host"], person["labels"]["reason"]) == ("ok0", "exhausted")
    storm = until(lambda: receiver.find("firing", "MluFleetRemediationStorm"), "the storm")
    assert "2 台" in storm["annotations"]["summary_zh"]
    away = until(lambda: receiver.find("firing", "MluFleetHostQuarantined"), "a quarantine")
    assert away["labels"]["host"] == "away" and "已隔离" in away["annotations"]["summary_zh"]
    monitoring.pages.snapshot = fleet()
    until(lambda: receiver.find("resolved", "MluFleetRemediationStorm"), "its end")
