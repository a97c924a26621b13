"""A watch that may mend a host of the lab: each rung is a run, and the next comes if it fails."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet import quarantine
from mlufleet.watch import database
from mlufleet.watch.decision import (
    DONE,
    FAILED,
    NONE,
    QUARANTINE,
    REBOOT,
    REFUSED,
    REPAIR,
    RESTART,
    Decision,
)
from mlufleet.watch.decision_table import has_table, list_decisions
from mlufleet.watch.store import FILE_NAME
from tests.faults.big import HOST, deploy_light
from tests.faults.drivers import told
from tests.lab import hosts as lab
from tests.lab import paths
from tests.runs import RELEASES
from tests.unit import PROJECT
from tests.waiting import PATIENCE_S, until

UNLOAD = "docker stop -t 1 light && modprobe -r cambricon_drv"
#: looks follow each other faster than a user may ask for
WATCH = """\
import sys
from mlufleet.cli import watch
watch.MIN_EVERY_S = 1
from mlufleet.cli.main import main
sys.argv[0] = "mlufleet"
main()
"""
COMMAND = [sys.executable, "-m", "mlufleet"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT)}


@pytest.fixture(scope="module")
def watch(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A folder with a watch that may do all there is to the host, which has the small release."""
    deploy_light()
    site = tmp_path_factory.mktemp("site")
    for name in ("config.py", "deploy.py", "files", "inventories"):
        (site / name).symlink_to(paths.SOURCE / name)
    (site / ".lab").symlink_to(paths.LAB)
    known = yaml.safe_load(paths.INVENTORY.read_text())
    data = {**known["defaults"], **known["hosts"][HOST], "release": f"{RELEASES}/light.yml"}
    (site / "hosts.py").write_text(f"some = [({HOST!r}, { ({**data, 'remediate': 'repair'})!r})]\n")
    options = (
        *("--every=2s", "--listen=off", "--repair-tries=9", "--quarantine-at-most=1"),
        '--quarantine-hook=echo "$MLUFLEET_HOST $MLUFLEET_STATUS $MLUFLEET_CODE" >> hooked',
    )
    command = [sys.executable, "-c", WATCH, "watch", "hosts.py", *options]
    with subprocess.Popen(command, cwd=site, env=ENVIRONMENT, stdin=subprocess.DEVNULL) as watch:
        yield site, watch
        watch.terminate()
    deploy_light()


@pytest.fixture
def site(watch: tuple[Path, subprocess.Popen[bytes]]) -> Path:
    """The folder."""
    return watch[0]


def decisions(site: Path) -> list[Decision]:
    """What the watch has decided so far, oldest first."""
    file = site / "watch" / FILE_NAME
    if not file.exists():
        return []
    with contextlib.closing(database.open_for_reading(file)) as connection:
        return list_decisions(connection) if has_table(connection) else []


def call(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `mlufleet` in the folder."""
    return subprocess.run(
        [*COMMAND, *words],
        cwd=site,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def history(site: Path) -> dict[str, Any]:
    """What `mlufleet history` says."""
    words = [*COMMAND, "history", "--json"]
    done = subprocess.run(words, cwd=site, env=ENVIRONMENT, capture_output=True, timeout=PATIENCE_S)
    found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {"hosts": {}}
    return found


def test_a_container_that_was_killed_is_started_by_a_run(
    watch: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    """Not before the watch has read what somebody has changed on disk meanwhile."""
    site, process = watch
    hosts = site / "hosts.py"
    until(lambda: history(site)["hosts"], "a first look")
    hosts.write_text(hosts.read_text().replace("'remediate'", "'busy_timeout': 1, 'remediate'"))
    lab.run(HOST, "docker kill light")
    held = until(lambda: [one for one in decisions(site) if one.rung == NONE], "a hold")
    assert "is expected" in held[0].reason
    assert [one.outcome for one in decisions(site) if one.is_run] == [REFUSED]
    process.send_signal(signal.SIGHUP)
    (started,) = until(
        lambda: [one for one in decisions(site) if one.is_proved is not None], "a proved rung"
    )
    assert (started.rung, started.outcome, started.is_proved) == (RESTART, DONE, True)
    report = json.loads((site / "runs" / started.run / "report.json").read_text())
    assert report["hosts"][HOST]["status"] == "changed"


def test_what_no_rung_mends_is_taken_out_of_service_until_a_person_says_so(site: Path) -> None:
    before = len(decisions(site))
    with told(HOST, "module-does-not-load"):
        lab.run(HOST, UNLOAD)
        until(
            lambda: [
                one
                for one in decisions(site)[before:]
                if (one.rung, one.outcome) == (QUARANTINE, DONE)
            ],
            "the end",
        )
        mark = quarantine.load(site / quarantine.FILE_NAME)[HOST]
        assert mark.by == quarantine.WATCH and "reboot did not help" in mark.reason
        assert (site / "hooked").read_text() == f"{HOST} quarantined {mark.code}\n"
        left = call(site, "deploy", "hosts.py")
        assert left.returncode == 3 and mark.sentence in left.stderr
        until(
            lambda: [one for one in history(site)["changes"] if one["kind"] == "quarantined"],
            "the change",
        )
    found = history(site)["decisions"][before:]
    tried = [(one["rung"], one["outcome"], one["proved"]) for one in found[:2]]
    assert tried == [(REPAIR, FAILED, False), (REBOOT, FAILED, False)]
    assert found[2]["rung"] == QUARANTINE
    # it is put back when it is right
    assert call(site, "deploy", "hosts.py", "--include-quarantined").returncode == 0
    assert call(site, "host", "unquarantine", "hosts.py", HOST).returncode == 0
    assert call(site, "deploy", "hosts.py").returncode == 0
    assert quarantine.load(site / quarantine.FILE_NAME) == {}
