"""The servers of a release: started in its container, awaited, and drained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pyinfra.api import operation

from fleet.errors import Failure
from fleet.language import _
from fleet.release import endpoints, host_paths
from fleet.release.endpoints import Endpoint
from fleet.release.instance_cards import find_missing_cards
from fleet.release.model import compute_digest
from fleet.release.target import ReleaseTarget
from fleet.store.measure import measure_file
from fleet.text.word_lists import join_clauses
from fleet.vendor import validation_suite
from fleet.vendor.endpoint_baselines import EndpointBaseline
from operations import engine, validation
from operations.endpoint_proof import ProveEndpoint
from operations.host.command import HostCommand
from operations.host.facts import STOP_LIMIT_S, HostFacts, ReleaseFacts
from operations.host.job import RemoteJob
from operations.stage import (
    Action,
    Decision,
    FailHost,
    HostSpec,
    OperationCommands,
    Plan,
    ReleaseStage,
)
from operations.transfer.upload import Upload

#: state of an instance that answers
READY = "ready"
#: states of an instance that the supervisor brings to another one by itself
CHANGING_STATES = ("loading", "draining")
#: seconds beyond a server's own limits, for the container's start and for SIGKILL
GRACE_S = 60
#: stamp with the digest of the files that the container runs
FILES_STAMP = "serve-files"


def proof_digest(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> str:
    """Return the digest of everything that an asked and answered client proves.

    Args:
        spec: The desired state of the host.
        target: A release that is served.
        facts: The host.
    """
    container, count = facts.releases[target.key].container, len(facts.present_cards)
    definition = endpoints.build_definition(target, count)["digest"]
    inputs: list[Any] = [definition, container.id if container else ""]
    found = [
        find_baseline(spec, target, endpoint, facts)
        for endpoint in endpoints.list_endpoints(target, count)
    ]
    if any(found):
        inputs += [
            validation_suite.load_baselines(spec.options.golden).endpoint_tolerances.model_dump(),
            [one and one.figures for one in found],
        ]
    return compute_digest(inputs)[:16]


def find_baseline(
    spec: HostSpec, target: ReleaseTarget, endpoint: Endpoint, facts: HostFacts
) -> EndpointBaseline | None:
    """Find what a good host with as many cards of this model measured with this release.

    Args:
        spec: The desired state of the host.
        target: A release that is served.
        endpoint: One of its endpoints.
        facts: The host.

    Returns:
        The site's baseline; None if there is none.
    """
    baselines = validation_suite.load_baselines(spec.options.golden)
    cards = len(endpoint.cards)
    return baselines.find_endpoint(target.release.name, cards, validation.card_model(facts))


def decide(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Decision:
    """Compare the servers in a release's container with the release.

    Args:
        spec: The desired state of the host.
        target: The release.
        facts: The host.
    """
    if target.release.serve is None:
        return Plan()
    found = facts.releases[target.key]
    if failure := engine.check_answers(target, found):
        return failure
    if problem := next(find_missing_cards(target, len(facts.present_cards)), ""):
        return Failure("CARDS_MISSING", problem)
    words = _list_pending(spec, target, facts, found)
    if not words:
        return Plan()
    return Plan((Action(tuple(words), lambda _: _serve(spec, target, facts)),))


def _list_pending(
    spec: HostSpec, target: ReleaseTarget, facts: HostFacts, found: ReleaseFacts
) -> list[str]:
    """Return, in words, what is to be done until clients are known to get right answers."""
    count = len(facts.present_cards)
    digest = endpoints.build_definition(target, count)["digest"]
    instances = endpoints.list_endpoints(target, count)
    ports = ", ".join(str(endpoint.port) for endpoint in instances)
    if found.serve_definition != digest:
        return [
            _(
                "serve {model} on {address}, port {ports}",
                model=endpoints.get_model_name(target),
                address=target.address,
                ports=ports,
            )
        ]
    words = [problem for each in instances if (problem := _find_problem(each, digest, found))]
    if words or found.stamps.get("serve") == proof_digest(spec, target, facts):
        return words
    return [_("ask the model at port {ports} as a client", ports=ports)]


def _find_problem(endpoint: Endpoint, digest: str, found: ReleaseFacts) -> str:
    """Say what is wrong with an instance; "" if it answers."""
    seen = found.endpoints.get(endpoint.name)
    at = _("the server at port {port}", port=endpoint.port)
    if seen is None or seen.definition != digest:
        return _("wait for {at}, which has not been started", at=at)
    reason = f": {seen.code} {seen.reason}".rstrip() if seen.code else ""
    if seen.state in CHANGING_STATES:
        return _(
            "wait for {at}, which is {state}{reason}", at=at, state=_(seen.state), reason=reason
        )
    if seen.state != READY:
        return _(
            "start {at} again, which is {state}{reason}", at=at, state=_(seen.state), reason=reason
        )
    return "" if seen.listens else _("start {at} again, on which nothing listens", at=at)


def place_files(target: ReleaseTarget, found: ReleaseFacts) -> Iterator[HostCommand]:
    """Give the commands that place what runs in the container, and stop what ran there before.

    A container that runs already has to be restarted after that.

    Args:
        target: The release; nothing is done without `serve`.
        found: The release on the host.
    """
    if target.release.serve is None:
        return
    # a new container must not start what its predecessor served: its packages are not there yet
    yield _stop_servers(target, found, "replace")
    folder = host_paths.serve_folder(target.key)
    files = [
        (path, f"{folder}/{path.name}", measure_file(path).sha256)
        for path in endpoints.list_serving_files()
    ]
    upload = Upload(_("files of the server"), files)
    upload.searches_host = False
    yield upload


def stamp_files() -> HostCommand:
    """Give the command that notes that a container starts with the files of this version."""
    digest = endpoints.serving_files_digest()[: endpoints.DIGEST_DIGITS]
    return RemoteJob(
        _("noting the files of the server"), "stamp", FILES_STAMP, digest, code="SERVE"
    )


def _has_files(found: ReleaseFacts) -> bool:
    digest = endpoints.serving_files_digest()[: endpoints.DIGEST_DIGITS]
    return found.stamps.get(FILES_STAMP) == digest


def _update_files(target: ReleaseTarget, found: ReleaseFacts) -> Iterator[HostCommand]:
    """Replace the files of a container that runs: its first process is one of them."""
    yield from place_files(target, found)
    yield RemoteJob(
        _("restarting the container"),
        "container",
        "restart",
        target.release.container.name,
        code="CONTAINER",
        timeout=found.container.stop_limit_s if found.container else STOP_LIMIT_S,
    )
    yield stamp_files()


def drain(target: ReleaseTarget, facts: HostFacts) -> Iterator[HostCommand]:
    """Give the commands that let running requests end, and stop a release's servers.

    Args:
        target: The release; nothing is done without `serve`, or if nothing is served.
        facts: The host.
    """
    found = facts.releases[target.key]
    if target.release.serve is None or not found.serve_definition or not found.container:
        return
    yield _stop_servers(target, found, "drain")


def _stop_servers(target: ReleaseTarget, found: ReleaseFacts, how: str) -> RemoteJob:
    drain_timeout = endpoints.get_serve(target).drain_timeout
    # what runs may be an earlier release, which gave its requests more time
    before = found.container.stop_timeout_s if found.container else 0
    limit = max(drain_timeout, before) + GRACE_S
    title = _("letting running requests end, up to {seconds} s", seconds=max(drain_timeout, before))
    return RemoteJob(
        title if found.container else _("making sure that nothing is served yet"),
        "serve",
        how,
        target.release.container.name,
        host_paths.serve_folder(target.key),
        str(limit),
        code="SERVE",
        timeout=limit + GRACE_S,
    )


def _serve(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Iterator[HostCommand]:
    serve, name = endpoints.get_serve(target), target.release.container.name
    folder = host_paths.serve_folder(target.key)
    definition = endpoints.build_definition(target, len(facts.present_cards))
    found = facts.releases[target.key]
    if found.serve_definition != definition["digest"]:
        if not _has_files(found):
            yield from _update_files(target, found)
        key = f"{target.api_key}\n"
        title = _("placing the key of the API") if target.api_key else _("serving without a key")
        yield RemoteJob(title, "serve", "key", folder, code="SERVE", secret_stdin=key)
        text = json.dumps(definition, ensure_ascii=False)
        job = (_("defining the servers"), "serve", "put", name, folder, text)
        yield RemoteJob(*job, code="SERVE")
    else:
        yield RemoteJob(
            _("telling the supervisor to try again"), "serve", "retry", name, code="SERVE"
        )
    yield RemoteJob(
        _("waiting until the servers are ready (loading weights can take ten minutes)"),
        "serve",
        "await",
        name,
        definition["digest"],
        str(len(definition["instances"])),
        str(serve.load_timeout + GRACE_S),
        code="SERVE_LOAD",
        timeout=serve.load_timeout + 2 * GRACE_S,
    )
    proofs = [
        ProveEndpoint(target, endpoint, facts)
        for endpoint in endpoints.list_endpoints(target, len(facts.present_cards))
    ]
    yield from proofs
    if shortfall := _describe_shortfall(spec, facts, proofs):
        yield FailHost(Failure("SERVE_SLOW", shortfall))
    digest = proof_digest(spec, target, facts)
    yield RemoteJob(_("stamping the servers"), "stamp", "serve", digest, code="SERVE")


def _describe_shortfall(spec: HostSpec, facts: HostFacts, proofs: list[ProveEndpoint]) -> str:
    """Describe which endpoints are slower than those of a good host; "" if none is."""
    tolerances = validation_suite.load_baselines(spec.options.golden).endpoint_tolerances
    problems = []
    for proof in proofs:
        baseline = find_baseline(spec, proof.served, proof.endpoint, facts)
        shortfall = baseline and baseline.describe_shortfall(vars(proof.figures), tolerances)
        if shortfall:
            problems.append(
                _("port {port}: {shortfall}", port=proof.endpoint.port, shortfall=shortfall)
            )
    return join_clauses(problems)


STAGE = ReleaseStage("serve", decide, "SERVE")


@operation()
def ready(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Serve the model of a release, and ask it as a client.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
