"""What the tests on the lab share."""

from __future__ import annotations

import pytest
import yaml

from tests.lab import hosts as lab
from tests.runs import HOSTS, SITE, Done, pyinfra


@pytest.fixture(scope="session")
def provisioned() -> Done:
    """The lab after one run: bare hosts become right ones, right ones stay."""
    known = yaml.safe_load((SITE / ".lab/inventory.yml").read_text())["hosts"]
    there = lab.found()
    for name in HOSTS:
        # with another LAB_PREFIX the faults would be injected into another lab's hosts
        assert name in there and known[name]["ssh_port"] == there[name].port, (
            f"{lab.PREFIX}{name} is not the host of .lab/inventory.yml"
        )
    return pyinfra("-y")
