"""A fault of a host makes Alertmanager tell it, and its repair that it is over."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import yaml

from tests.faults.big import HOST, deploy_light
from tests.faults.drivers import told
from tests.lab import paths
from tests.monitoring import servers
from tests.runs import RELEASES
from tests.waiting import until

#: seconds between two looks
EVERY_S = 2.0


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Receiver]:
    """What is told of the host, which has the small release."""
    deploy_light()
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("monitoring")
    for name in ("config.py", "deploy.py", "files", "inventories"):
        (site / name).symlink_to(paths.SOURCE / name)
    (site / ".lab").symlink_to(paths.LAB)
    known = yaml.safe_load(paths.INVENTORY.read_text())
    data = {**known["defaults"], **known["hosts"][HOST], "release": f"{RELEASES}/light.yml"}
    (site / "hosts.py").write_text(f"some = [({HOST!r}, {data!r})]\n")
    command = (sys.executable, "-m", "mlufleet.watch.look_process", "hosts.py")
    with (
        servers.watching(folder, EVERY_S, *command, cwd=site) as address,
        servers.monitoring(folder, servers.job("watch", address, folder / "token")) as found,
    ):
        prometheus, receiver = found
        seen = f'mlufleet_cards{{host="{HOST}", state="running"}} > 0'
        until(lambda: prometheus.query(seen), "a first look")
        yield receiver


def test_a_card_that_drops_is_an_alert_until_it_is_back(receiver: servers.Receiver) -> None:
    with told(HOST, "card-rev-ff"):
        alert = until(lambda: receiver.find("firing", "MluFleetCardDropped"), "the alert")
    assert alert["labels"]["host"] == HOST and alert["labels"]["action"] == "POWER_CYCLE"
    assert alert["labels"]["subject"] in alert["annotations"]["summary_zh"]
    over = until(lambda: receiver.find("resolved", "MluFleetCardDropped"), "its end")
    assert over["labels"] == alert["labels"]
