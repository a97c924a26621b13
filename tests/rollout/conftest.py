from __future__ import annotations

import pytest

from tests.lab import up
from tests.rollout.fleet import FLEET, LIGHT, SIZE, rollout
from tests.runs import RELEASES, ROOT, Done, mlufleet


@pytest.fixture(scope="session")
def lab() -> None:
    """The lab with its whole fleet up, and its small releases locked."""
    up.up(SIZE)
    for release in sorted((ROOT / RELEASES).glob("light*.yml")):
        done = mlufleet("lock", str(release), "--store", ".lab/store", "--quiet")
        assert done.status == 0, done.output


@pytest.fixture
def light(lab: None) -> Done:
    """Every host of the fleet is on the first small release, whatever a test before left."""
    done = rollout(LIGHT, "--window", "4", "--max-fail", "100%", "--canary", "0")
    assert set(done.statuses().values()) <= {"ok", "changed"}, done.output
    assert len(done.statuses()) == len(FLEET)
    return done
