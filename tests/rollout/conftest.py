from __future__ import annotations

import pytest

from tests.lab import hosts, up
from tests.lab.fleet import KINDS, fleet
from tests.rollout.fleet import LIGHT, NEXT, SIZE, Settled, answers, last_rollout, mostly, rollout
from tests.runs import RELEASES, SITE, mlufleet


@pytest.fixture(scope="session")
def fleet_up() -> None:
    """The fleet is up, beside the lab's first hosts if these are, and its releases are locked."""
    there, members = hosts.found(), fleet(SIZE)
    first, rest = members[: len(KINDS)], members[len(KINDS) :]
    up.up(0, [*(host for host in first if host.name in there), *rest])
    for release in sorted((SITE / RELEASES).glob("*.yml")):
        if release.with_suffix(".lock.json").exists():  # `make lock` has been here
            continue
        done = mlufleet("lock", str(release), "--store", ".lab/store", "--quiet")
        assert done.status == 0, done.output


@pytest.fixture
def settled(fleet_up: None) -> Settled:
    """Every host of the fleet is on one small release, whatever a test before left."""
    now = mostly()
    if not (done := last_rollout(now)):
        done = rollout(now.release, "--window", "4", "--max-fail", "100%", "--canary", "0")
        assert set(done.statuses().values()) <= {"ok", "changed"}, done.output
    assert answers() == {now.answer}
    return Settled(done, now, NEXT if now == LIGHT else LIGHT)
