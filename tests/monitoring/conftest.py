"""Watches, Prometheus with the project's rules, and Alertmanager with its configuration."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import yaml

from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot, LookTotals
from tests import snapshots
from tests.monitoring import servers
from tests.unit import PROJECT

FILES = PROJECT / "files/monitoring"
CONFIG = """\
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [alerts.yml, problem_alerts.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ['ALERTMANAGER']}]}]}
scrape_configs:
  - job_name: mlufleet-watch
    authorization: {credentials_file: watch/token}
    static_configs: [{targets: ['WATCH']}]
  - job_name: another-watch
    static_configs: [{targets: ['PAGES']}]
"""


@dataclass
class Monitoring:
    """All of it: a watch, and pages of another one that is not running."""

    watch: servers.Watch
    pages: servers.Pages
    prometheus: servers.Prometheus
    receiver: servers.Receiver


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
    return fleet(snapshots.host("bad", state, last=look, groups=("mlu",)), looks=looks)


def shorten(rules: str) -> str:
    """Return the rules with seconds in place of minutes and hours; all else stays."""
    return re.sub(r"^( +for:) .*", r"\1 1s", rules, flags=re.M).replace("[5m]", "[3s]")


def alertmanager_config(receiver: str) -> str:
    """Return the example's configuration with its routes, and one webhook for each receiver."""
    config = yaml.safe_load((FILES / "alertmanager.example.yml").read_text())
    hook = {"url": f"http://{receiver}/", "send_resolved": True}
    config["receivers"] = [
        {"name": one["name"], "webhook_configs": [hook]} for one in config["receivers"]
    ]
    config["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    config["templates"] = [str(FILES / "alertmanager.tmpl")]
    return yaml.safe_dump(config)


@pytest.fixture(scope="package")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    folder = tmp_path_factory.mktemp("monitoring")
    with ExitStack() as stack:
        watch = stack.enter_context(servers.watching(folder / "watch"))
        pages = stack.enter_context(servers.serving_pages(fleet()))
        receiver = stack.enter_context(servers.receiving())
        (folder / "alertmanager.yml").write_text(alertmanager_config(receiver.address))
        alertmanager = stack.enter_context(
            servers.running(
                "prometheus-alertmanager",
                folder,
                "--config.file=alertmanager.yml",
                "--storage.path=alertmanager",
                "--cluster.listen-address=",
            )
        )
        config = CONFIG.replace("ALERTMANAGER", alertmanager).replace("WATCH", watch.address)
        config = config.replace("PAGES", pages.address)
        (folder / "prometheus.yml").write_text(config)
        for file in ("alerts.yml", "problem_alerts.yml"):
            (folder / file).write_text(shorten((FILES / file).read_text()))
        prometheus = stack.enter_context(
            servers.running(
                "prometheus",
                folder,
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=prometheus",
            )
        )
        yield Monitoring(watch, pages, servers.Prometheus(prometheus), receiver)
