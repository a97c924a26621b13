"""From bare to an answering model, and nothing more the second time."""

from __future__ import annotations

import pytest

from tests.lab import hosts as lab
from tests.runs import CONTAINER, HOSTS, SITE, WORK, Done, mlufleet, pyinfra

PATCHED = "0a5bf632cbee5e1b8bcc6973b1647f0db96aab2cb6699f7fedf687c0cf8e3666"


def test_every_host_is_provisioned_and_answers(provisioned: Done) -> None:
    assert (provisioned.failures(), provisioned.status) == ({}, 0)
    assert set(provisioned.statuses().values()) <= {"ok", "changed"}
    assert set(provisioned.statuses()) == set(HOSTS)


@pytest.mark.parametrize("host", HOSTS)
def test_what_a_host_is_afterwards(provisioned: Done, host: str) -> None:
    modeling = f"{WORK}/transformers_mlu/src/transformers/modeling_utils.py"
    assert lab.run(host, f"sha256sum {modeling}").split()[0] == PATCHED
    version = lab.run(host, "sed -n 's/^Driver Version: v//p' /proc/driver/cambricon/mlus/*/inf*")
    assert set(version.split()) == {"5.10.10"}
    asked = lab.run(host, "cat $(ls -t /var/lib/mlufleet/smoke/*.log | head -n 1)")
    assert "登鹳雀楼->王之涣" in asked
    nodes = lab.run(host, f"docker exec {CONTAINER} ls /dev")
    assert nodes.count("cambricon_dev") == HOSTS[host]
    inspected = lab.run(host, f"docker inspect -f '{{{{.HostConfig.Privileged}}}}' {CONTAINER}")
    assert inspected == "false"


@pytest.mark.parametrize("host", HOSTS)
def test_the_report_tells_what_the_last_look_saw(provisioned: Done, host: str) -> None:
    told = provisioned.host(host)
    assert set(told["cards"].values()) == {"CN_RUNNING"}
    assert len(told["cards"]) == HOSTS[host] and set(told["serials"]) <= set(told["cards"])
    assert told["versions"]["release"] == told["wanted"] == "baichuan-7b-lab"
    assert told["versions"]["driver"] == "5.10.10" and told["lock"] is None
    ended = provisioned.report["ended"]
    assert not told["old"] and provisioned.report["started"] <= told["seen"] <= ended
    assert mlufleet("report", provisioned.report["run"]).status == 0
    metrics = (SITE / "runs" / provisioned.report["run"] / "metrics.prom").read_text()
    assert f'mlufleet_cards_healthy{{host="{host}"}} {float(HOSTS[host])}\n' in metrics


def test_a_second_run_changes_nothing_and_says_so(provisioned: Done) -> None:
    again = pyinfra("-y")
    assert again.status == 0
    assert again.statuses() == dict.fromkeys(HOSTS, "ok")
    said = "is as release baichuan-7b-lab says: 0 changes"
    assert again.output.count(said) == len(HOSTS)
    assert "Starting operation" not in again.output


def test_the_sudo_password_is_gone_and_in_no_log(provisioned: Done) -> None:
    password = (SITE / ".lab/ssh/c7.password").read_text().strip()
    loud = pyinfra("-y", "-vvv", "--limit", "c7", "--debug")
    assert loud.status == 0
    assert password not in loud.output
    for path in (SITE / "runs").rglob("*"):
        assert not path.is_file() or password not in path.read_text(errors="replace"), path
    assert lab.run("c7", "ls /dev/shm") == ""


def test_true_exit_status_where_pyinfra_says_zero(provisioned: Done) -> None:
    assert mlufleet("deploy", "inventories/lab.py", "--limit", "nobody").status == 3
    assert mlufleet("deploy", "inventories/none.py").status == 3


def test_smoke_on_demand_asks_again(provisioned: Done) -> None:
    asked = mlufleet("deploy", "inventories/lab.py", "--limit", "u1604", "--data", "smoke=always")
    assert asked.status == 0 and asked.changed("u1604") == ["smoke"]
    assert "王之涣" in asked.host("u1604")["answer"]
