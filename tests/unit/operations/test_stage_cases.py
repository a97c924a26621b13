"""What every stage decides and does, as data: one case of cases/STAGE.yml each.

A case is a probe (`base`, less the lines that begin with one of `without`, with `replace`d text
and more `lines`), the `options` of the host, `patches` in place of the release's own, fields of its
`image`, how it `serve`s, and what comes of it: a `failure` code, or `words` and `commands`, with
seconds that some of these may take (`limits`).
`later` are the probes that follow while the commands run, `output` is what each job prints that is
checked.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.errors import Failure
from fleet.language import english
from fleet.release import endpoints, host_paths
from fleet.release.model import Patch
from fleet.release.serve import Serve
from fleet.release.target import ReleaseTarget
from operations import (
    container,
    disk_space,
    migration,
    packages,
    serving,
    smoke_test,
    stages,
    validation,
)
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.stage import LOAD_DRIVER, MAKE_NODES, HostOptions
from operations.stage_order import STAGE_ORDER
from tests.unit.conftest import BARE, DRIVEN, probe
from tests.unit.operations.other_language import MARK, speak_other_language
from tests.unit.operations.stage_helpers import (
    as_spec,
    hide_digests,
    only,
    plan,
    plan_commands,
    render,
)

CASES = Path(__file__).parent / "cases"
BASES = {"bare": BARE, "driven": DRIVEN}
FILES = sorted(CASES.glob("*.yml"))
EVERY = [(path.stem, case) for path in FILES for case in yaml.safe_load(path.read_text())]


def build_facts(case: dict[str, Any], names: dict[str, str]) -> HostFacts:
    lines = [line for line in BASES[case["base"]]
             if not line.startswith(tuple(case.get("without", ())) or ("none",))]  # fmt: skip
    for old, new in case.get("replace", {}).items():
        lines = [line.replace(old, new) for line in lines]
    for line in case.get("lines", ()):
        lines.append(fill_names(line, names))
    return probe(*lines)


def fill_names(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def change_image(target: ReleaseTarget, fields: dict[str, Any]) -> ReleaseTarget:
    release, lock = target.release, target.lock
    image = release.image.model_copy(update=fields)
    locked = lock.image.model_copy(update={"size": 0 if image.file else 1_000_000})
    return replace(
        target,
        release=release.model_copy(update={"image": image}),
        lock=lock.model_copy(update={"image": locked}),
    )


def name_values(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> dict[str, str]:
    """The digests that a host has on its stamps and labels, as it is."""
    release, found = target.release, only(facts)
    count = len(facts.present_cards)
    definition = endpoints.build_definition(target, count) if release.serve else {}
    return {
        "image": target.lock.image.id,
        "size": str(disk_space.UNPACKED_FACTOR * target.image_bytes),
        "commit": target.lock.commits["model"],
        "patched": release.patches[0].sha256 or "",
        "weights": host_paths.weights_digest(target, release.weights[0]),
        "tree": migration.input_digest(target, release.sources[0]),
        "spec": container.spec_digest(target, facts),
        "packages": packages.input_digest(target, found),
        "smoke": smoke_test.input_digest(target, facts),
        "files": endpoints.serving_files_digest()[: endpoints.DIGEST_DIGITS],
        "definition": definition["digest"] if definition else "",
        "proof": serving.proof_digest(as_spec(target), target, facts) if definition else "",
        "validation": validation.input_digest(as_spec(target, options), facts),
    }


def observe(case: dict[str, Any], target: ReleaseTarget, options: HostOptions) -> HostFacts:
    """The facts of a case; digests depend on facts, which have digests of others in them."""
    names: dict[str, str] = {}
    for _ in range(4):
        facts = build_facts(case, names)
        names = name_values(target, facts, options)
    return facts


@pytest.mark.parametrize(("name", "case"), EVERY, ids=[f"{n}: {c['case']}" for n, c in EVERY])
def test_a_stage_decides_and_acts_the_same_in_another_language(
    name: str, case: dict[str, Any], wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak_other_language(monkeypatch)
    test_a_stage_decides_and_acts_as_its_case_says(name, case, wanted, monkeypatch)


@pytest.mark.parametrize(("name", "case"), EVERY, ids=[f"{n}: {c['case']}" for n, c in EVERY])
def test_a_stage_decides_and_acts_as_its_case_says(
    name: str, case: dict[str, Any], wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "emit_event", lambda *_, **__: None)
    module = importlib.import_module(f"operations.{name}")
    wanted = change_image(wanted, case.get("image", {}))
    if patched := case.get("patches"):
        fields = {"patches": tuple(Patch(**fields) for fields in patched)}
        wanted = replace(wanted, release=wanted.release.model_copy(update=fields))
    if fields := case.get("serve"):
        update = {"serve": Serve(**fields)}
        wanted = replace(wanted, release=wanted.release.model_copy(update=update))
    options = HostOptions(**case.get("options", {}))
    facts = observe(case, wanted, options)
    decision = plan(module, wanted, facts, options)
    if isinstance(decision, Failure):
        assert decision.code == case.get("failure"), decision
        return
    later = [observe(one, wanted, options) for one in case.get("later", ())]
    output = case.get("output", ())
    given = plan_commands(module, wanted, facts, options, later, output)
    found = [render(command) for command in given]
    limits = {render(one): one.timeout for one in given if isinstance(one, RemoteJob)}
    assert case.get("limits", {}).items() <= limits.items()
    assert "failure" not in case, decision.words
    names = name_values(wanted, facts, options)
    assert [hide_digests(english(words)) for words in decision.words] == case.get("words", [])
    assert found == [fill_names(text, names) for text in case.get("commands", [])]


def test_what_is_done_is_said_in_the_operators_language(
    wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak_other_language(monkeypatch)
    found = stages.find_drift(as_spec(wanted), probe(*BARE))
    said = [words for plan in found.values() if isinstance(plan, list) for words in plan]
    assert len(said) > 8 and all(words.startswith(MARK) for words in said)
    commands = plan_commands(container, wanted, probe(*DRIVEN))
    titles = [command.title for command in commands if isinstance(command, HostCommand)]
    assert titles[-1] == f"{MARK}creating the container"
    assert all(MARK not in word for one in commands for word in render(one).split())


def test_changes_are_known_by_their_kind_in_every_language(
    wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, facts = as_spec(wanted), probe(*BARE)
    before = stages.HostPlan(spec.target, spec.options, facts, stages.find_drift(spec, facts)).kinds
    speak_other_language(monkeypatch)
    after = stages.HostPlan(spec.target, spec.options, facts, stages.find_drift(spec, facts))
    assert after.kinds == before == {"driver": ["", LOAD_DRIVER, MAKE_NODES]}


def test_stages_run_in_the_order_that_reports_know() -> None:
    names = [stage.name for stage in stages.STAGES]
    assert names == [name for name in STAGE_ORDER if name != "lock"]


def test_every_stage_has_cases() -> None:
    names = {"patch": "patches", "smoke": "smoke_test", "serve": "serving"}
    assert {path.stem for path in FILES} == {names.get(s.name, s.name) for s in stages.STAGES}
