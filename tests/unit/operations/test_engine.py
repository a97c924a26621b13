"""Which of a host's releases decides about the engine that they share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.release.target import HostTarget, ReleaseTarget
from operations import engine
from tests.unit.conftest import BARE, probe
from tests.unit.operations.stage_helpers import plan_commands, plan_words, render


def build_release(
    wanted: ReleaseTarget, key: str, minimum: str, packages: dict[str, str]
) -> ReleaseTarget:
    needs = wanted.release.engine.model_copy(update={"minimum": minimum, "packages": packages})
    return replace(wanted, key=key, release=wanted.release.model_copy(update={"engine": needs}))


@pytest.mark.parametrize("order", [1, -1])
def test_the_strictest_release_decides_in_whichever_order_they_are(
    wanted: ReleaseTarget, order: int
) -> None:
    files = {"ubuntu18.04": "docker"}
    modest = build_release(wanted, "a", "19.03", files)
    strict = build_release(wanted, "b", "20.10.24", files)
    target = HostTarget((modest, strict)[::order], wanted.store)
    lines = [line.replace("engine|20.10.24", "engine|20.10.5") for line in BARE]
    facts = probe(*lines, "release|a", "host", "release|b", "host")
    assert engine.find_strictest_release(target, facts) is strict
    assert plan_words(engine, target, facts) == ["upgrade docker 20.10.5 to at least 20.10.24"]
    _, install = plan_commands(engine, target, facts)
    assert render(install) == "engine install /var/lib/mlufleet/artifacts/docker/docker.io.deb"


def test_of_equally_strict_releases_one_that_has_docker_decides(wanted: ReleaseTarget) -> None:
    without = build_release(wanted, "a", "19.03", {})
    carrying = build_release(wanted, "b", "19.03", {"ubuntu18.04": "docker"})
    target = HostTarget((without, carrying), wanted.store)
    facts = probe(*BARE, "release|a", "host", "release|b", "host")
    assert engine.find_strictest_release(target, facts) is carrying


def test_a_query_about_any_release_that_docker_does_not_answer_fails_the_host(
    wanted: ReleaseTarget,
) -> None:
    target = HostTarget((replace(wanted, key="a"), replace(wanted, key="b")), wanted.store)
    facts = probe(*BARE, "release|a", "host", "release|b", "silent|image", "host")
    failure = plan_words(engine, target, facts)
    assert not isinstance(failure, list) and failure.code == "ENGINE"
