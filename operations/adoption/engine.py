"""Inspects a host's container engine: images, containers, and folders that containers show."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import Host

from fleet.errors import Failure
from fleet.text.word_lists import join_clauses
from operations import engine
from operations.adoption import clones
from operations.adoption.containers import describe_containers
from operations.adoption.engine_contents import EngineContents, parse_contents
from operations.adoption.findings import Finding, Relation
from operations.adoption.images import describe_image
from operations.host.inspection import InspectionFailed, ask_host
from operations.stages import HostPlan

#: seconds that the engine may take to describe everything that it has
ENGINE_TIMEOUT_S = 300


def inspect_engine(host: Host, plan: HostPlan) -> Iterator[Finding]:
    """Yield what a host's engine has of the releases, and what in it is in the way.

    Args:
        host: A connected host.
        plan: Its desired state and its facts.

    Raises:
        InspectionFailed: The engine did not say what it has.
    """
    facts = plan.probed_facts
    for release in plan.target.releases:
        if failure := engine.check_answers(release, facts.releases[release.key]):
            raise InspectionFailed(failure)  # a container that was not seen is not missing
    contents = EngineContents()
    if facts.engine_version:
        contents = _ask_engine(host, plan)
        yield Finding("engine", Relation.PRESENT, "", f"docker {facts.engine_version}")
    else:
        words = plan.drift.get("engine", [])
        if isinstance(words, Failure):
            blocker = f"{words.code}: {words.sentence}"
            yield Finding("engine", Relation.MISSING, blocker=blocker)
        else:
            yield Finding("engine", Relation.MISSING, action=join_clauses(words))
    for release in plan.target.releases:
        yield describe_image(release, facts.releases[release.key], contents)
    yield from describe_containers(plan, facts, contents)
    for release in plan.target.releases:
        heads = dict[str, tuple[str, str]]()
        if paths := clones.list_paths(release, contents):
            answer = ask_host(host, "inspect-clones", *paths)
            heads = {path: (head, owner) for path, head, owner in answer}
        yield from clones.describe_clones(release, contents, heads)


def _ask_engine(host: Host, plan: HostPlan) -> EngineContents:
    identities = dict.fromkeys(release.lock.image.id for release in plan.target.releases)
    python = plan.target.primary.release.image.python
    records = ask_host(host, "inspect-engine", python, *identities, timeout=ENGINE_TIMEOUT_S)
    return parse_contents(records)
