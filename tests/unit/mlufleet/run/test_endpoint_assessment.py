"""What a report says of an endpoint is what the last probe saw and what a client measured."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.release import endpoints
from fleet.release.endpoints import Figures
from fleet.release.serve import Serve
from fleet.release.target import LOOPBACK_ADDRESS, ReleaseTarget
from mlufleet.journal.events import EndpointRecord, FactsObserved
from mlufleet.report import derive
from mlufleet.report.model import parse_report
from mlufleet.run import assessment
from mlufleet.run.endpoint_assessment import observe_endpoints
from mlufleet.run.run import Run
from operations.host.facts import EndpointFacts, HostFacts
from operations.stage import HostOptions
from operations.stages import HostPlan, find_drift
from tests.journals import derive as derive_lines
from tests.journals import read_lines
from tests.unit.conftest import DRIVEN, probe
from tests.unit.mlufleet.report.test_derive import event
from tests.unit.operations.stage_helpers import as_host, as_spec

ADDRESS = "10.0.0.1"
READY = EndpointFacts("0", "d1", "ready", True, 41, 1000, 12.5, 2, 1600)


def serve(target: ReleaseTarget, **fields: Any) -> ReleaseTarget:
    fields = {
        "command": ["python", "api.py", "--port", "{port}"],
        "question": "first?",
        "expect": "second!",
        "name": "tiny",
        **fields,
    }
    release = target.release.model_copy(update={"serve": Serve(**fields)})
    return replace(target, release=release, address=ADDRESS)


def look_at(target: ReleaseTarget, *found: EndpointFacts, **stamps: str) -> HostFacts:
    facts = probe(*DRIVEN)
    release = facts.releases[target.key]
    release.endpoints = {one.name: one for one in found}
    release.stamps.update({name.replace("_", "-"): text for name, text in stamps.items()})
    return facts


def test_a_release_that_is_not_served_has_no_endpoints(wanted: ReleaseTarget) -> None:
    assert observe_endpoints(as_host(wanted), look_at(wanted)) == []


def test_an_endpoint_has_what_the_probe_saw_and_what_the_last_proof_measured(
    wanted: ReleaseTarget,
) -> None:
    served = serve(wanted)
    facts = look_at(served, READY, serve_figures_0="12.5 3.25 0.5 41.75")
    (record,) = observe_endpoints(as_host(served), facts)
    assert record == EndpointRecord(
        release="small",
        name="0",
        address="http://10.0.0.1:8000",
        model="tiny",
        cards=[0, 1],
        state="ready",
        restarts=2,
        ready_s=12.5,
        answered=1600.0,
        cold_first_token_s=3.25,
        first_token_s=0.5,
        tokens_per_s=41.75,
    )
    assert record.proved is None  # in this run, nobody asked


def test_what_the_probe_did_not_see_is_absent_and_a_name_of_the_model_is_the_releases(
    wanted: ReleaseTarget,
) -> None:
    served = serve(replace(wanted, cards=(1, 0)), each="card", name=None)
    failed = EndpointFacts("1", "d", "failed", False, restarts=6, code="SERVE_CARD", reason="gone")
    first, second = observe_endpoints(as_host(served), look_at(served, failed))
    assert (first.state, first.cards, first.model) == ("absent", [1], "small")
    assert (first.ready_s, first.tokens_per_s, first.answered) == (None, None, None)
    assert (second.state, second.code, second.reason) == ("failed", "SERVE_CARD", "gone")
    assert (second.address, second.cards) == ("http://10.0.0.1:8001", [0])


def test_an_endpoint_on_whose_port_nothing_listens_is_not_ready(wanted: ReleaseTarget) -> None:
    served = serve(wanted)
    facts = look_at(served, replace(READY, listens=False))
    (record,) = observe_endpoints(as_host(served), facts)
    assert (record.state, record.code) == ("unhealthy", "SERVE_SILENT")


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("", Figures()),
        ("12.500 - 0.250 41.000", Figures(12.5, None, 0.25, 41.0)),
        ("12.5 nan inf -1 7", Figures(12.5)),
        ("no figures", Figures()),
    ],
)
def test_a_figure_that_is_no_number_is_unknown(text: str, figures: Figures) -> None:
    assert endpoints.parse_figures(text) == figures
    assert endpoints.parse_figures(endpoints.format_figures(figures)) == figures


def test_that_a_server_has_answered_again_is_not_written_down(
    wanted: ReleaseTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    served = replace(serve(wanted), address=LOOPBACK_ADDRESS)
    state: Any = SimpleNamespace(inventory=[])
    host: Any = Stub(name="a", print_prefix="[a] ", data={}, connector=None, state=state)
    run = Run(state, "20260101-000000-1", "why")  # type: ignore[arg-type]
    run.hosts_recorded = True
    run.context.events.listeners.append(run.record_event)
    spec, before = as_spec(served), look_at(served, READY)
    run.record_assessment(
        host, HostPlan(spec.target, spec.options, before, find_drift(spec, before))
    )
    run.on_probe(host, spec.target, look_at(served, replace(READY, answered=1900)))
    run.on_probe(host, spec.target, look_at(served, replace(READY, state="unhealthy")))
    kinds = [line["kind"] for line in read_lines(run.folder)]
    assert kinds.count("facts") == 1
    (record,) = derive.derive_from_journal(run.folder).hosts["a"].endpoints
    assert (record.state, record.address) == ("unhealthy", "http://127.0.0.1:8000")


class Stub(SimpleNamespace):
    """A host of pyinfra's as far as a run asks it."""

    __hash__ = object.__hash__


SEEN = {"release": "small", "name": "0", "state": "ready", "ready_s": 12.5, "tokens_per_s": 40.0}
PROVED = event(
    "endpoint-proved",
    "a",
    stage="serve",
    release="small",
    name="0",
    address="http://10.0.0.1:8000",
    model="tiny",
    cards=[0, 1],
    seen_from=["host"],
    controller_reason="no route",
    ready_s=12.0,
    cold_first_token_s=3.0,
    first_token_s=0.5,
    tokens_per_s=41.0,
    answer="second!",
)


def facts_event(*seen: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return event("facts", "a", versions={}, seen=1.0, endpoints=list(seen), **fields)


def derived(*lines: dict[str, Any]) -> list[EndpointRecord]:
    return (
        derive_lines([event("run"), event("hosts", names=["a"]), *lines], "r").hosts["a"].endpoints
    )


def test_a_proof_of_this_run_is_kept_beside_what_later_probes_see() -> None:
    proof = {**PROVED, "time": 7.0}
    for lines in ([proof, facts_event(SEEN)], [facts_event(SEEN), proof]):
        (record,) = derived(*lines)
        assert (record.state, record.ready_s, record.tokens_per_s) == ("ready", 12.5, 41.0)
        assert (record.proved, record.proved_from) == (7.0, ["host"])
        assert record.controller_reason == "no route"
        assert (record.cold_first_token_s, record.answer) == (3.0, "second!")


def test_an_endpoint_that_was_only_proved_has_no_state() -> None:
    (record,) = derived(PROVED)
    assert (record.state, record.ready_s, record.cards) == ("", 12.0, [0, 1])


def test_an_endpoint_that_nobody_asked_in_this_run_is_unproved() -> None:
    (record,) = derived(facts_event(SEEN))
    assert record.proved is None and record.tokens_per_s == 40.0


def test_a_rollback_takes_the_proofs_of_the_release_before_with_it() -> None:
    assert derived(facts_event(SEEN), PROVED, event("rolling-back", "a"), facts_event()) == []


def test_an_endpoint_of_a_report_is_read_again(wanted: ReleaseTarget) -> None:
    served = serve(wanted)
    found = assessment.observation_fields(as_host(served), look_at(served, READY), HostOptions())
    host = {"status": "ok", "endpoints": found["endpoints"]}
    (record,) = parse_report({"run": "r", "hosts": {"a": host}}).hosts["a"].endpoints
    assert asdict(record) == found["endpoints"][0]
    assert FactsObserved(versions={}).endpoints == []
