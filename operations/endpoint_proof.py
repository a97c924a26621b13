"""The proof of an endpoint: a client asks it from its host, and from the controller."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _
from fleet.release import endpoints, host_paths
from fleet.release.endpoints import Endpoint, Figures
from fleet.release.target import ANY_ADDRESS, LOOPBACK_ADDRESS, ReleaseTarget
from operations import controller_client
from operations.host.context import emit_event
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob

#: characters of an answer that a report shows
MAX_ANSWER_CHARS = 1000
#: seconds beyond the limits of the answers, for the client's container
CLIENT_GRACE_S = 60


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
            _("asking the server at port {port} as a client", port=endpoint.port),
            "serve",
            "prove",
            target.lock.image.id,
            target.release.image.python,
            host_paths.serve_folder(target.key),
            endpoints.format_url(address, endpoint.port),
            target.release.container.name,
            endpoint.name,
            code="SERVE_NOT_PROVED",
            timeout=5 * serve.answer_timeout + CLIENT_GRACE_S,
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
        self.figures = figures = Figures(
            **{each.name: self._read_figure(each.name) for each in fields(Figures)}
        )
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
        job = RemoteJob(_("noting the figures"), "stamp", stamp, text, code="SERVE")
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

    def _read_figure(self, name: str) -> float | None:
        value = self.proof.get(name)
        return round(float(value), 3) if isinstance(value, (int, float)) else None
