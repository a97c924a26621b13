"""What a look at a host says, as data: one case of cases.yml each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from pyinfra.api import Host

from fleet.errors import Failure
from fleet.release.target import ReleaseTarget
from operations import stages
from operations.adoption import checkouts, driver, engine, survey
from operations.adoption.container_contents import inspect_packages, inspect_patches
from operations.adoption.engine_contents import parse_contents
from operations.adoption.findings import Finding, Relation
from operations.host import connection
from operations.host.facts import HostFacts
from operations.host.inspection import InspectionFailed
from operations.stage import HostOptions
from operations.stages import HostPlan
from tests.unit.conftest import BARE, DRIVEN, probe
from tests.unit.operations.stage_helpers import as_spec

CASES = yaml.safe_load(Path(__file__).with_name("cases.yml").read_text())
#: id of the first container of a case
ID = "1f" * 32
HOST = cast(Host, None)


def observe(case: dict[str, Any], names: dict[str, str]) -> HostFacts:
    base = {"bare": BARE, "driven": DRIVEN}[case["base"]]
    lines = [line for line in base if not line.startswith(tuple(case.get("without", ["none"])))]
    for old, new in case.get("replace", {}).items():
        assert any(old in line for line in lines)
        lines = [line.replace(old, new) for line in lines]
    return probe(*lines, *(fill(line, names) for line in case.get("lines", ())))


def fill(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def describe(number: int, given: dict[str, Any]) -> dict[str, Any]:
    """What docker says of a container."""
    mounts = given.get("mounts", {}).items()
    return {
        "id": f"{number + 0x1F:02x}" * 32,
        "name": f"/{given['name']}",
        "image": given.get("image", "sha256:77"),
        "reference": given.get("reference", "other:1"),
        "running": given.get("running", False),
        "privileged": given.get("privileged", False),
        "devices": [{"PathOnHost": node} for node in given.get("devices", ())] or None,
        "restart": given.get("restart", "no"),
        "removed": given.get("removed", False),
        "mounts": [{"Source": source, "Destination": inside} for inside, source in mounts],
        "mlufleet.spec": "spec" if given.get("ours") else "",
        "owner": given.get("owner", ""),
        "user": "",
        "io.kubernetes.pod.name": given.get("pod", ""),
    }


def answer(case: dict[str, Any], names: dict[str, str]) -> dict[str, list[list[str]]]:
    """What the scripts of a look report."""
    containers = case.get("containers", [])
    records = [
        ["container", json.dumps(describe(number, given))]
        for number, given in enumerate(containers)
    ]
    records += [
        ["image", json.dumps({"id": fill(identity, names), "names": references})]
        for identity, references in case.get("images", {}).items()
    ]
    records += [["account", name] for name in case.get("accounts", ())]
    records += [["folder", path, owner] for path, owner in case.get("folders", {}).items()]
    records += [
        ["package", f"{number + 0x1F:02x}" * 32, name]
        for number, given in enumerate(containers)
        for name in given.get("packages", ())
    ]
    heads = [
        [path, fill(head, names), owner] for path, (head, owner) in case.get("heads", {}).items()
    ]
    checkouts = [[path, *fields] for path, fields in case.get("checkouts", {}).items()]
    return {
        "inspect-engine": records,
        "inspect-clones": heads,
        "inspect-checkouts": checkouts,
    }


def inspect(
    case: dict[str, Any], target: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Finding], dict[str, str]]:
    commit = target.lock.commits["model"]
    names = {
        "image": target.lock.image.id,
        "id": ID,
        "commit": commit,
        "short": commit[:12],
        "patched": target.release.patches[0].sha256 or "",
    }
    answers = answer(case, names)
    for module in (engine, checkouts):
        monkeypatch.setattr(module, "ask_host", lambda host, script, *_, **__: answers[script])
    options = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in case.get("options", {}).items()
    }
    spec = as_spec(target, HostOptions(adopt=True, **options))
    facts = observe(case, names)
    plan = HostPlan(spec.target, spec.options, facts, stages.find_drift(spec, facts))
    inspectors = (
        driver.inspect_cards,
        driver.inspect_driver,
        engine.inspect_engine,
        checkouts.inspect_checkouts,
        inspect_patches,
        inspect_packages,
    )
    found = [finding for one in inspectors for finding in one(HOST, plan)]
    assert not any(finding.sent_bytes for finding in found), "files are an inspector's own"
    return {finding.item: finding for finding in found}, names


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_a_look_says_what_its_case_says(
    case: dict[str, Any], wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, names = inspect(case, wanted, monkeypatch)
    names = {**names, "size": str(wanted.image_bytes)}
    for expected in case.get("findings", ()):
        finding = found[expected["item"]]
        for field, value in expected.items():
            said = getattr(finding, field)
            if field == "blocker":  # a sentence, of which a case has a part
                assert (value in said) if value else not said
            elif (field, value) == ("reused_bytes", "image"):
                assert said == wanted.image_bytes
            elif field == "relation":
                assert said is Relation(value)
            else:
                said = list(said) if isinstance(said, tuple) else said
                wants = [fill(v, names) for v in value] if isinstance(value, list) else value
                wants = fill(wants, names) if isinstance(wants, str) else wants
                assert said == wants
    assert not found.keys() & set(case.get("absent", ()))


def as_plan(target: ReleaseTarget, facts: HostFacts) -> HostPlan:
    spec = as_spec(target)
    return HostPlan(spec.target, spec.options, facts, {})


def test_an_inspector_that_fails_says_so_of_its_own_subject(
    wanted: ReleaseTarget, driven: HostFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inspect_tea(host: Host, plan: HostPlan) -> list[Finding]:
        raise InspectionFailed(Failure("TIMED_OUT", "tea: no end within 5 s"))

    def inspect_cups(host: Host, plan: HostPlan) -> list[Finding]:
        raise ValueError("too few")

    def inspect_pots(host: Host, plan: HostPlan) -> list[Finding]:
        return [Finding("pots", Relation.PRESENT)]

    monkeypatch.setattr(connection, "is_lost", lambda host: False)
    inspectors = (inspect_tea, inspect_cups, inspect_pots)
    found = survey.survey_host(HOST, as_plan(wanted, driven), inspectors)
    assert not isinstance(found, Failure)
    assert [(one.item, one.relation) for one in found] == [
        ("tea", Relation.UNKNOWN),
        ("cups", Relation.UNKNOWN),
        ("pots", Relation.PRESENT),
    ]
    assert found[0].differences[0].startswith("TIMED_OUT: ")
    assert "too few" in found[1].differences[0]


@pytest.mark.parametrize("query", ["image", "container"])
def test_what_an_engine_does_not_answer_is_not_missing(
    wanted: ReleaseTarget, driven: HostFacts, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(connection, "is_lost", lambda host: False)
    monkeypatch.setattr(engine, "ask_host", lambda *_, **__: [])
    driven.releases[wanted.key].unanswered_queries.add(query)
    inspectors = [engine.inspect_engine, inspect_packages]
    found = survey.survey_host(HOST, as_plan(wanted, driven), inspectors)
    assert not isinstance(found, Failure)
    assert [(one.item, one.relation) for one in found] == [
        ("engine", Relation.UNKNOWN),
        ("packages", Relation.UNKNOWN),
    ]
    assert all(one.differences[0].startswith("ENGINE: ") for one in found)


def test_a_host_that_is_lost_is_not_described_by_half(
    wanted: ReleaseTarget, driven: HostFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inspect_tea(host: Host, plan: HostPlan) -> list[Finding]:
        raise ConnectionResetError("the connection is gone")

    monkeypatch.setattr(connection, "is_lost", lambda host: True)
    found = survey.survey_host(HOST, as_plan(wanted, driven), (inspect_tea,))
    assert isinstance(found, Failure) and found.code == "CONNECTION_LOST"


@pytest.mark.parametrize("record", [["container", "{"], ["container", "{}"], ["image", "[]"]])
def test_an_answer_that_is_not_understood_is_no_empty_engine(record: list[str]) -> None:
    with pytest.raises(InspectionFailed):
        parse_contents([record])


def test_what_json_hides_from_the_terminal_is_escaped() -> None:
    described = describe(0, {"name": "old", "owner": "\x9b2Jkang", "mounts": {"/a": "/b\x1b]0;"}})
    (container,) = parse_contents([["container", json.dumps(described)]]).containers
    assert container.owner == r"\x9b2Jkang"
    assert container.mounts == {"/a": r"/b\x1b]0;"}
