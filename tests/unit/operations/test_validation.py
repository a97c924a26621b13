"""The vendor's validation suite: what it prints, which tests run, and what good cards do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import InvalidInput
from fleet.release.model import SystemPackage
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.vendor import cnvs, validation_suite
from fleet.vendor.cnvs import SuiteOutput
from mlufleet.cli.baselines import capture_baseline
from mlufleet.report.model import Report, parse_report
from operations import validation as stage
from operations.host.facts import HostFacts
from operations.stage import HostOptions, HostSpec
from tests.unit.conftest import DRIVEN, probe
from tests.unit.operations.stage_helpers import plan_words

THERE = (*DRIVEN, "tool|cnvs")
X8 = [f"card|0000:39:0{n}.0|0x0370|01|0054" for n in range(2)]


def test_the_verdict_is_the_suite_s_own_word_of_this_very_plugin() -> None:
    assert cnvs.parse(["plugin [software]: PASS"], "software") == SuiteOutput(True)
    # as the tutorial shows it
    logged = [
        "[INFO 22192 main.cpp:91] CNVS version: 0.12.1",
        "[INFO 22192 plugin_manager.cpp:99] running plugin [software] ...",
        "[INFO 22192 plugin_manager.cpp:115] plugin [software]: PASS",
        "",
    ]
    assert cnvs.parse(logged, "software") == SuiteOutput(True)
    assert not cnvs.parse(logged[:2], "software").passed
    coloured = "\x1b[32mplugin [ software ]: PASS\x1b[0m"
    assert cnvs.parse([coloured], "software").passed
    assert cnvs.parse(["plugin [software]: PASS"], "pcie").reason == "it printed no verdict"
    both = ["plugin [pcie]: PASS", "plugin [pcie]: FAIL"]
    assert cnvs.parse(both, "pcie") == SuiteOutput(False, "its verdict is FAIL")
    for word in ("PASSED", "pass", "SKIP", "PASS?"):
        assert not cnvs.parse([f"plugin [pcie]: {word}"], "pcie").passed


def test_rates_are_the_least_of_all_cards_and_nothing_else_is_one() -> None:
    lines = [
        "Card 0: host to device : 11.9 GB/s",
        "card[1]: host to device : 10.4 GB/s",
        "MLU 0 -> MLU 1 = 21 GB/s",
        "matmul int8 | 91.5 TOPS",
        "temperature: 57 C",
        "size: 64 MB",
        "version: 1.2.3",
        "wait: 3 GB/second",
        "plugin [pcie]: PASS",
    ]
    assert cnvs.parse(lines, "pcie").rates == {
        "host to device GB/s": 10.4,
        "pcie GB/s": 21.0,
        "matmul int8 TOPS": 91.5,
    }


@given(st.lists(st.text()), st.sampled_from(["software", "pcie"]))
def test_whatever_is_printed_is_read(lines: list[str], plugin: str) -> None:
    said = cnvs.parse(lines, plugin)
    assert said.passed == (not said.reason)


GOOD = validation_suite.Baselines(
    models={
        "MLU370-X8": validation_suite.Baseline(
            host="mlu01", driver="5.10.22", taken=1.0, rates={"pcie": {"host to device GB/s": 10.0}}
        )
    }
)


@pytest.mark.parametrize(
    ("said", "model", "expected"),
    [
        (SuiteOutput(True, rates={"host to device GB/s": 9.0}), "MLU370-X8", ("PASSED", "")),
        (
            SuiteOutput(True, rates={"host to device GB/s": 8.9}),
            "MLU370-X8",
            ("FAILED", "host to device GB/s is 8.9, the baseline of MLU370-X8 requires at least 9"),
        ),
        (
            SuiteOutput(True),
            "MLU370-X8",
            ("FAILED", "no value for host to device GB/s, which the baseline of MLU370-X8 has"),
        ),
        (
            SuiteOutput(True, rates={"host to device GB/s": 1.0}),
            "MLU370-X4",
            ("PASSED", "according to the suite only: no baseline for MLU370-X4"),
        ),
        (
            SuiteOutput(False, "it said FAIL", {"host to device GB/s": 10.0}),
            "MLU370-X8",
            ("FAILED", "it said FAIL"),
        ),
    ],
)
def test_a_rate_counts_only_against_cards_of_its_model(
    said: SuiteOutput, model: str, expected: tuple[str, str]
) -> None:
    assert validation_suite.evaluate_output(said, "pcie", model, GOOD) == expected


def test_the_table_declares_each_test() -> None:
    every = validation_suite.load_tests(4)
    assert {test.plugin for test in validation_suite.load_tests(3)} < {
        test.plugin for test in every
    }
    assert all(test.seconds < test.timeout for test in every)
    # what takes cards to their limits runs only where that is asked for
    assert {test.level for test in every if test.destructive} == {4}


def desired(wanted: ReleaseTarget, options: HostOptions) -> HostSpec:
    return HostSpec(HostTarget((wanted,), wanted.store), options)


def test_what_is_asked_for_and_can_run_is_due_until_it_has_passed(wanted: ReleaseTarget) -> None:
    asked = HostOptions(validation=3)
    assert plan_words(stage, wanted, probe(*THERE)) == []
    assert plan_words(stage, wanted, probe(*DRIVEN), asked) == []
    (due,) = plan_words(stage, wanted, probe(*THERE), asked)
    assert "software, pcie, memory_bandwidth (about 4 minutes)" in due
    done = probe(
        *THERE, f"stamp|validation|{stage.input_digest(desired(wanted, asked), probe(*THERE))}"
    )
    assert plan_words(stage, wanted, done, asked) == []
    assert plan_words(stage, wanted, done, HostOptions(validation=3, validation_again=True))
    # what has passed at one level says nothing of the next
    assert plan_words(stage, wanted, done, HostOptions(validation=4, validation_destructive=True))


def test_another_board_threshold_or_driver_is_another_proof(
    wanted: ReleaseTarget, tmp_path: Path
) -> None:
    def digest(facts: HostFacts, options: HostOptions) -> str:
        return stage.input_digest(desired(wanted, options), facts)

    asked, there = HostOptions(validation=3), probe(*THERE)
    first = digest(there, asked)
    assert digest(probe(*THERE), asked) == first
    assert digest(probe(*THERE, *X8), asked) != first
    serial = HostFacts(**{**vars(there), "board_serials": {"0000:39:00.0": "SN/2"}})
    assert digest(serial, asked) != first
    path = tmp_path / "golden.yml"
    path.write_text(json.dumps(GOOD.model_dump()))
    x8 = probe(*(line for line in THERE if not line.startswith("card|")), *X8)
    held = HostOptions(validation=3, golden=str(path))
    assert stage.card_model(x8) == "MLU370-X8"
    assert digest(x8, held) != digest(x8, asked)
    newer = HostFacts(
        **{**vars(there), "driver_by_card": {"0000:39:00.0": ("6.2.0", "CN_RUNNING")}}
    )
    assert digest(newer, asked) != first


def test_every_reason_to_skip_is_told(wanted: ReleaseTarget) -> None:
    spec = desired(wanted, HostOptions(validation=4))
    said = stage.describe_skipped(spec, probe(*DRIVEN))
    assert "cnvs is neither on the host nor in a container" in said
    assert stage.describe_skipped(desired(wanted, HostOptions()), probe(*DRIVEN)) == ""
    said = stage.describe_skipped(spec, probe(*THERE))
    assert "it is destructive" in said and "software" not in said
    found = stage.known_verdicts(spec, probe(*THERE))
    assert found["software"]["verdict"] == found["mlu_stress"]["verdict"] == "SKIPPED"
    assert found["software"]["where"] == "host" and found["mlu_stress"]["where"] == ""


def with_tutorial(wanted: ReleaseTarget) -> ReleaseTarget:
    """A release with the source that has the suite's configuration files."""
    source = wanted.release.sources[0].model_copy(
        update={"name": "dev-env-ubuntu", "path": "/home/share/tutorial"}
    )
    release = wanted.release.model_copy(update={"sources": (*wanted.release.sources, source)})
    return replace(wanted, release=release)


CONTAINER = 'container|0123456789ab|sha256:1|true|4711|-|""'


def test_a_container_with_the_suite_and_all_cards_is_where_it_runs(wanted: ReleaseTarget) -> None:
    inside = probe(*DRIVEN, CONTAINER, "suite")
    spec = desired(with_tutorial(wanted), HostOptions(validation=3))
    place = stage.find_suite(spec.target, inside)
    assert place and place.container == "torch"
    tests = {test.plugin: test for test in stage.requested_tests(spec.options)}
    config = "/home/share/tutorial/mm/cnvs/config/cnvs_pcie_16M.yml"
    assert place.find_config(tests["pcie"]) == config
    assert place.describe(tests["pcie"]) == "container torch, cnvs_pcie_16M.yml"
    assert place.describe(tests["software"]) == "container torch"
    (due,) = plan_words(stage, spec.target.primary, inside, spec.options)
    assert due.endswith("in container torch")
    # a release without that source runs with the suite's own defaults
    bare = stage.find_suite(desired(wanted, spec.options).target, inside)
    assert bare and bare.find_config(tests["pcie"]) == ""
    # the host's own comes first, and nothing there is found without it
    assert stage.find_suite(spec.target, probe(*THERE, CONTAINER, "suite")) == stage.SuitePlace()
    assert stage.find_suite(spec.target, probe(*DRIVEN, CONTAINER)) is None
    # the files of another commit may have other thresholds
    other = with_tutorial(wanted)
    lock = other.lock.model_copy(update={"commits": {"dev-env-ubuntu": "1" * 40}})
    again = desired(replace(other, lock=lock), spec.options)
    assert stage.input_digest(again, inside) != stage.input_digest(spec, inside)


def test_a_container_with_some_of_the_cards_does_not_count(wanted: ReleaseTarget) -> None:
    part = HostTarget((replace(wanted, cards=(1,)),), wanted.store)
    assert stage.find_suite(part, probe(*DRIVEN, CONTAINER, "suite")) is None
    both = HostTarget((replace(wanted, cards=(1, 0)),), wanted.store)
    assert stage.find_suite(both, probe(*DRIVEN, CONTAINER, "suite"))


def test_a_release_that_installs_the_suite_will_have_it(wanted: ReleaseTarget) -> None:
    system = (SystemPackage(package="cnvs"),)
    packages = wanted.release.packages.model_copy(update={"system": system})
    release = wanted.release.model_copy(update={"packages": packages})
    place = stage.find_suite(
        HostTarget((replace(wanted, release=release),), wanted.store), probe(*DRIVEN)
    )
    assert place and place.container == "torch"


def test_a_file_of_thresholds_is_checked(tmp_path: Path) -> None:
    assert validation_suite.load_baselines("") == validation_suite.Baselines()
    with pytest.raises(InvalidInput, match=r"gone\.yml"):
        validation_suite.load_baselines(str(tmp_path / "gone.yml"))
    path = tmp_path / "golden.yml"
    path.write_text("tolerance: 2\nmodels: {}\n")
    with pytest.raises(InvalidInput, match=r"golden\.yml:1.*tolerance"):
        validation_suite.load_baselines(str(path))


def reported(**host: object) -> Report:
    seen = {
        "status": "changed",
        "cards": {"a": "CN_RUNNING", "b": "CN_RUNNING"},
        "models": {"a": "MLU370-X8", "b": "MLU370-X8"},
        "versions": {"driver": "5.10.22"},
        "validation": {
            "pcie": {"verdict": "PASSED", "why": "", "rates": {"x GB/s": 9.0}},
            "mlulink": {"verdict": "SKIPPED", "why": "it is destructive"},
        },
        **host,
    }
    return parse_report({"hosts": {"mlu01": seen}})


def test_a_good_host_has_passed_with_cards_of_one_model() -> None:
    model, good = capture_baseline("mlu01", reported())
    assert (model, good.driver, good.rates) == ("MLU370-X8", "5.10.22", {"pcie": {"x GB/s": 9.0}})
    with pytest.raises(InvalidInput, match="MLU370-X4, MLU370-X8"):
        capture_baseline("mlu01", reported(models={"a": "MLU370-X8", "b": "MLU370-X4"}))
    with pytest.raises(InvalidInput, match="one known model"):
        capture_baseline("mlu01", reported(models={"a": "MLU370-X8"}))
    slow = {"pcie": {"verdict": "FAILED", "why": "it said FAIL", "rates": {"x GB/s": 9.0}}}
    with pytest.raises(InvalidInput, match="pcie: it said FAIL"):
        capture_baseline("mlu01", reported(validation=slow))
    with pytest.raises(InvalidInput, match="no test that ran measured a rate"):
        capture_baseline("mlu01", reported(validation={}))
