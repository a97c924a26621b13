"""Hosts that an earlier version of the project provisioned are right for this one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import paths
from tests.runs import LAB, LIMIT, SITE, mlufleet

#: the last commit before modules, names and reports were reordered
EARLIER = "5f9a98b6bb1a760cf1f6b971a73e64afedfe7d66"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the earlier version, in which it runs on the lab."""
    folder = tmp_path_factory.mktemp("earlier")
    archive = subprocess.run(
        ["git", "-c", f"safe.directory={paths.SOURCE}", "archive", EARLIER],
        cwd=paths.SOURCE,
        capture_output=True,
    )
    if archive.returncode:
        pytest.skip(f"the history of {paths.SOURCE} does not reach back to {EARLIER[:7]}")
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    (folder / ".lab").mkdir()
    for path in (SITE / ".lab").iterdir():
        if path.name != "releases":
            (folder / ".lab" / path.name).symlink_to(path)
    shutil.copytree(SITE / ".lab/releases", folder / ".lab/releases")
    # locks were not proved then, and said neither that nor which lines pip installs at once
    for path in (folder / ".lab/releases").glob("*.lock.json"):
        lock = json.loads(path.read_text())
        del lock["unproved"]
        lock.pop("pip_groups", None)
        path.write_text(json.dumps(lock))
    return folder


def test_its_hosts_need_no_change_and_its_report_is_read(earlier: Path) -> None:
    provisioned = subprocess.run(
        [sys.executable, "-m", "pyinfra", "-y", LAB, "deploy.py"],
        cwd=earlier,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**os.environ, "PYTHONPATH": str(earlier)},
    )
    assert provisioned.returncode == 0, provisioned.stdout + provisioned.stderr

    run = (earlier / "runs/latest").resolve()
    shutil.copytree(run, SITE / "runs" / run.name)
    report = mlufleet("report", run.name)
    assert report.status == 0 and set(report.statuses().values()) <= {"ok", "changed"}

    second = mlufleet("deploy", LAB)
    assert second.status == 0
    assert not any(map(second.changed, second.statuses()))
