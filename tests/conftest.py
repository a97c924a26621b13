"""What the tests on the lab share."""

from __future__ import annotations

import pytest

from tests.runs import Done, pyinfra


@pytest.fixture(scope="session")
def provisioned() -> Done:
    """The lab after one run: bare hosts become right ones, right ones stay."""
    return pyinfra("-y")
