"""How long a host's cards are waited for, and what is said when the wait is over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fleet.errors import Failure
from fleet.release.target import ReleaseTarget
from operations import card_users, foreign_containers
from operations.card_users import WaitForCards
from operations.host.facts import HostFacts
from operations.stage import HostOptions
from tests.unit.conftest import DRIVEN, probe
from tests.unit.operations.stage_helpers import as_spec

HOLDER, SILENT = "holder|7|python|c1|docker|kang|1", "silent|container"


@pytest.mark.parametrize(
    ("probes", "code"),
    [
        ([[HOLDER], []], None),
        ([[HOLDER], [HOLDER, SILENT], []], None),
        ([[HOLDER], [HOLDER]], "CARD_BUSY"),
        ([[HOLDER], [HOLDER, SILENT]], "ENGINE"),
    ],
)
def test_cards_are_free_when_an_engine_that_answers_says_so(
    wanted: ReleaseTarget,
    monkeypatch: pytest.MonkeyPatch,
    probes: list[list[str]],
    code: str | None,
) -> None:
    first, *later = (probe(*DRIVEN, *lines) for lines in probes)
    spec = as_spec(wanted, HostOptions(busy_timeout=2 * len(later) - 1))
    seen: list[HostFacts] = []  # each look takes two seconds; the last one is past the time

    def look(*_: Any) -> HostFacts:
        seen.append(later[len(seen)])
        return seen[-1]

    clock = SimpleNamespace(monotonic=lambda: len(seen) * 2)
    monkeypatch.setattr(card_users, "time", clock)
    monkeypatch.setattr(card_users.gevent, "sleep", lambda _: None)
    monkeypatch.setattr(card_users, "invalidate_facts", lambda _: None)
    monkeypatch.setattr(card_users, "probe_host", look)
    actions = foreign_containers.plan_release(spec, wanted, first)
    assert not isinstance(actions, Failure)
    (wait,) = (command for one in actions for command in one.commands(lambda: first))
    assert isinstance(wait, WaitForCards)
    host: Any = SimpleNamespace(name="a", print_prefix="", state=SimpleNamespace())
    failure = wait.run(host, {})
    assert (failure and failure.code) == code
    assert len(seen) == len(later)


def test_without_an_answer_nothing_is_planned(wanted: ReleaseTarget) -> None:
    facts = probe(*DRIVEN, HOLDER, SILENT)
    found = foreign_containers.plan_release(as_spec(wanted), wanted, facts)
    assert isinstance(found, Failure) and found.code == "ENGINE"
