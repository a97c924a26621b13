"""Every fact of a host in a report is of the last look at it, with the time of that look."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.release.lockfile import NOT_PROVED
from fleet.release.target import ReleaseTarget
from mlufleet.cli import health
from mlufleet.journal import journal
from mlufleet.journal.events import LockRecord
from mlufleet.report import changes, derive, exports, html, junit, publish, terminal
from mlufleet.report.model import parse_report
from mlufleet.rollout import status
from mlufleet.run import assessment
from mlufleet.run.run import Run
from operations import smoke_test
from operations.host.facts import HostFacts
from operations.stage import HostOptions
from operations.stages import HostPlan, find_drift
from tests.journals import derive as derive_lines
from tests.unit.conftest import BARE, DRIVEN, probe
from tests.unit.mlufleet.report.test_derive import event
from tests.unit.operations.stage_helpers import as_host, as_spec

OPTIONS = HostOptions()


def at(time: float, kind: str, host: str = "a", **fields: Any) -> dict[str, Any]:
    return {**event(kind, host, **fields), "time": time}


def look(seen: float, **fields: Any) -> dict[str, Any]:
    """What a look tells."""
    said = {"driver": "", "kernel": "4.15", "release": "unproved", "cards": 2}
    versions = {**said, **fields.pop("versions", {})}
    return {
        "seen": seen,
        "wanted": "small",
        "versions": versions,
        "cards": {},
        "serials": {},
        "models": {},
        "owners": {},
        "lock": None,
        "validation": {},
        **fields,
    }


def first(**fields: Any) -> dict[str, Any]:
    return at(
        10,
        "observed",
        needs=["driver", "smoke"],
        proofs=["smoke"],
        drift={"driver": ["install driver"]},
        refusal=None,
        **look(9.5, cards={"x": "no driver", "y": "no driver"}, **fields),
    )


def done(time: float, stage: str, **fields: Any) -> dict[str, Any]:
    return at(time, "stage-done", stage=stage, changes=["it"], seconds=1.0, **fields)


RIGHT = look(
    28.0,
    versions={"driver": "5.10.10", "kernel": "5.4", "release": "small", "engine": "20.10"},
    cards={"x": "CN_RUNNING", "y": "CN_RUNNING"},
    serials={"x": "S1", "y": "S2"},
    models={"x": "MLU370-X8", "y": "MLU370-X8"},
)
PROVISIONED = [
    at(1, "run", ""),
    at(1, "hosts", "", names=["a"]),
    first(),
    at(20, "step", stage="driver", title="install"),
    at(28.1, "facts", **RIGHT),
    done(29, "driver", seen=28.0),
    done(30, "smoke", seen=29.9),
    at(31, "end", ""),
]


def test_after_a_first_provisioning_every_output_has_what_the_last_look_saw(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = derive_lines(PROVISIONED, "r")
    host = found.hosts["a"]
    assert host.cards == {"x": "CN_RUNNING", "y": "CN_RUNNING"} and host.serials["y"] == "S2"
    assert host.versions == RIGHT["versions"] and host.status == "changed"
    assert host.seen == 29.9 and not host.old
    assert host.drift == {"driver": ["install driver"]}  # of the beginning, and only there
    assert {row["state"] for row in exports.card_rows(found)} == {"CN_RUNNING"}
    assert {row["release"] for row in exports.card_rows(found)} == {"small"}
    assert {row["seen"] for row in exports.card_rows(found)} == {"1970-01-01T00:00:29Z"}
    metrics = exports.render_prometheus(found)
    assert 'mlufleet_cards_healthy{host="a"} 2.0\n' in metrics
    assert 'mlufleet_host_seen_timestamp_seconds{host="a"} 29.9\n' in metrics
    assert 'mlufleet_host_seen_old{host="a"} 0.0\n' in metrics
    shown = html.render_page(found)
    assert "no driver" not in shown and "1970-01-01 00:00:29 UTC" in shown
    assert 'name="kernel" value="5.4"' in junit.render_xml(found)
    assert 'name="seen" value="1970-01-01T00:00:29Z"' in junit.render_xml(found)
    terminal.print_summary(found, tmp_path)
    said = capsys.readouterr().err
    assert "5.10.10" in said and "2 MLU370-X8" in said and "last seen" not in said


@pytest.mark.parametrize(
    ("more", "old"),
    [
        ([at(40, "step", stage="image", title="load")], True),  # killed in the middle of a step
        ([at(40, "stage", stage="image")], True),
        ([at(40, "lost")], True),
        (
            [
                at(
                    40,
                    "failed",
                    stage="driver",
                    code="REBOOT_TIMED_OUT",
                    sentence="s",
                    remedy="r",
                    tail=[],
                )
            ],
            True,
        ),
        ([at(40, "step", stage="image", title="load"), at(41, "facts", **look(40.9))], True),
        (
            [
                at(40, "step", stage="image", title="load"),
                at(41, "facts", **look(40.9)),
                done(42, "image", seen=40.9),
            ],
            False,
        ),
        (
            [at(40, "failed", stage="image", code="IMAGE_LOAD", sentence="s", remedy="r", tail=[])],
            False,
        ),
        ([], False),
    ],
)
def test_what_was_done_after_the_last_look_makes_it_old(
    more: list[dict[str, Any]], old: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = derive_lines([*PROVISIONED[:-1], *more], "r")
    assert found.hosts["a"].old is old
    assert f'mlufleet_host_seen_old{{host="a"}} {float(old)}\n' in exports.render_prometheus(found)
    assert {row["old"] for row in exports.card_rows(found)} == {"yes" if old else ""}
    assert ("last seen at 1970" in html.render_page(found)) is old
    terminal.print_summary(found, tmp_path)
    assert ("a: last seen at 1970-01-01T00:00:" in capsys.readouterr().err) is old
    assert health.health_by_host(found)["a"]["old"] is old


def test_a_host_that_nobody_saw_has_no_time_of_a_look() -> None:
    found = derive_lines([at(1, "hosts", "", names=["a"])], "r")
    assert found.hosts["a"].seen is None and not found.hosts["a"].old
    assert "seen_timestamp" not in exports.render_prometheus(found)
    assert exports.card_rows(found)[0]["seen"] == ""
    html.render_page(found)


def test_a_host_that_went_back_is_shown_as_it_is_there() -> None:
    back = look(50, wanted="older", versions={"driver": "5.10.6", "release": "older"})
    again = {**first(), **look(45, wanted="older"), "time": 46}
    events = [
        *PROVISIONED[:-1],
        at(44, "rolling-back", release="back/a.yml"),
        again,
        at(50.1, "facts", **back),
        done(51, "smoke", seen=50),
        at(52, "rolled-back"),
    ]
    host = derive_lines(events, "r").hosts["a"]
    assert host.rolled_back == {"from": "small", "to": "older"}
    assert host.versions["driver"] == "5.10.6" and host.versions["release"] == "older"


def test_this_runs_own_lock_is_gone_with_it_and_stays_where_it_was_killed() -> None:
    own = {"run": "r", "operator": "me", "since": "s", "lease": 20, "why": "w", "age": 1}
    locked = [*PROVISIONED[:-1], at(30, "facts", **{**RIGHT, "lock": own})]
    assert derive_lines(locked, "r").hosts["a"].lock.run == "r"
    assert derive_lines([*locked, at(31, "released", run="r")], "r").hosts["a"].lock is None
    other = [*locked, at(31, "released", run="another")]
    assert derive_lines(other, "r").hosts["a"].lock == LockRecord(**own)


def test_a_test_of_this_run_is_not_undone_by_a_look_that_knows_only_its_stamp() -> None:
    tested = at(40, "validated", plugin="pcie", verdict="PASSED", why="", rates={"x": 1.0})
    later = at(41, "facts", **{**RIGHT, "validation": {"pcie": {"verdict": "SKIPPED", "why": ""}}})
    host = derive_lines([*PROVISIONED[:-1], tested, later], "r").hosts["a"]
    assert host.validation["pcie"].verdict == "PASSED"
    back = [*PROVISIONED[:-1], tested, at(40.5, "rolling-back", release="x"), later]
    assert derive_lines(back, "r").hosts["a"].validation["pcie"].verdict == "SKIPPED"


def test_a_journal_from_before_this_is_read_and_its_facts_are_dated() -> None:
    seen = at(
        10,
        "observed",
        needs=["driver"],
        versions={"driver": "", "release": "small"},
        cards={"x": "no driver"},
    )
    events = [
        at(1, "hosts", "", names=["a"]),
        seen,
        at(20, "step", stage="driver", title="t"),
        done(29, "driver", driver="5.10.10"),
        done(30, "smoke", driver="5.10.10"),
    ]
    host = derive_lines(events, "r").hosts["a"]
    assert host.seen == 10 and host.old and host.wanted == "small"
    assert host.versions["driver"] == "5.10.10"
    older = {"run": "q", "hosts": {"a": {"status": "ok", "versions": {"driver": "5"}}}}
    assert changes.compare_runs(derive_lines(events, "r"), parse_report(older)).changes
    page = html.render_page(parse_report(older))
    assert "5" in page and 'driver="5"' in exports.render_prometheus(parse_report(older))


def test_a_release_that_the_look_did_not_prove_is_called_unproved(wanted: ReleaseTarget) -> None:
    for lines in (BARE, DRIVEN):
        found = assessment.observation_fields(as_host(wanted), probe(*lines), OPTIONS)
        assert found["versions"]["release"] == "unproved" and found["wanted"] == "small"


def release_of(wanted: ReleaseTarget, facts: HostFacts, options: HostOptions = OPTIONS) -> Any:
    return assessment.observation_fields(as_host(wanted), facts, options)["versions"]["release"]


def right(wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch) -> HostFacts:
    """A host whose model has answered as it is; what the other stages would say is left out."""
    bind_stages = assessment.stages.bind_stages
    monkeypatch.setattr(
        assessment.stages,
        "bind_stages",
        lambda target: [s for s in bind_stages(target) if s.label in ("driver", "smoke")],
    )
    state = probe(*DRIVEN)
    state.stamps["smoke"] = smoke_test.input_digest(wanted, state)
    return state


def test_a_release_that_the_look_proved_is_named_and_no_longer_after_a_reboot_or_a_change(
    wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = right(wanted, monkeypatch)
    assert (
        assessment.observation_fields(as_host(wanted), state, HostOptions(smoke="always"))[
            "versions"
        ]["release"]
        == "small"
    )
    state.boot_id = "another"
    assert (
        assessment.observation_fields(as_host(wanted), state, OPTIONS)["versions"]["release"]
        == "unproved"
    )
    state = right(wanted, monkeypatch)
    state.device_nodes.clear()  # the driver's stage has something to do
    assert (
        assessment.observation_fields(as_host(wanted), state, OPTIONS)["versions"]["release"]
        == "unproved"
    )


class Stub(SimpleNamespace):
    """A host of pyinfra's as far as a run asks it."""

    __hash__ = object.__hash__


def test_a_run_notes_a_later_look_only_where_it_differs(
    wanted: ReleaseTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state: Any = SimpleNamespace(inventory=[])
    host: Any = Stub(name="a", print_prefix="[a] ", data={}, connector=None, state=state)
    run = Run(state, "20260101-000000-1", "why")  # type: ignore[arg-type]
    run.hosts_recorded = True
    run.context.events.listeners.append(run.record_event)
    before, after = probe(*BARE), probe(*DRIVEN)
    run.on_probe(
        host, as_host(wanted), before
    )  # nothing is written before the first look is judged
    spec = as_spec(wanted, OPTIONS)
    plan = HostPlan(spec.target, OPTIONS, before, find_drift(spec, before))
    run.record_assessment(host, plan)
    after.observed_at = 2000.0
    run.on_probe(host, as_host(wanted), before)
    run.on_probe(host, as_host(wanted), after)
    run.on_probe(host, as_host(wanted), replace(after, observed_at=3000.0))
    lines = (tmp_path / "runs/20260101-000000-1/journal.jsonl").read_text().splitlines()
    told = [one for one in map(json.loads, lines) if one["kind"] in ("observed", "facts")]
    assert [(one["kind"], one["seen"]) for one in told] == [("observed", 1000.0), ("facts", 2000.0)]
    found = derive.derive_from_journal(run.folder).hosts["a"]
    assert found.cards == dict.fromkeys(found.cards, "CN_RUNNING") != {}


def test_a_run_notes_once_what_is_unproved_of_a_release(
    wanted: ReleaseTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state: Any = SimpleNamespace(inventory=[])
    host: Any = Stub(name="a", print_prefix="[a] ", data={}, connector=None, state=state)
    run = Run(state, "20260101-000000-1", "why")  # type: ignore[arg-type]
    run.hosts_recorded = True
    older = replace(wanted, lock=wanted.lock.model_copy(update={"unproved": None}))
    spec, facts = as_spec(older, OPTIONS), probe(*BARE)
    for _ in range(2):
        run.record_assessment(host, HostPlan(spec.target, OPTIONS, facts, find_drift(spec, facts)))
    assert derive.derive_from_journal(run.folder).unproved == {"small": [NOT_PROVED]}
    lines = (run.folder / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines].count("unproved") == 1


def test_what_differed_at_the_beginning_is_not_what_differs_on_the_way_back() -> None:
    again = {**first(), **look(45, wanted="older"), "time": 46, "drift": {"image": ["load it"]}}
    events = [*PROVISIONED[:-1], at(44, "rolling-back", release="back/a.yml"), again]
    assert derive_lines(events, "r").hosts["a"].drift == {"driver": ["install driver"]}
    # a rollback by hand looks twice before it begins: what it has to do is the second look's
    by_hand = derive_lines([PROVISIONED[1], first(), again], "r")
    assert by_hand.hosts["a"].drift == {"image": ["load it"]}


def test_events_that_lack_what_their_kind_has_hide_no_others() -> None:
    kinds = [
        "run",
        "hosts",
        "rollout",
        "scheduled",
        "end",
        "observed",
        "facts",
        "stage-done",
        "step",
        "failed",
        "answer",
        "validated",
        "kept",
        "note",
        "transfer",
        "released",
        "unreachable",
        "begin",
        "way-back",
        "seeded",
    ]
    broken = [
        at(2, kind, host, **more)
        for kind in kinds
        for host in ("", "a")
        for more in ({}, {"versions": 5, "names": 7, "plan": [], "seen": "x"})
    ]
    found = derive_lines([*PROVISIONED[:2], *broken, *PROVISIONED[2:]], "r").hosts["a"]
    assert found.cards == RIGHT["cards"] and found.versions == RIGHT["versions"]


@pytest.mark.parametrize("epoch", [-1.0, 1e18, float("inf"), float("nan")])
def test_a_time_that_no_calendar_has_stops_no_report(epoch: float) -> None:
    host = {"status": "ok", "seen": epoch, "old": True, "began": epoch, "ended": epoch}
    found = parse_report({"run": "r", "started": epoch, "ended": epoch, "hosts": {"a": host}})
    assert exports.card_rows(found)[0]["seen"] in ("?", "")
    html.render_page(found)
    junit.render_xml(found)


def test_a_spoilt_report_of_an_earlier_run_is_as_none(tmp_path: Path) -> None:
    for name, text in (
        ("20260101-000000-1", "\x00"),
        ("20260102-000000-1", '{"hosts": 5}'),
        ("20260103-000000-1", "[" * 9999),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(text)
    assert publish.previous_report(tmp_path / "20260104-000000-1", ["a"]) is None


def test_a_report_from_before_this_has_no_column_of_times() -> None:
    host = {"status": "ok", "versions": {"driver": "5"}}
    assert ">seen</th>" not in html.render_page(parse_report({"run": "r", "hosts": {"a": host}}))
    dated = html.render_page(
        parse_report({"run": "r", "hosts": {"a": {**host, "seen": 5.0}, "b": host}})
    )
    assert dated.count(">seen</th>") == 1 and dated.count("<time>1970-01-01 00:00:05 UTC") == 1


def test_status_says_when_a_host_that_may_be_otherwise_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "RUNS", tmp_path)
    lost = at(
        40,
        "failed",
        stage="driver",
        code="CONNECTION_LOST",
        sentence="it went",
        remedy="r",
        tail=[],
    )
    for number, more in enumerate((lost, at(40, "step", stage="image", title="load"))):
        folder = tmp_path / f"20260101-000000-{number}"
        folder.mkdir()
        lines = (json.dumps(one) for one in [*PROVISIONED[:-1], more])
        (folder / "journal.jsonl").write_text("\n".join(lines))
        said = list(status.status_lines(folder.name))
        assert said[1].endswith(", last seen 1970-01-01T00:00:29Z")
    assert said[1].startswith("a: was at image: load")
