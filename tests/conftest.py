"""What the tests on the lab share, and the marker that each folder's tests carry."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from tests.lab import hosts as lab
from tests.runs import SITE, Done, pyinfra

# what tests start speaks English, unless a test says otherwise
os.environ["MLUFLEET_LANG"] = "en"

#: folder of tests -> the marker for what its tests need
MARKERS = {"e2e": "lab", "faults": "lab", "rollout": "lab", "kernel": "kernel",
           "browser": "browser", "monitoring": "monitoring"}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder: what needs no marker needs neither root nor a lab."""
    here = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(here).parts[0]
        if folder in MARKERS:
            item.add_marker(MARKERS[folder])


@pytest.fixture(scope="session")
def provisioned() -> Done:
    """The lab after one run: bare hosts become right ones, right ones stay."""
    known = yaml.safe_load((SITE / ".lab/inventory.yml").read_text())["hosts"]
    there = lab.found()
    for name in known:
        # with another LAB_PREFIX the faults would be injected into another lab's hosts
        assert name in there and known[name]["ssh_port"] == there[name].port, (
            f"{lab.PREFIX}{name} is not the host of .lab/inventory.yml"
        )
    return pyinfra("-y")
