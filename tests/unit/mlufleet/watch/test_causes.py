"""What a look shows to be wrong, from probes as hosts print them: each root cause once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.errors import FAILURE_TABLE, Failure
from fleet.release.serve import Serve
from fleet.release.target import ReleaseTarget
from mlufleet.run import assessment
from mlufleet.watch import causes
from mlufleet.watch.observation import BUSY, SEEN, UNREACHABLE, Observation, record_failure
from mlufleet.watch.problems import DRIFT, Problem
from mlufleet.watch.tracking import list_problems
from operations import preflight, stages
from operations.stage import HostOptions
from tests.unit.mlufleet.watch.looks import CARDS, endpoint, look, off
from tests.unit.operations.stage_helpers import as_spec
from tests.unit.operations.test_stage_cases import build_facts, name_values

CASES = yaml.safe_load((Path(__file__).parent / "causes.yml").read_text())
PREFLIGHT = Path(stages.__file__).parents[1] / "tests/unit/operations/cases/preflight.yml"
SERVE = {"command": ["python", "api.py"], "question": "a", "expect": "b", "each": "release"}
#: what the probe of a host prints beyond its driver, if all of it is as the release says
RIGHT = (
    "image|{image}",
    "tagged|{image}",
    "source|/data/share/model|{commit}|0",
    "stamp|weights-tiny|{weights} sig",
    "tree|/data/models/tiny|sig",
    "container|id1|{image}|true|9|{spec}",
    "facts|f1",
    "stamp|container|{spec} f1",
    "stamp|tree-model|{tree} sig",
    "tree|/data/share/model_mlu|sig",
    "file|/data/share/model_mlu/a.py|{patched}",
    "site|s1",
    "stamp|packages|{packages} s1",
    "stamp|smoke|{smoke}",
    "stamp|cards|0000:39:00.0 0000:3a:00.0",
    "stamp|serve-ports|9000",
    "definition|{definition}",
    "endpoint|0|yes|{definition}|ready|7|1760000000|3.5|0|1760000009|-|-",
    "stamp|serve|{proof}",
    "disk|/var/lib/mlufleet|100000000000",
)

See = Callable[[dict[str, Any]], Observation]


@pytest.fixture(scope="module")
def see(locked: ReleaseTarget) -> See:
    """Looks at the host of a case as the look process does."""
    target = replace(
        locked, release=locked.release.model_copy(update={"serve": Serve(**SERVE, port=9000)})
    )
    right: dict[str, Any] = {"base": "driven", "lines": RIGHT}
    names: dict[str, str] = {}
    for _ in range(5):  # digests of one stage are in the facts of another
        names = name_values(target, build_facts(right, names), HostOptions())

    def see(case: dict[str, Any]) -> Observation:
        without = tuple(case.get("without", ()))
        lines = [line for line in RIGHT if not (without and line.startswith(without))]
        for old, new in case.get("replace", {}).items():
            lines = [line.replace(old, new) for line in lines]
        facts = build_facts(
            {**case, "base": "driven", "lines": [*lines, *case.get("lines", ())]}, names
        )
        spec = as_spec(target, HostOptions(**case.get("options", {})))
        drift = stages.find_drift(spec, facts)
        plan = stages.HostPlan(spec.target, spec.options, facts, drift)
        failures = [(stage, said) for stage, said in drift.items() if isinstance(said, Failure)]
        return Observation(
            *("a", 0, 1, case.get("outcome", SEEN)),
            record_failure(failures[0][1], failures[0][0]) if failures else None,
            facts.boot_id,
            assessment.observation_fields(spec.target, facts, spec.options),
            {stage: said for stage, said in drift.items() if not isinstance(said, Failure)},
            plan.kinds,
        )

    return see


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_each_root_cause_is_one_problem(case: dict[str, Any], see: See) -> None:
    found = list_problems(see(case))
    assert [problem.key for problem in found] == case["problems"]
    assert all(problem.sentence and problem.remedy for problem in found)


def test_tables_name_codes_that_there_are() -> None:
    named = {code for rule in causes.RULES for code in rule.causes} - {DRIFT}
    named |= {*causes.CONTACT_CODES, *causes.PREFLIGHT_CODES, *causes.CARD_CODES}
    assert named <= FAILURE_TABLE.keys()
    effects = {kind for rule in causes.RULES for kind in rule.effects}
    assert effects <= {causes.DRIVER, causes.STAGE, causes.ENDPOINT, *FAILURE_TABLE}


def test_no_problem_explains_itself_by_another() -> None:
    """Two that explain each other would both be told to nobody."""
    observed = look(0, endpoints=[endpoint("failed", "SERVE_CARD")]).observed
    explain = causes._Explanation(observed)
    subjects = ("", *CARDS, "small/0", "driver", "container", "smoke", "serve")
    named = {code for rule in causes.RULES for code in rule.causes}
    codes = (*named, *causes.CARD_CODES, "SERVE", "SERVE_CARD", "CLOCK_SKEW", "SUDO")
    every = [Problem(code, subject) for code in codes for subject in subjects]
    for one in every:
        for other in every:
            if one.key != other.key and explain(one, other):
                assert not explain(other, one), (one.key, other.key)


def test_codes_are_in_the_order_in_which_the_preflight_checks(wanted: ReleaseTarget) -> None:
    spec, places = as_spec(wanted), {}
    for case in yaml.safe_load(PREFLIGHT.read_text()):
        spec = as_spec(wanted, HostOptions(**case.get("options", {})))
        facts = build_facts(case, name_values(wanted, build_facts(case, {}), spec.options))
        for number, check in enumerate(preflight.CHECKS):
            if failure := check(spec, facts):
                places.setdefault(failure.code, number)
                break
    known = [code for code in (*causes.PROBE_CODES, *causes.PREFLIGHT_CODES) if code in places]
    assert {"CARDS_MISSING", "KERNEL_TOO_NEW", "CLOCK_SKEW", "NO_SPACE"} <= set(known)
    for before, after in pairwise(known):
        assert places[before] <= places[after], (before, after)
    # those of single cards are seen by every probe
    assert set(places) - set(known) == {"CARD_DROPPED", "CARD_UNHEALTHY"}


@pytest.mark.parametrize(
    ("seen", "hidden", "shown"),
    [
        (
            off(0),
            ["CARD_DROPPED x", "CLOCK_SKEW", "DRIFT smoke", "SERVE_SILENT small/0", "SUDO", "AUTH"],
            [],
        ),
        (off(0, "AUTH"), ["CARD_DROPPED x", "SUDO"], ["UNREACHABLE", "HOST_KEY_CHANGED"]),
        (look(0, "unprobed", failure="SUDO"), ["CLOCK_SKEW", "PROBE_FAILED"], ["AUTH"]),
        (look(0, BUSY), ["CARD_DROPPED x", "CLOCK_SKEW", "DRIFT smoke"], ["UNREACHABLE", "SUDO"]),
        (
            look(0, failure="CLOCK_SKEW"),
            ["NO_SPACE", "DRIFT smoke", "DRIVER_NOT_PROVED", "SOURCE_DIRTY"],
            ["CARDS_MISSING", "CARD_DROPPED x", "SERVE_SILENT small/0", "UNREACHABLE"],
        ),
        (
            look(0, drift={"image": ["load image"]}),
            ["DRIFT container", "DRIFT smoke", "SERVE_CRASHED small/0"],
            ["DRIFT sources", "CLOCK_SKEW", "CARD_DROPPED x"],
        ),
        (
            look(0, drift={"image of small": ["load image"]}),
            ["DRIFT container of small", "SERVE_CRASHED small/0"],
            ["DRIFT container of large", "SERVE_CRASHED large/0"],
        ),
        (
            look(0, cards={"x": "dropped", "y": "CN_RUNNING"}),
            ["CARD_UNHEALTHY x", "SERVE_CARD small/0"],
            ["CARD_UNHEALTHY y", "DRIFT smoke"],
        ),
        (look(0, endpoints=[endpoint("loading")]), ["SERVE_CRASHED small/0"], ["CLOCK_SKEW"]),
        (
            look(0, cards={"x": "CN_BOOTERR", "y": "CN_RUNNING"}, endpoints=[endpoint()]),
            ["SERVE_CARD small/0"],
            ["SERVE_CARD small/1"],
        ),
        (look(0, failure="NO_SPACE"), ["ENGINE"], ["READ_ONLY", "SNAP"]),
        (
            look(0),
            [],
            ["ENGINE", "CARD_DROPPED x", "DRIFT smoke", "SERVE_CRASHED small/0", "UNREACHABLE"],
        ),
    ],
)
def test_a_look_hides_what_it_could_not_have_seen(
    seen: Observation, hidden: list[str], shown: list[str]
) -> None:
    hides = causes.judge(seen).hides
    for keys, is_hidden in ((hidden, True), (shown, False)):
        for key in keys:
            code, _, subject = key.partition(" ")
            assert hides(Problem(code, subject)) is is_hidden, key


@pytest.mark.parametrize("code", ["UNREACHABLE", "CONNECTION_LOST", "TIMED_OUT"])
def test_a_host_that_is_silent_is_one_problem_however_it_is_silent(code: str) -> None:
    assert [one.key for one in list_problems(off(0, code))] == ["UNREACHABLE"]
    assert off(0, code).outcome == UNREACHABLE


def test_what_a_host_says_cannot_move_the_cursor() -> None:
    (problem,) = list_problems(look(0, drift={"image": ["load \x1b[2J\nnow"]}))
    assert problem.sentence.isprintable()
