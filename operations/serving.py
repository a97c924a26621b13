"""The servers of a release: started in its container, awaited, and asked as clients ask them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pyinfra.api import Host, operation
from typing_extensions import override

from fleet.errors import Failure
from fleet.release import endpoints, host_paths
from fleet.release.endpoints import Endpoint, Figures
from fleet.release.instance_cards import find_missing_cards
from fleet.release.model import compute_digest
from fleet.release.target import ANY_ADDRESS, LOOPBACK_ADDRESS, ReleaseTarget
from fleet.store.measure import measure_file
from fleet.vendor import validation_suite
from fleet.vendor.endpoint_baselines import EndpointBaseline
from operations import controller_client, engine, validation
from operations.host.command import HostCommand
from operations.host.context import emit_event
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
        return [f"serve {endpoints.get_model_name(target)} on {target.address}, port {ports}"]
    words = [problem for each in instances if (problem := _find_problem(each, digest, found))]
    if words or found.stamps.get("serve") == proof_digest(spec, target, facts):
        return words
    return [f"ask the model at port {ports} as a client"]


def _find_problem(endpoint: Endpoint, digest: str, found: ReleaseFacts) -> str:
    """Say what is wrong with an instance; "" if it answers."""
    seen = found.endpoints.get(endpoint.name)
    at = f"the server at port {endpoint.port}"
    if seen is None or seen.definition != digest:
        return f"wait for {at}, which has not been started"
    reason = f": {seen.code} {seen.reason}".rstrip() if seen.code else ""
    if seen.state in CHANGING_STATES:
        return f"wait for {at}, which is {seen.state}{reason}"
    if seen.state != READY:
        return f"start {at} again, which is {seen.state}{reason}"
    return "" if seen.listens else f"start {at} again, on which nothing listens"


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
    upload = Upload("files of the server", files)
    upload.searches_host = False
    yield upload


def stamp_files() -> HostCommand:
    """Give the command that notes that a container starts with the files of this version."""
    digest = endpoints.serving_files_digest()[: endpoints.DIGEST_DIGITS]
    return RemoteJob("noting the files of the server", "stamp", FILES_STAMP, digest, code="SERVE")


def _has_files(found: ReleaseFacts) -> bool:
    digest = endpoints.serving_files_digest()[: endpoints.DIGEST_DIGITS]
    return found.stamps.get(FILES_STAMP) == digest


def _update_files(target: ReleaseTarget, found: ReleaseFacts) -> Iterator[HostCommand]:
    """Replace the files of a container that runs: its first process is one of them."""
    yield from place_files(target, found)
    yield RemoteJob(
        "restarting the container",
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
    return RemoteJob(
        f"letting running requests end, up to {max(drain_timeout, before)} s",
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
        title = "placing the key of the API" if target.api_key else "serving without a key"
        yield RemoteJob(title, "serve", "key", folder, code="SERVE", secret_stdin=key)
        text = json.dumps(definition, ensure_ascii=False)
        job = ("defining the servers", "serve", "put", name, folder, text)
        yield RemoteJob(*job, code="SERVE")
    else:
        yield RemoteJob("telling the supervisor to try again", "serve", "retry", name, code="SERVE")
    yield RemoteJob(
        "waiting until the servers are ready (loading weights can take ten minutes)",
        "serve",
        "await",
        name,
        folder,
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
    yield RemoteJob("stamping the servers", "stamp", "serve", digest, code="SERVE")


def _describe_shortfall(spec: HostSpec, facts: HostFacts, proofs: list[ProveEndpoint]) -> str:
    """Describe which endpoints are slower than those of a good host; "" if none is."""
    tolerances = validation_suite.load_baselines(spec.options.golden).endpoint_tolerances
    problems = []
    for proof in proofs:
        baseline = find_baseline(spec, proof.served, proof.endpoint, facts)
        shortfall = baseline and baseline.describe_shortfall(vars(proof.figures), tolerances)
        if shortfall:
            problems.append(f"port {proof.endpoint.port}: {shortfall}")
    return "; ".join(problems)


class ProveEndpoint(RemoteJob):
    """Asks an endpoint as a client does, and reports what it measured.

    The host is asked first, then the controller if it can reach the endpoint. The figures are those
    of the host, without the network between the two.
    """

    def __init__(self, target: ReleaseTarget, endpoint: Endpoint, facts: HostFacts) -> None:
        """Prepare the client.

        Args:
            target: The release.
            endpoint: One of its endpoints, which is ready.
            facts: The host.
        """
        serve = endpoints.get_serve(target)
        address = LOOPBACK_ADDRESS if target.address == ANY_ADDRESS else target.address
        super().__init__(
            f"asking the server at port {endpoint.port} as a client",
            "serve",
            "prove",
            target.lock.image.id,
            target.release.image.python,
            host_paths.serve_folder(target.key),
            endpoints.format_url(address, endpoint.port),
            target.release.container.name,
            endpoint.name,
            code="SERVE_NOT_PROVED",
            timeout=5 * serve.answer_timeout + GRACE_S,
            check_output=self._read_proof,
        )
        self.served, self.endpoint = target, endpoint
        self.definition = endpoints.build_definition(target, len(facts.present_cards))
        self.cards = target.card_numbers(len(facts.present_cards))
        self.proof: dict[str, Any] = {}
        self.figures = Figures()

    def _read_proof(self, lines: list[str]) -> None:
        # what the supervisor measured comes first, the client's own result last
        results = [json.loads(line) for line in lines if line.startswith("{")]
        if not results or not all(isinstance(result, dict) for result in results):
            raise ValueError("the client printed no result")
        if results[-1].get("ok") is not True:
            raise ValueError(f"the client says {json.dumps(results[-1], ensure_ascii=False)[:300]}")
        for result in results:
            self.proof |= {key: value for key, value in result.items() if value is not None}

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        failure = super().run(host, arguments)
        if failure:
            return failure
        obstacle = self._ask_from_controller(host)
        if isinstance(obstacle, Failure):
            return obstacle
        self.figures = figures = Figures(*(self._figure(name) for name in FIGURES))
        emit_event(
            host,
            "endpoint-proved",
            stage=self.stage,
            release=self.served.release.name,
            name=self.endpoint.name,
            address=endpoints.format_url(self.served.address, self.endpoint.port),
            model=endpoints.get_model_name(self.served),
            cards=[self.cards[number] for number in self.endpoint.cards],
            seen_from=["host"] if obstacle else ["host", "controller"],
            controller_reason=obstacle,
            **vars(figures),
            answer=str(self.proof.get("answer") or "")[:MAX_ANSWER_CHARS],
        )
        stamp = endpoints.FIGURES_STAMP.format(self.endpoint.name)
        text = endpoints.format_figures(figures)
        job = RemoteJob("noting the figures", "stamp", stamp, text, code="SERVE")
        job.assign(self.stage, self.served)
        return job.run(host, arguments)

    def _ask_from_controller(self, host: Host) -> Failure | str:
        """Return why the controller could not ask, or a failure if it got another answer."""
        found = controller_client.find_address(host, self.served.address)
        if found.reason:
            return found.reason
        if obstacle := controller_client.find_obstacle(found.address, self.endpoint.port):
            return obstacle
        url = endpoints.format_url(found.address, self.endpoint.port)
        failure = controller_client.ask(url, self.definition, self.served.api_key, self.timeout)
        return failure or ""

    def _figure(self, name: str) -> float | None:
        value = self.proof.get(name)
        return round(float(value), 3) if isinstance(value, (int, float)) else None


#: what is measured, as the client names it
FIGURES = ("ready_s", "cold_first_token_s", "first_token_s", "tokens_per_s")
#: characters of an answer that a report shows
MAX_ANSWER_CHARS = 1000

STAGE = ReleaseStage("serve", decide, "SERVE")


@operation()
def ready(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Serve the model of a release, and ask it as a client.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
