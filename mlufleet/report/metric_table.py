"""The metrics of runs and of the watch: their names, and the text that Prometheus reads.

The same thing has the same name and labels in both. Names and labels are an interface: dashboards
and alert rules of a site use them. `docs/metrics.md` is generated from :data:`METRICS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleet.text import sanitize

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

#: name, labels and value
Sample = tuple[str, dict[str, str], float]

#: of a run: `metrics.prom` in its folder
RUN = "run"
#: of the watch: its page /metrics
WATCH = "watch"
BOTH = (RUN, WATCH)

GAUGE = "gauge"
COUNTER = "counter"

#: Longest value of a label in characters. A kernel's or a driver's version is far shorter; what is
#: longer is no version, and every scrape would carry it.
MAX_LABEL_CHARACTERS = 128

#: labels of a host's versions, and columns of cards.csv that all cards of a host share
INFO_LABELS = ("driver", "release", "os", "kernel")
ENDPOINT_LABELS = ("host", "release", "endpoint", "model")
PROBLEM_LABELS = ("host", "code", "subject")


@dataclass(frozen=True)
class MetricInfo:
    """What a metric says.

    Attributes:
        help: What its value is.
        labels: Names of its labels, in the order of the documentation.
        sources: :data:`RUN`, :data:`WATCH`, or both.
        kind: :data:`GAUGE` or :data:`COUNTER`.
    """

    help: str
    labels: tuple[str, ...] = ()
    sources: tuple[str, ...] = (WATCH,)
    kind: str = GAUGE


METRICS: dict[str, MetricInfo] = {
    # the fleet
    "mlufleet_hosts": MetricInfo("Hosts by their health.", ("health",)),
    # hosts
    "mlufleet_host_status": MetricInfo(
        "1 for the status of the host at the end of the run, else 0.", ("host", "status"), (RUN,)
    ),
    "mlufleet_host_health": MetricInfo(
        "1 for the health of the host, else 0: ok, degraded (it has problems and answers), broken, "
        "unreachable, busy (a run works on it), or unknown (not looked at yet).",
        ("host", "health"),
    ),
    "mlufleet_host_health_since_timestamp_seconds": MetricInfo(
        "Since when the health of the host is what it is.", ("host",)
    ),
    "mlufleet_host_group": MetricInfo(
        "Groups of the inventory that a host is in; always 1. A host in none has one sample "
        "without a group.",
        ("host", "group"),
    ),
    "mlufleet_host_quarantined": MetricInfo(
        "A host in quarantine, out of service until a person puts it back; always 1.",
        ("host",),
    ),
    "mlufleet_host_rebooted_timestamp_seconds": MetricInfo(
        "When a look last saw that a host had booted, and no run had rebooted it; for six hours.",
        ("host",),
    ),
    "mlufleet_host_look_timestamp_seconds": MetricInfo(
        "When the last look at a host ended, whatever it saw.", ("host",)
    ),
    "mlufleet_host_look_seconds": MetricInfo("How long the last look at a host took.", ("host",)),
    "mlufleet_host_seen_timestamp_seconds": MetricInfo(
        "Time of the last probe of a host: what is known of the host is of then.",
        ("host",),
        BOTH,
    ),
    "mlufleet_host_seen_old": MetricInfo(
        "1 if the last probe of a host no longer says what it is: a run changed or lost it since, "
        "or the last look could not probe it.",
        ("host",),
        BOTH,
    ),
    "mlufleet_driver_info": MetricInfo(
        "Versions on a host at its last probe; always 1.", ("host", *INFO_LABELS), BOTH
    ),
    "mlufleet_host_seconds": MetricInfo("How long the run worked on a host.", ("host",), (RUN,)),
    "mlufleet_host_drift": MetricInfo(
        "Stages of a host that differed from its release when the run began.", ("host",), (RUN,)
    ),
    "mlufleet_stage_drift": MetricInfo(
        "Changes that a stage would make on a host; only stages that would make any.",
        ("host", "stage"),
    ),
    "mlufleet_host_left": MetricInfo(
        "Things that stay on a host that is retired.", ("host",), (RUN,)
    ),
    "mlufleet_host_failure_info": MetricInfo(
        "Why a host failed; always 1.", ("host", "code", "stage"), (RUN,)
    ),
    # cards
    "mlufleet_host_cards": MetricInfo(
        "Cards of a host at its last probe, healthy or not.", ("host",), (RUN,)
    ),
    "mlufleet_cards_healthy": MetricInfo(
        "Cards of a host whose core ran at its last probe.", ("host",), (RUN,)
    ),
    "mlufleet_cards": MetricInfo(
        "Cards of a host by their state: running, dropped (off the PCI bus), gone (seen earlier), "
        "no driver, other, or unseen: the last look could not probe the host. States without a "
        "card are left out, but for running. Hosts that were never probed have none.",
        ("host", "state"),
    ),
    # problems
    "mlufleet_problem_open": MetricInfo(
        "A problem of a host that two looks in a row have seen; always 1. The code is a failure "
        "code or DRIFT; the subject is a PCI address, an endpoint or a stage, or empty.",
        PROBLEM_LABELS,
    ),
    "mlufleet_problem_first_seen_timestamp_seconds": MetricInfo(
        "When an open problem was first seen.", PROBLEM_LABELS
    ),
    "mlufleet_problem_flapping": MetricInfo(
        "A problem that comes and goes; always 1. It stays open until it has been stable for an "
        "hour. The code may be REBOOTED too: a host that boots again and again by itself.",
        PROBLEM_LABELS,
    ),
    # mending
    "mlufleet_remediation_info": MetricInfo(
        "What was last decided to do about a host; always 1. The rung is none, restart, repair, "
        "reboot or quarantine; hosts about which nothing was ever decided have none.",
        ("host", "rung"),
    ),
    "mlufleet_remediation_decision_timestamp_seconds": MetricInfo(
        "When that was decided.", ("host",)
    ),
    "mlufleet_remediation_runs_total": MetricInfo(
        "Runs that the watch has begun to mend a host and that have ended, by how they ended: "
        "done, failed, deferred because others held the host or its cards or it could not be "
        "reached, or refused because what is on disk is not what the watch has read. Whether the "
        "host was right afterwards is for looks to say.",
        ("rung", "outcome"),
        kind=COUNTER,
    ),
    "mlufleet_remediation_held": MetricInfo(
        "A host with open problems that the watch may mend and does not at present; always 1. The "
        "reason is action, unprobed, storm, exhausted, no_stage, not_allowed, tries, hours, "
        "at_once, changed, deferred, store, quarantined or quarantines: docs/watch.md.",
        ("host", "reason"),
    ),
    # endpoints
    "mlufleet_endpoint_ready": MetricInfo(
        "1 if an endpoint was ready at the last probe of its host, else 0; in the watch also 0 "
        "if the last look could not probe the host.",
        ENDPOINT_LABELS,
        BOTH,
    ),
    "mlufleet_endpoint_restarts": MetricInfo(
        "How often an endpoint was started again on its own.", ENDPOINT_LABELS, BOTH
    ),
    "mlufleet_endpoint_answered_timestamp_seconds": MetricInfo(
        "When an endpoint last gave the expected answer, by the host's clock.",
        ENDPOINT_LABELS,
        BOTH,
    ),
    "mlufleet_endpoint_ready_seconds": MetricInfo(
        "Seconds from the start of an endpoint until it was ready.", ENDPOINT_LABELS, BOTH
    ),
    "mlufleet_endpoint_first_token_seconds": MetricInfo(
        "Seconds to the first token of a proof, cold or warm.", (*ENDPOINT_LABELS, "start"), BOTH
    ),
    "mlufleet_endpoint_tokens_per_second": MetricInfo(
        "Tokens a second of an endpoint's last proof.", ENDPOINT_LABELS, BOTH
    ),
    # the run
    "mlufleet_release_unproved_points": MetricInfo(
        "Points of a release that its lock does not prove.", ("release",), (RUN,)
    ),
    "mlufleet_run_timestamp_seconds": MetricInfo(
        "When the run ended, or began if it has not ended.", (), (RUN,)
    ),
    "mlufleet_run_exit_status": MetricInfo("Exit status of the run.", (), (RUN,)),
    # the watch
    "mlufleet_watch_info": MetricInfo("The inventory that is watched; always 1.", ("inventory",)),
    "mlufleet_watch_start_timestamp_seconds": MetricInfo("When the watch began."),
    "mlufleet_watch_every_seconds": MetricInfo("Seconds between two looks at a host."),
    "mlufleet_watch_reload_error": MetricInfo(
        "1 if inventory or releases could not be read anew and the older ones are used, else 0."
    ),
    "mlufleet_watch_store_error": MetricInfo("1 if the history cannot be written, else 0."),
    "mlufleet_watch_notice_error": MetricInfo(
        "1 if a receiver of notices did not take the last one, else 0.", ("receiver",)
    ),
    "mlufleet_looks_total": MetricInfo(
        "Looks that ended since the watch began: seen, busy (a run works on the host), "
        "unreachable, or unprobed (connected to, and not probed).",
        ("outcome",),
        kind=COUNTER,
    ),
    "mlufleet_look_seconds_total": MetricInfo(
        "How long these looks took, added up.", ("outcome",), kind=COUNTER
    ),
}


def render_exposition(samples: Iterable[Sample]) -> bytes:
    """Return samples in Prometheus' text format, in the order of :data:`METRICS`.

    Args:
        samples: Name, labels and value of each. Values of labels may be any text.

    Raises:
        KeyError: A sample has a name or labels that are not in :data:`METRICS`.
    """
    # slow to import, and it imports ssl, which must not happen before gevent patches it
    from prometheus_client.exposition import generate_latest
    from prometheus_client.metrics_core import Metric

    # a scrape with two samples of the same labels would be refused: the last one wins
    found: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in METRICS}
    for name, labels, value in samples:
        found[name][tuple(_limit_text(labels[label]) for label in METRICS[name].labels)] = value

    class Samples:
        def collect(self) -> Iterator[Metric]:
            for name, values in found.items():
                if values:
                    info = METRICS[name]
                    # the library adds _total to the name of a counter
                    metric = Metric(name.removesuffix("_total"), info.help, info.kind)
                    for labels, value in values.items():
                        metric.add_sample(name, dict(zip(info.labels, labels, strict=True)), value)
                    yield metric

    return generate_latest(Samples())


def _limit_text(text: str) -> str:
    safe = sanitize.escape_line(text)
    return safe if len(safe) <= MAX_LABEL_CHARACTERS else safe[: MAX_LABEL_CHARACTERS - 1] + "…"
