"""Endpoints held against those of a good host: what is compared, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import InvalidInput
from fleet.release.endpoints import Figures
from fleet.release.serve import Serve
from fleet.release.target import ReleaseTarget
from fleet.vendor import validation_suite
from fleet.vendor.endpoint_baselines import EndpointBaseline, EndpointTolerances, merge_figures
from fleet.vendor.validation_suite import Baselines
from mlufleet.cli import baselines as capturing
from mlufleet.report.model import Report, parse_report
from operations import serving, validation
from operations.endpoint_proof import ProveEndpoint
from operations.host.facts import EndpointFacts, HostFacts
from operations.stage import FailHost, HostOptions, Plan
from tests.unit.conftest import DRIVEN, probe
from tests.unit.operations.stage_helpers import as_spec

GOOD = {"ready_s": 100.0, "first_token_s": 2.0, "tokens_per_s": 20.0}
TOLERANCES = EndpointTolerances(ready_s=0.5, first_token_s=0.1, tokens_per_s=0.2, seconds=0.3)


def build_baseline(model: str = "MLU370-X8", cards: int = 2, **figures: float) -> EndpointBaseline:
    return EndpointBaseline(
        release="small",
        cards=cards,
        model=model,
        host="mlu01",
        driver="5.10.22",
        taken=1e9,
        figures=figures or GOOD,
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"ready_s": 150.2, "first_token_s": 2.4, "tokens_per_s": 16.1}, ""),
        ({"ready_s": 151}, "ready_s is 151, the baseline of mlu01 requires at most 150.3"),
        ({"first_token_s": 2.6}, "first_token_s is 2.6, .* at most 2.5"),
        ({"tokens_per_s": 15.9}, "tokens_per_s is 15.9, .* at least 16"),
        ({"tokens_per_s": None}, "no value for tokens_per_s"),
        ({"cold_first_token_s": 999}, ""),
    ],
)
def test_each_figure_has_its_tolerance(changes: dict[str, Any], words: str) -> None:
    shortfall = build_baseline().describe_shortfall({**GOOD, **changes}, TOLERANCES)
    if words:
        with pytest.raises(AssertionError, match=words):
            raise AssertionError(shortfall)
    else:
        assert shortfall == ""


def test_the_slowest_of_several_counts_and_only_what_all_measured() -> None:
    found = [{"ready_s": 3.0, "tokens_per_s": 9.0}, {"ready_s": 5.0, "tokens_per_s": 7.0, "x": 1.0}]
    assert merge_figures(found) == {"ready_s": 5.0, "tokens_per_s": 7.0}


@pytest.fixture
def served(wanted: ReleaseTarget) -> ReleaseTarget:
    serve = Serve(command=("python", "api.py"), question="?", expect="!", name="tiny")
    return replace(wanted, release=wanted.release.model_copy(update={"serve": serve}))


@pytest.fixture
def facts(served: ReleaseTarget) -> HostFacts:
    """A host whose server is ready, and was not yet asked."""
    found = probe(*DRIVEN)
    release = found.releases[served.key]
    release.serve_definition = serving.endpoints.build_definition(served, 2)["digest"]
    ready = EndpointFacts("0", release.serve_definition, "ready", True, 7, 1000, 12.5, 0, 1600)
    release.endpoints = {"0": ready}
    return found


def write(folder: Path, *baselines: EndpointBaseline) -> HostOptions:
    """Options of hosts that are held against these."""
    path = folder / f"golden-{len(list(folder.iterdir()))}.yml"
    given = Baselines(endpoints=baselines, endpoint_tolerances=TOLERANCES)
    assert capturing.write_baselines(path, given) is None
    assert validation_suite.load_baselines(str(path)) == given
    return HostOptions(golden=str(path))


def act(
    served: ReleaseTarget, facts: HostFacts, options: HostOptions, **measured: float
) -> Iterator[str]:
    """Failures of a stage whose client measures this."""
    plan = serving.decide(as_spec(served, options), served, facts)
    assert isinstance(plan, Plan)
    for action in plan.actions:
        for command in action.commands(lambda: facts):
            if isinstance(command, ProveEndpoint):
                command.figures = Figures(**measured)
            if isinstance(command, FailHost):
                yield command.failure.code


def test_a_slower_endpoint_of_the_same_cards_and_release_fails(
    served: ReleaseTarget, facts: HostFacts, tmp_path: Path
) -> None:
    model = validation.card_model(facts)
    options = write(tmp_path, build_baseline(model))
    assert list(act(served, facts, options, **GOOD)) == []
    assert list(act(served, facts, options, **GOOD | {"tokens_per_s": 1.0})) == ["SERVE_SLOW"]
    others = write(tmp_path, build_baseline("MLU370-X4"), build_baseline(model, cards=1))
    assert list(act(served, facts, others, tokens_per_s=1.0)) == []


def test_an_endpoint_is_asked_again_when_its_baseline_changes(
    served: ReleaseTarget, facts: HostFacts, tmp_path: Path
) -> None:
    model = validation.card_model(facts)
    plain = as_spec(served, HostOptions(golden=""))
    facts.releases[served.key].stamps["serve"] = serving.proof_digest(plain, served, facts)
    assert not serving.decide(plain, served, facts)
    other = as_spec(served, write(tmp_path, build_baseline(model, cards=1)))
    assert not serving.decide(other, served, facts)
    assert serving.decide(as_spec(served, write(tmp_path, build_baseline(model))), served, facts)


ENDPOINT = {
    "release": "small",
    "state": "ready",
    "cards": [0],
    "ready_s": 9.0,
    "first_token_s": 1.0,
}


def reported(*endpoints: dict[str, Any]) -> Report:
    host = {
        "status": "ok",
        "cards": {"a": "CN_RUNNING", "b": "CN_RUNNING"},
        "models": {"a": "MLU370-X8", "b": "MLU370-X8"},
        "versions": {"driver": "5.10.22"},
        "endpoints": list(endpoints),
    }
    return parse_report({"hosts": {"mlu01": host}})


def test_a_good_host_gives_one_baseline_for_each_release_and_number_of_cards() -> None:
    first = {**ENDPOINT, "name": "0", "tokens_per_s": 8.0}
    second = {**ENDPOINT, "name": "1", "tokens_per_s": 7.0, "ready_s": 3.0}
    wide = {**first, "release": "wide", "cards": [0, 1]}
    before = Baselines(endpoints=(build_baseline(cards=1), build_baseline(cards=4)))
    captured = capturing.capture("mlu01", reported(first, second, wide), before, True).baselines
    assert {one.key: one.figures for one in captured.endpoints} == {
        ("small", 1, "MLU370-X8"): {"ready_s": 9.0, "first_token_s": 1.0, "tokens_per_s": 7.0},
        ("small", 4, "MLU370-X8"): GOOD,
        ("wide", 2, "MLU370-X8"): {"ready_s": 9.0, "first_token_s": 1.0, "tokens_per_s": 8.0},
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "none of its releases is served"),
        ([{**ENDPOINT, "state": "failed", "code": "SERVE_CARD"}], "SERVE_CARD"),
        ([{**ENDPOINT, "first_token_s": None}], "never proved"),
    ],
)
def test_what_is_not_known_is_not_recorded(found: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        capturing.capture("mlu01", reported(*found), Baselines(), True)
