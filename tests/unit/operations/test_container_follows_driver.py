"""A container that docker was to start before the driver was there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fleet.release.target import ReleaseTarget
from operations import container
from operations.host.facts import HostFacts
from operations.host.scripts import read_script
from tests.unit.conftest import DRIVEN, probe
from tests.unit.operations.stage_helpers import plan_commands, plan_words
from tests.waiting import PATIENCE_S

EARLY = (
    'error gathering device information while adding custom device "/dev/cambricon_dev0": '
    "no such file or directory"
)


def stopped(wanted: ReleaseTarget, error: str) -> HostFacts:
    made = container.spec_digest(wanted, probe(*DRIVEN))
    said = f"container|id1|{wanted.lock.image.id}|false|0|{made}|{json.dumps(error)}"
    return probe(*DRIVEN, said, f"stamp|container|{made} f1", "facts|f1")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ("", ""),
        (EARLY, f" (it was to start before the driver was there: {EARLY})"),
        ("driver failed\nprogramming\texternal", " (driver failed programming external)"),
    ],
)
def test_a_stopped_container_says_why_and_is_started(
    wanted: ReleaseTarget, error: str, why: str
) -> None:
    state = stopped(wanted, error)
    assert plan_words(container, wanted, state) == [f"start container torch{why}"]
    (step,) = plan_commands(container, wanted, state)
    assert repr(step) == "RemoteJob(container start torch)"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with systemd and two containers of ours; docker knows them by a folder of files."""
    for folder in ("run", "units", "state/stamps/slot", "bin", "containers"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "state/stamps/container-name").write_text("torch\n")
    (tmp_path / "state/stamps/slot/container-name").write_text("other\n")
    tools = {
        "systemctl": f'echo "$*" >> {tmp_path}/log',
        "sleep": f"touch {tmp_path}/node",
        "docker": f"cd {tmp_path}/containers; for name; do :; done; case $1 in\n"
        f'inspect) cat "$name" ;;\n'
        "start) [ -e ../node ] || exit 1\n"
        "echo true > $name; echo $name >> ../log ;;\nesac",
    }
    for name, does in tools.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run(host: Path, script: str) -> None:
    subprocess.run(
        ["sh", "-c", script],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        env={"PATH": f"{host}/bin:/usr/bin:/bin"},
    )


def placed(host: Path) -> str:
    script = read_script("lib/follow-driver").replace("/etc/systemd/system", f"{host}/units")
    script = script.replace("/run/systemd/system", f"{host}/run")
    script = script.replace("/var/lib/mlufleet", f"{host}/state")
    run(host, f"state={host}/state\naudit() {{ :; }}\n{script}\nfollow_driver")
    return (host / "log").read_text()


def test_the_unit_is_placed_once(host: Path) -> None:
    assert placed(host) == "daemon-reload\nenable mlufleet-follow-driver\n"
    assert placed(host).count("enable") == 1
    unit = (host / "units/mlufleet-follow-driver.service").read_text()
    assert f"ExecStart=/bin/sh {host}/state/follow-driver" in unit and "After=docker" in unit
    assert not list(host.glob("state/*.part")) + list(host.glob("state/*.unit"))


def test_what_could_not_start_for_want_of_a_node_starts_when_that_is_there(host: Path) -> None:
    placed(host)
    (host / "log").unlink()
    (host / "containers/torch").write_text(f"false {EARLY}\n")
    (host / "containers/other").write_text("false \n")  # somebody stopped it
    run(host, f"sh {host}/state/follow-driver")
    assert (host / "log").read_text() == "torch\n"
