"""What the journal and the report keep of an endpoint: an instance of a release's server."""

from __future__ import annotations

from dataclasses import dataclass, field

from fleet.language import N_, _
from fleet.text.word_lists import join_parts

#: state of an endpoint that no probe saw
NOT_SEEN = N_("not seen")
#: states of endpoints as a probe sees them
STATES = (
    *(N_("loading"), N_("ready"), N_("unhealthy"), N_("draining"), N_("stopped"), N_("failed")),
)
#: from where an endpoint is proved -> how that is told
PROVED_FROM = {
    ("host",): N_("proved from host"),
    ("controller",): N_("proved from controller"),
    ("host", "controller"): N_("proved from host and controller"),
}


@dataclass(frozen=True)
class EndpointRecord:
    """An instance of a release's server, as the last probe saw it and as clients measured it."""

    release: str = ""
    """Name of the release."""
    name: str = ""
    """Number of the instance within the release, from 0."""
    address: str = ""
    """URL without a path. With the address 0.0.0.0, all addresses of the host lead to it."""
    model: str = ""
    """Name of the model in the API."""
    metrics: str = ""
    """Path of its metrics for Prometheus; empty if the release brings its own server, of which
    that is not known."""
    cards: list[int] = field(default_factory=list)
    """Numbers of the host's cards that it has."""
    state: str = ""
    """State at the last probe: "loading", "ready", "unhealthy", "draining", "stopped", "failed"
    (it is not started again), or "absent" if nothing is known of it. Empty if no probe has seen
    it since it was proved."""
    code: str = ""
    """Failure code of what is wrong with it; empty for nothing."""
    reason: str = ""
    """Details of that."""
    restarts: int = 0
    """How often it was started again on its own."""
    ready_s: float | None = None
    """Seconds from its last start until it was ready, or null."""
    answered: float | None = None
    """When it last gave the expected answer, by the host's clock in seconds since the epoch."""
    proved: float | None = None
    """When a client got right answers from it in this run; null if it is unproved in this run."""
    proved_from: list[str] = field(default_factory=list)
    """From where that client asked: "host", and "controller" where that can reach it."""
    controller_reason: str = ""
    """Why the controller did not ask it in this run; empty if it did, or if nobody did."""
    cold_first_token_s: float | None = None
    """Seconds until the first piece of the first answer after a start (cold), when it was last
    proved in this run or an earlier one."""
    first_token_s: float | None = None
    """Seconds until the first piece of a later answer (warm), of the same proof."""
    tokens_per_s: float | None = None
    """Tokens a second of that answer after its first one, of the same proof."""
    answer: str = ""
    """The answer to the release's question in this run."""

    @property
    def is_ready(self) -> bool:
        """Whether it was ready at the last probe."""
        return self.state == "ready"

    @property
    def problem(self) -> str:
        """State with code and reason, if it is not ready; else empty."""
        if self.is_ready:
            return ""
        details = ": ".join(filter(None, (self.code, self.reason)))
        return join_parts(filter(None, (_(self.state or NOT_SEEN), details)))

    @property
    def proof(self) -> str:
        """What was measured, and whether a client asked it in this run."""
        return join_parts((*self._measured, self._proved_line))

    @property
    def _measured(self) -> list[str]:
        words = []
        if self.ready_s is not None:
            words.append(_("ready after {seconds} s", seconds=f"{self.ready_s:.1f}"))
        if self.cold_first_token_s is not None:
            words.append(
                _("first token cold {seconds} s", seconds=f"{self.cold_first_token_s:.1f}")
            )
        if self.first_token_s is not None:
            words.append(_("warm {seconds} s", seconds=f"{self.first_token_s:.1f}"))
        if self.tokens_per_s is not None:
            words.append(_("{rate} tokens/s", rate=f"{self.tokens_per_s:.1f}"))
        return words

    @property
    def _proved_line(self) -> str:
        if self.proved is None:
            return _("unproved in this run")
        known = PROVED_FROM.get(tuple(self.proved_from))
        proved = _(known) if known else f"proved from {' and '.join(self.proved_from)}"
        if not self.controller_reason:
            return proved
        return _(
            "{proved} (not asked from the controller: {reason})",
            proved=proved,
            reason=self.controller_reason,
        )

    @property
    def label(self) -> str:
        """Release and number, as both are shown."""
        return f"{self.release}/{self.name}"
