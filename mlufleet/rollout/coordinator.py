"""Carries a plan out on a fleet: probe all hosts, canaries, then a window of hosts."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import click
import gevent
from gevent.event import Event
from gevent.pool import Pool
from pyinfra.api import Host

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.text import suggestions
from mlufleet.journal.events import RolloutStarted, RunEnded
from mlufleet.journal.listening import listening
from mlufleet.report.derive import derive_from_journal, write_report
from mlufleet.report.model import Report
from mlufleet.rollout import hooks
from mlufleet.rollout.host_count import HostCount
from mlufleet.rollout.kinds import KINDS
from mlufleet.rollout.plan import Plan
from mlufleet.rollout.prompt import ask_operator
from mlufleet.rollout.scheduler import Scheduler
from mlufleet.rollout.serving_watch import LOOK_INTERVAL_S, ServingWatch
from mlufleet.rollout.session import Session
from mlufleet.run import interrupts
from operations.host.context import emit_event
from operations.host.failures import fail_host
from operations.host.limits import LOAD, UPLOAD, UPLOAD_AHEAD

#: hosts that are probed at the same time
PROBE_CONCURRENCY = 100
#: says, in lines, what is to be done after what the probes found; the last line is a question
Review = Callable[[Report], list[str]]


class RolloutCoordinator:
    """One rollout.

    Args:
        plan: The options.
        command: The command that was given, for the journal and the locks of hosts.
        resumes: Run that this one resumes, or empty.
        canaries_passed: The canaries of that run have passed.
        served_before: Host -> endpoints that were ready when that run began.
        review: Is called once, when all hosts have been probed: the operator has to approve what
            it returns, or reads it if the plan says that the answer is yes.

    Raises:
        InvalidInput: The plan cannot be carried out; no host was contacted.
    """

    def __init__(
        self,
        plan: Plan,
        command: str,
        *,
        resumes: str = "",
        canaries_passed: bool = False,
        served_before: Mapping[str, int] | None = None,
        review: Review | None = None,
    ) -> None:
        self.plan, self.canaries_passed, self.review = plan, canaries_passed, review
        self.session = Session(
            plan.inventory,
            plan.limit,
            plan.data,
            plan.exclude,
            heeds_quarantine=not plan.include_quarantined and plan.kind != "retirement",
        )
        self.hosts = {host.name: host for host in self.session.hosts}
        self.groups = self._host_groups()
        self.run = self.session.begin_run(command)
        self.context = self.run.context
        self.context.is_read_only = plan.dry
        self.host_rollout = KINDS[plan.kind](self.session, plan)
        self.pending_hosts: set[str] = set()
        self.scheduler = Scheduler([])
        self.greenlets: dict[str, gevent.Greenlet] = {}
        self.host_ended, self.stopping = Event(), Event()
        self.serving = ServingWatch(self.session, plan, self.stopping, served_before or {})
        self.stop_requests, self.signals = 0, interrupts.StopRequests()
        options = plan.model_dump(mode="json")
        self.run.record_event(RolloutStarted(plan=options, resumes=resumes))

    def _host_groups(self) -> dict[str, str]:
        """Return the group of each host that shares something with others."""
        key = self.plan.share_of
        if not key:
            return {}
        values = {name: host.data.get(key) for name, host in self.hosts.items()}
        groups = {name: str(value) for name, value in values.items() if value is not None}
        if not groups:
            keys = dict.fromkeys(key for host in self.hosts.values() for key in host.data.dict())
            similar = suggestions.format_suggestions(key, keys)
            raise InvalidInput(
                _(
                    "{path}: no host has `{key}` in its data{similar}",
                    path=self.plan.inventory,
                    key=key,
                    similar=similar,
                )
            )
        return groups

    def roll_out(self) -> Report:
        """Carry the plan out, and return the report, which is written."""
        for number in interrupts.stop_signals():
            gevent.signal_handler(number, self._on_signal, number)
        # one upload is left for the files that a stage waits for: prefetches do not take all
        limits = {
            UPLOAD: self.plan.uploads,
            UPLOAD_AHEAD: self.plan.uploads - 1,
            LOAD: self.plan.loads,
        }
        for resource, count in limits.items():
            self.context.limits.set_limit(resource, count)
        with ExitStack() as stack:
            stack.enter_context(listening(self.context.events, self.host_rollout.on_event))
            self.context.stop.callbacks.append(self._on_stop_requested)
            stack.callback(self.context.stop.callbacks.remove, self._on_stop_requested)
            try:
                self._probe_all()
                if not self.stopping.is_set() and not self.plan.dry:
                    self._schedule()
                    self._review_gate()
                    self._run_window()
            finally:
                gevent.joinall(list(self.greenlets.values()))
                interrupted = self.stop_requests > 0 or self.run.interrupted
                stopped = self.scheduler.stopped
                self.run.record_event(
                    RunEnded(dry=self.plan.dry, interrupted=interrupted, stopped=stopped)
                )
        return write_report(self.run.folder)

    # probe

    def _probe_all(self) -> None:
        """Probe every host: those in their desired state are done, broken ones are counted."""
        self.context.events.emit("", "survey", hosts=len(self.hosts))
        self.serving.listen()
        pool = Pool(min(PROBE_CONCURRENCY, len(self.hosts)))
        for host in self.session.hosts:
            self.greenlets[host.name] = pool.spawn(self._probe_host, host)
        gevent.joinall(list(self.greenlets.values()))
        self.greenlets.clear()

    def _probe_host(self, host: Host) -> None:
        with self.session.connected(host) as is_connected:
            if is_connected and self.host_rollout.assess(host):
                self.pending_hosts.add(host.name)

    # schedule

    def _schedule(self) -> None:
        plan, total = self.plan, len(self.hosts)
        names = [name for name in self.hosts if name in self.pending_hosts]
        if plan.order == "name":
            names.sort()
        elif plan.order == "random":
            random.Random(self.run.folder.name).shuffle(names)
        canaries = [] if self.canaries_passed else names[: plan.canary]
        sizes = Counter(self.groups.values())
        self.scheduler = Scheduler(
            names,
            canaries=canaries,
            window=HostCount.parse(plan.window).resolve(total, minimum=1),
            max_fail=HostCount.parse(plan.max_fail).resolve(total),
            broken=sum(map(self.run.counts_against_budget, self.hosts)),
            groups=self.groups,
            share={
                group: HostCount.parse(plan.share).resolve(size, minimum=1)
                for group, size in sizes.items()
            },
        )
        self.context.events.emit(
            "",
            "scheduled",
            order=self.scheduler.waiting,
            canaries=canaries,
            window=self.scheduler.window,
            max_fail=self.scheduler.max_fail,
            broken=self.scheduler.broken,
            total=total,
        )
        if names and not self.serving.begin(names):
            self.scheduler.stop("serving")

    def _run_window(self) -> None:
        """Start hosts as others end, until none is left or no more may start."""
        has_gate = bool(self.scheduler.canaries) and (self.plan.pause or self.plan.confirm)
        while not self.scheduler.is_done:
            if has_gate and not self.scheduler.canaries and not self.scheduler.stopped:
                has_gate = False
                self._approval_gate()
                continue
            self.host_ended.clear()
            is_waiting = self._start_hosts()
            if not self.scheduler.is_done:
                self.host_ended.wait(LOOK_INTERVAL_S if is_waiting else None)

    def _start_hosts(self) -> bool:
        """Start the hosts that may start now, and return whether others wait for endpoints."""
        held: set[str] = set()
        while name := self.scheduler.next_host(held):
            if self.session.leaves_out(self.hosts[name]):
                self.scheduler.drop(name)
            elif not self.serving.may_start(name, self.scheduler.running):
                held.add(name)
            elif not self.scheduler.stopped:  # it may have been since the look began
                self.scheduler.mark_started(name)
                self.greenlets[name] = gevent.spawn(self._roll_out_host, self.hosts[name])
        if not self.scheduler.stopped and self.serving.give_up(held, self.scheduler.running):
            self.scheduler.stop("serving")
        return bool(held)

    def _approval_gate(self) -> None:
        """Wait between the canaries and the other hosts, and ask the operator."""
        if self.plan.pause:
            self.context.events.emit("", "pause", seconds=self.plan.pause)
            self.stopping.wait(self.plan.pause)
        if self.plan.confirm and not self.stopping.is_set():
            remaining = len(self.scheduler.waiting)
            question = _(
                "The canaries passed. Continue with the other {count} hosts?",
                count=remaining,
            )
            self._ask(question)

    def _review_gate(self) -> None:
        """Show the operator what is to be done, and ask, before the first host starts."""
        if not self.review or not self.scheduler.waiting or self.scheduler.stopped:
            return
        *lines, question = self.review(derive_from_journal(self.run.folder))
        for line in lines:
            click.echo(line, err=True)
        if not self.plan.yes:
            self._ask(question)

    def _ask(self, question: str) -> None:
        """Ask the operator; without approval no more hosts start."""
        self.context.events.emit("", "asked", question=question)
        approved = ask_operator(question, self.stopping)
        self.context.events.emit("", "answered", approved=approved)
        if not approved and not self.stopping.is_set():
            self.scheduler.stop("declined")

    # work

    def _roll_out_host(self, host: Host) -> None:
        """Roll a host out, between its two hooks."""
        emit_event(host, "begin", canary=host.name in self.scheduler.canaries)
        try:
            if self._run_hook(host, self.plan.before):
                try:
                    self.host_rollout.apply(host)
                finally:
                    self._run_hook(host, self.plan.after, self.host_rollout.status(host))
        finally:
            passed = self.host_rollout.status(host) == self.host_rollout.passed_status
            emit_event(host, "done", passed=passed)
            broken = self.run.counts_against_budget(host.name)
            self.scheduler.mark_ended(host.name, passed=passed, broken=broken)
            self.host_ended.set()

    def _run_hook(self, host: Host, command: str, status: str = "") -> bool:
        if not command:
            return True
        data = host.data.dict()
        releases = {key: host.data.get(key) for key in ("release", "releases")}
        variables = hooks.build_environment(host.name, {**data, **releases}, status)
        failure = hooks.run_hook(command, variables, self.plan.hook_timeout)
        return failure is None or fail_host(host, failure, "hook")

    # stop

    def _on_stop_requested(self) -> None:
        """Start no more hosts: something has stopped the run."""
        self.scheduler.stop("interrupted")
        self.stopping.set()
        self.host_ended.set()

    def _on_signal(self, number: int) -> None:
        """Start no more hosts; at the second signal, or at SIGTERM, stop those at work too."""
        if not self.signals.is_new_request(number):
            return
        self.stop_requests += 1
        self.scheduler.stop("interrupted")
        self.stopping.set()
        now = self.stop_requests > 1 or number == signal.SIGTERM or not self.scheduler.running
        self.context.events.emit("", "interrupted", now=now)
        if now:
            interrupts.leave_steps(self.context.stop, self.greenlets.values())
        self.host_ended.set()
