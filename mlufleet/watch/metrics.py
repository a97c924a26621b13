"""The fleet as the watch last saw it, for Prometheus: what its page /metrics answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from fleet.vendor.cnmon import CARD_RUNNING
from mlufleet.journal.events import FactsObserved
from mlufleet.report.metric_table import Sample, render_exposition
from mlufleet.report.samples import format_versions, label_endpoint, list_endpoint_samples
from mlufleet.watch.decision import DEFERRED, DONE, FAILED, REFUSED, RUN_RUNGS
from mlufleet.watch.observation import OUTCOMES
from mlufleet.watch.problems import HEALTHS, REBOOTED
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot, LookTotals

#: State of a card in the journal -> value of the label. A core's own states are the driver's text.
CARD_STATES = {
    CARD_RUNNING: "running",
    "dropped": "dropped",
    "gone": "gone",
    "no driver": "no driver",
}
OTHER_STATE = "other"
#: of cards whose host the last look could not probe
UNSEEN = "unseen"

#: PCI address, endpoint, stage ("image of NAME") or release; other subjects would make a series of
#: every text of a host
BOUNDED_SUBJECT = re.compile(r"[\w.:/+-]{1,64}( of [\w.:/+-]{1,64})?")
#: Subjects of one code on one host that have a series of their own; further ones share one. A host
#: has at most 16 cards, and a series of each costs every scrape.
MAX_SUBJECTS = 32


def render_metrics(snapshot: FleetSnapshot) -> bytes:
    """Return the metrics of a fleet in Prometheus' text format.

    What a look found is that of the last one that probed the host, with its time. A host that was
    never probed has no cards, versions or endpoints, rather than none of them.

    Args:
        snapshot: The fleet, as it was last seen.
    """
    return render_exposition(_list_samples(snapshot))


def _list_samples(snapshot: FleetSnapshot) -> Iterator[Sample]:
    yield from _watch_samples(snapshot)
    counts = Counter(host.state.health for host in snapshot.hosts.values())
    for health in dict.fromkeys((*HEALTHS, *counts)):
        yield "mlufleet_hosts", {"health": health}, counts[health]
    for host in snapshot.hosts.values():
        for samples in (_state_samples, _look_samples, _problem_samples, _facts_samples):
            for metric, labels, value in samples(host):
                yield metric, {"host": host.name, **labels}, value


def _watch_samples(snapshot: FleetSnapshot) -> Iterator[Sample]:
    yield "mlufleet_watch_info", {"inventory": snapshot.inventory}, 1
    yield "mlufleet_watch_start_timestamp_seconds", {}, snapshot.started
    yield "mlufleet_watch_every_seconds", {}, snapshot.every_s
    yield "mlufleet_watch_reload_error", {}, int(bool(snapshot.reload_error))
    yield "mlufleet_watch_store_error", {}, int(bool(snapshot.store_error))
    for receiver, error in snapshot.notice_errors.items():
        yield "mlufleet_watch_notice_error", {"receiver": receiver}, int(bool(error))
    for outcome in OUTCOMES:
        totals = snapshot.looks.get(outcome, LookTotals())
        yield "mlufleet_looks_total", {"outcome": outcome}, totals.count
        yield "mlufleet_look_seconds_total", {"outcome": outcome}, totals.seconds
    yield from _remediation_samples(snapshot)


def _remediation_samples(snapshot: FleetSnapshot) -> Iterator[Sample]:
    for rung in RUN_RUNGS:
        for outcome in (DONE, FAILED, REFUSED, DEFERRED):
            count = snapshot.runs.get((rung, outcome), 0)
            yield "mlufleet_remediation_runs_total", {"rung": rung, "outcome": outcome}, count
    for name, decision in snapshot.decisions.items():
        if name in snapshot.hosts:
            labels = {"host": name, "rung": decision.rung}
            yield "mlufleet_remediation_info", labels, 1
            time = decision.time
            yield "mlufleet_remediation_decision_timestamp_seconds", {"host": name}, time
    for name, why in snapshot.holds.items():
        if name in snapshot.hosts:
            yield "mlufleet_remediation_held", {"host": name, "reason": why}, 1


def _state_samples(host: HostSnapshot) -> Iterator[Sample]:
    # all of them, so that the share of time in one is an average over time
    for health in dict.fromkeys((*HEALTHS, host.state.health)):
        yield "mlufleet_host_health", {"health": health}, int(host.state.health == health)
    if host.state.since is not None:
        yield "mlufleet_host_health_since_timestamp_seconds", {}, host.state.since
    if host.quarantine:
        yield "mlufleet_host_quarantined", {}, 1
    if REBOOTED in host.state.problems:
        rebooted = host.state.problems[REBOOTED].last_seen
        yield "mlufleet_host_rebooted_timestamp_seconds", {}, rebooted
    for group in host.groups or ("",):  # a join with the groups must lose no host
        yield "mlufleet_host_group", {"group": group}, 1


def _look_samples(host: HostSnapshot) -> Iterator[Sample]:
    if host.last is not None:
        yield "mlufleet_host_look_timestamp_seconds", {}, host.last.ended
        yield "mlufleet_host_look_seconds", {}, max(0.0, host.last.ended - host.last.began)
    if host.probed is not None:
        yield "mlufleet_host_seen_timestamp_seconds", {}, host.probed.ended
        yield "mlufleet_host_seen_old", {}, int(not _is_seen(host))


def _is_seen(host: HostSnapshot) -> bool:
    """Return whether the last look probed the host, so that the facts are those of now."""
    return host.last is not None and host.last.was_probed


def _problem_samples(host: HostSnapshot) -> Iterator[Sample]:
    first_seen: dict[tuple[str, str], float] = {}
    flapping: dict[tuple[str, str], None] = {}
    subjects = Counter[str]()
    for key in sorted(host.state.problems):
        tracked = host.state.problems[key]
        if tracked.opened is None and not tracked.is_flapping:
            continue
        code, subject = tracked.problem.code, tracked.problem.subject
        subjects[code] += bool(subject)
        if subjects[code] > MAX_SUBJECTS or not BOUNDED_SUBJECT.fullmatch(subject):
            subject = ""
        if tracked.is_flapping:
            flapping[code, subject] = None
        if tracked.opened is not None:
            earlier = first_seen.get((code, subject), tracked.first_seen)
            first_seen[code, subject] = min(earlier, tracked.first_seen)
    for (code, subject), time in first_seen.items():
        labels = {"code": code, "subject": subject}
        yield "mlufleet_problem_open", labels, 1
        yield "mlufleet_problem_first_seen_timestamp_seconds", labels, time
    for code, subject in flapping:
        yield "mlufleet_problem_flapping", {"code": code, "subject": subject}, 1


def _facts_samples(host: HostSnapshot) -> Iterator[Sample]:
    if host.probed is None or (facts := host.probed.observed) is None:
        return
    is_seen = _is_seen(host)
    yield "mlufleet_driver_info", format_versions(facts.versions), 1
    for state, count in _count_cards(facts, is_seen).items():
        yield "mlufleet_cards", {"state": state}, count
    for stage, changes in host.probed.drift.items():
        yield "mlufleet_stage_drift", {"stage": stage}, len(changes)
    for endpoint in facts.endpoints:
        is_ready = is_seen and endpoint.is_ready
        yield "mlufleet_endpoint_ready", label_endpoint(endpoint), int(is_ready)
        yield from list_endpoint_samples(endpoint)


def _count_cards(facts: FactsObserved, is_seen: bool) -> Counter[str]:
    counts = Counter(running=0)
    for state in facts.cards.values():
        counts[CARD_STATES.get(state, OTHER_STATE) if is_seen else UNSEEN] += 1
    return counts
