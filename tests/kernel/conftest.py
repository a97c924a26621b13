"""The host with a kernel of its own; a test begins where it says, whatever one before it left."""

from __future__ import annotations

import pytest

from tests.kernel.host import right
from tests.lab.vm import machine
from tests.lab.vm import up as vm

DRIVEN = "driven"


@pytest.fixture(scope="session")
def lab() -> None:
    """The host is there and has been booted once."""
    vm.up()


@pytest.fixture
def bare(lab: None) -> None:
    """No driver yet."""
    machine.restore(vm.BARE)


@pytest.fixture(scope="session")
def once_driven(lab: None) -> None:
    """What a run makes of the bare host is kept, for all tests that begin there."""
    machine.restore(vm.BARE)
    right()
    machine.save(DRIVEN)


@pytest.fixture
def driven(once_driven: None) -> None:
    """As after a run: driver 5.10.10 is loaded and the container runs."""
    machine.restore(DRIVEN)
