"""Runs the tool on the lab as a user does, and reads the report it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAB = "inventories/lab.py"
RELEASES = ".lab/releases"
HOSTS = {"u1604": 1, "u1804": 4, "c7": 2}  # name -> cards
WORK = "/data/github/dev-env-ubuntu/pytorch1.9/baichuan"
CONTAINER = "container-pytorch-v1.13.0-torch1.9-ubuntu18.04-py37-mlufleet"
#: no run on the lab may take longer, seconds
LIMIT = 1500


@dataclass
class Done:
    status: int
    output: str
    report: dict[str, Any]

    def host(self, name: str) -> dict[str, Any]:
        return dict(self.report["hosts"][name])

    def statuses(self) -> dict[str, str]:
        return {name: host["status"] for name, host in self.report["hosts"].items()}

    def changed(self, name: str) -> list[str]:
        """Names of the stages that changed something on a host."""
        return [s["stage"] for s in self.host(name)["stages"] if s["changes"]]


def call(*words: str) -> Done:
    latest = ROOT / "runs/latest"
    before = latest.resolve()
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True,
                          timeout=LIMIT)  # fmt: skip
    output = done.stdout + done.stderr
    print(output)
    fresh = latest.exists() and latest.resolve() != before
    report = json.loads((latest / "report.json").read_text()) if fresh else {"hosts": {}}
    return Done(done.returncode, output, report)


def pyinfra(*options: str, inventory: str = LAB) -> Done:
    return call("pyinfra", inventory, "deploy.py", *options)


def mlufleet(*words: str) -> Done:
    return call("fleet.cli", *words)


@pytest.fixture(scope="session")
def provisioned() -> Done:
    """The lab after one run: bare hosts become right ones, right ones stay."""
    return pyinfra("-y")
