"""The host with a kernel of its own; a test begins where it says, whatever one before it left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.host import deploy
from tests.lab.vm import machine
from tests.lab.vm import up as vm
from tests.runs import Done

DRIVEN = "driven"


@pytest.fixture(scope="session")
def vm_host() -> Iterator[None]:
    """The host is there and has been booted once; afterwards it rests with its bare state."""
    vm.up()
    yield
    machine.power_off()


@pytest.fixture
def bare(vm_host: None) -> None:
    """No driver yet."""
    machine.restore(vm.BARE)


@pytest.fixture(scope="session")
def first(vm_host: None) -> Done:
    """The run that the bare host gets its driver by; what it makes of the host is kept."""
    machine.restore(vm.BARE)
    done = deploy()
    assert done.status == 0, done.output
    machine.save(DRIVEN)
    return done


@pytest.fixture
def driven(first: Done) -> None:
    """As after that run: driver 5.10.10 is loaded and the container runs."""
    machine.restore(DRIVEN)
