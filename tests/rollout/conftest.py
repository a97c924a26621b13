from __future__ import annotations

import pytest

from tests.lab import up
from tests.rollout.fleet import LIGHT, NEXT, SIZE, Settled, answers, mostly, rollout
from tests.runs import RELEASES, SITE, mlufleet


@pytest.fixture(scope="session")
def lab() -> None:
    """The lab with its whole fleet up, and its releases locked."""
    up.up(SIZE)
    for release in sorted((SITE / RELEASES).glob("*.yml")):
        done = mlufleet("lock", str(release), "--store", ".lab/store", "--quiet")
        assert done.status == 0, done.output


@pytest.fixture
def settled(lab: None) -> Settled:
    """Every host of the fleet is on one small release, whatever a test before left."""
    now = mostly()
    done = rollout(now.release, "--window", "4", "--max-fail", "100%", "--canary", "0")
    assert set(done.statuses().values()) <= {"ok", "changed"}, done.output
    assert answers() == {now.answer}
    return Settled(done, now, NEXT if now == LIGHT else LIGHT)
