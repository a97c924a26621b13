"""A look and a rollout plan the same adoption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from mlufleet.rollout import fleet_survey
from mlufleet.rollout.adoption import Adoption
from mlufleet.rollout.fleet_survey import FleetSurvey
from mlufleet.rollout.plan import Plan


@pytest.mark.parametrize("is_look", [True, False])
def test_a_look_and_a_rollout_plan_the_same(monkeypatch: pytest.MonkeyPatch, is_look: bool) -> None:
    host: Any = SimpleNamespace(name="a", data=SimpleNamespace())

    @contextmanager
    def connected(host: Any) -> Iterator[bool]:
        yield True

    planned: list[dict[str, Any]] = []
    session: Any = SimpleNamespace(
        hosts=[host],
        connected=connected,
        begin_run=lambda _: SimpleNamespace(context=SimpleNamespace(), interrupted=False),
        assess_and_record=lambda host: planned.append(dict(vars(host.data))),
    )
    monkeypatch.setattr(fleet_survey, "survey_host", lambda *_: [])
    if is_look:
        FleetSurvey(session, "adopt", ("kang",))._look_at(host)
    else:
        Adoption(session, Plan(inventory="hosts.py", stop=("kang",)))
        session.assess_and_record(host)
    assert planned == [{"adopt": True, "stop": ("kang",)}]
