"""Takes a plan to a fleet: look at every host, canaries, a sliding window, proof, the way back."""

from __future__ import annotations

import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import click
import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from pyinfra.api import Host

from fleet.errors import Failure, InvalidInput
from fleet.text import suggestions
from mlufleet.journal import journal
from mlufleet.report import derive
from mlufleet.rollout import hooks, rollback
from mlufleet.rollout.host_count import HostCount
from mlufleet.rollout.host_rollout import HostRollout
from mlufleet.rollout.plan import Plan
from mlufleet.rollout.scheduler import Scheduler
from mlufleet.rollout.session import Session
from mlufleet.run import interrupts
from operations.host import events
from operations.host import limits as host_limits
from operations.host.facts import HostFacts
from operations.host.failures import fail_host

#: hosts that are looked at together
PROBE_CONCURRENCY = 100
#: what a host that passed has come to
PASSED_STATUS = {"rollout": "ok", "rollback": "rolled back"}


class RolloutCoordinator:
    """One rollout.

    :param resumes: the run that it goes on with
    :param proved: that run's canaries have passed
    :raises InvalidInput: before the first connection
    """

    def __init__(self, plan: Plan, why: str, *, resumes: str = "", proved: bool = False) -> None:
        self.plan, self.proved = plan, proved
        self.session = Session(plan.inventory, plan.limit, plan.data, plan.exclude)
        self.hosts = {host.name: host for host in self.session.hosts}
        self.groups = self._hosts_to_groups()
        self.run = self.session.begin_run(why)
        self.host_rollout = HostRollout(self.session)
        self.pending_hosts: set[str] = set()
        self.scheduler = Scheduler([])
        self.greenlets: dict[str, gevent.Greenlet] = {}
        self.changed, self.stopping = Event(), Event()
        self.interrupts, self.requests = 0, interrupts.StopRequests()
        self.run.record_event("rollout", plan=plan.model_dump(mode="json"), resumes=resumes)

    def _hosts_to_groups(self) -> dict[str, str]:
        key = self.plan.share_of
        if not key:
            return {}
        found = {
            name: str(host.data.get(key))
            for name, host in self.hosts.items()
            if host.data.get(key) is not None
        }
        if not found:
            known = dict.fromkeys(k for host in self.hosts.values() for k in host.data.dict())  # type: ignore[no-untyped-call]
            hint = suggestions.format_suggestions(key, known)
            raise InvalidInput(f"{self.plan.inventory}: no host has `{key}` in its data{hint}")
        return found

    def roll_out(self) -> dict[str, Any]:
        """Roll out, and return the report."""
        events.halting.append(self._on_stop_requested)
        for number in interrupts.stop_signals():
            gevent.signal_handler(number, self._on_signal, number)
        # one is left for what a stage waits for: a driver's package is behind no image
        limits = {
            "upload": self.plan.uploads,
            "upload ahead": self.plan.uploads - 1,
            "load": self.plan.loads,
        }
        host_limits.places.update({resource: BoundedSemaphore(n) for resource, n in limits.items()})
        try:
            self._probe_all()
            if not self.stopping.is_set():
                self._schedule()
                self._run_batches()
        finally:
            gevent.joinall(list(self.greenlets.values()))
            self.run.record_event(
                "end",
                interrupted=self.interrupts > 0 or self.run.interrupted,
                stopped=self.scheduler.stopped,
            )
            events.halting.remove(self._on_stop_requested)
        return derive.write_report(self.run.folder)

    # look

    def _probe_all(self) -> None:
        """Look at every host: who is right needs nothing more, who is broken counts."""
        events.emit("", "survey", hosts=len(self.hosts))
        pool = Pool(min(PROBE_CONCURRENCY, len(self.hosts)))
        for host in self.session.hosts:
            self.greenlets[host.name] = pool.spawn(self._probe_host, host)
        gevent.joinall(list(self.greenlets.values()))
        self.greenlets.clear()

    def _probe_host(self, host: Host) -> None:
        with self.session.connected(host) as there:
            if not there:
                return
            look = self.session.assess_and_record(host)
            if isinstance(look.facts, Failure):  # told: nothing is known of the host
                return
            if self.plan.kind == "rollback" or look.drift:
                path, why = rollback.find_target(host, look, self.run.folder / "back")
                self.host_rollout.set_rollback_target(host, path, why)
            if self.plan.kind == "rollback" and not self.host_rollout.switch_to_rollback(host):
                return
            if self.plan.kind == "rollback":
                look = self.session.assess_and_record(host)
            if look.refusal and isinstance(look.facts, HostFacts):
                stage, failure = look.refusal
                fail_host(host, failure, stage)
            elif look.drift and isinstance(look.facts, HostFacts):
                self.pending_hosts.add(host.name)

    # schedule

    def _schedule(self) -> None:
        plan, total = self.plan, len(self.hosts)
        names = [name for name in self.hosts if name in self.pending_hosts]
        if plan.order == "name":
            names.sort()
        elif plan.order == "random":
            random.Random(self.run.folder.name).shuffle(names)
        canaries = [] if self.proved else names[: plan.canary]
        sizes = Counter(self.groups.values())
        self.scheduler = Scheduler(
            names,
            canaries=canaries,
            window=HostCount.parse(plan.window).resolve_at_least_one(total),
            max_fail=HostCount.parse(plan.max_fail).resolve(total),
            broken=sum(map(self.run.counts_against_budget, self.hosts)),
            groups=self.groups,
            share={
                g: HostCount.parse(plan.share).resolve_at_least_one(n) for g, n in sizes.items()
            },
        )
        events.emit(
            "",
            "scheduled",
            order=self.scheduler.waiting,
            canaries=canaries,
            window=self.scheduler.window,
            max_fail=self.scheduler.max_fail,
            broken=self.scheduler.broken,
            total=total,
        )

    def _run_batches(self) -> None:
        """Start hosts as others end, until none is left or no more may start."""
        gate = bool(self.scheduler.canaries) and (self.plan.pause or self.plan.confirm)
        while not self.scheduler.is_done:
            if gate and not self.scheduler.canaries and not self.scheduler.stopped:
                gate = False
                self._approval_gate()
                continue
            while name := self.scheduler.next_host():
                self.scheduler.mark_started(name)
                self.greenlets[name] = gevent.spawn(self._roll_out_host, self.hosts[name])
            self.changed.wait()
            self.changed.clear()

    def _approval_gate(self) -> None:
        """Between the canaries and the rest: wait, and ask."""
        if self.plan.pause:
            events.emit("", "pause", seconds=self.plan.pause)
            self.stopping.wait(self.plan.pause)
        if self.plan.confirm and not self.stopping.is_set():
            left = len(self.scheduler.waiting)
            question = f"The canaries passed. Go on with the other {left} hosts?"
            asked = gevent.get_hub().threadpool.spawn(click.confirm, question, err=True)
            gevent.wait([asked, self.stopping], count=1)
            if not self.stopping.is_set() and not asked.get():
                self.scheduler.stop("declined")

    # work

    def _roll_out_host(self, host: Host) -> None:
        """One host, from its hook before to its hook after."""
        events.emit(host.name, "begin", canary=host.name in self.scheduler.canaries)
        try:
            if self._run_hook(host, self.plan.before):
                try:
                    self.host_rollout.apply(host, self.plan.kind)
                finally:
                    self._run_hook(host, self.plan.after, self._status(host))
        finally:
            passed = self._status(host) == PASSED_STATUS[self.plan.kind]
            events.emit(host.name, "done", passed=passed)
            broken = self.run.counts_against_budget(host.name)
            self.scheduler.mark_ended(host.name, passed=passed, broken=broken)
            self.changed.set()

    def _status(self, host: Host) -> str:
        if self.run.has_failed(host.name):
            return "failed"
        return "rolled back" if host.name in self.run.rolled_back else "ok"

    def _run_hook(self, host: Host, command: str, status: str = "") -> bool:
        if not command:
            return True
        data = host.data.dict()  # type: ignore[no-untyped-call]
        wants = {key: host.data.get(key) for key in ("release", "releases")}
        given = hooks.build_environment(host.name, {**data, **wants}, status)
        failure = hooks.run_hook(command, given, self.plan.hook_timeout)
        return failure is None or fail_host(host, failure, "hook")

    # stop

    def _on_stop_requested(self) -> None:
        """No host may do anything more: none is begun."""
        self.scheduler.stop("interrupted")
        self.stopping.set()
        self.changed.set()

    def _on_signal(self, number: int) -> None:
        """Once: no host starts any more. Twice, or SIGTERM: those at work are left at once."""
        if not self.requests.is_new_request(number):
            return
        self.interrupts += 1
        self.scheduler.stop("interrupted")
        self.stopping.set()
        now = self.interrupts > 1 or number == signal.SIGTERM or not self.scheduler.running
        events.emit("", "interrupted", now=now)
        if now:
            events.request_stop()
            for greenlet in list(self.greenlets.values()):
                greenlet.kill(block=False)
        self.changed.set()


def find_resumable_run(runs: Path, name: str = "") -> Path:
    """The folder of a rollout that was stopped, by name or the last one.

    :raises InvalidInput: there is none
    """
    folders = [runs / name] if name else sorted(runs.glob("2*"), reverse=True)
    for folder in folders:
        if (folder / "journal.jsonl").is_file() and journal.has_event(folder, "rollout"):
            return folder
    others = (path.parent.name for path in sorted(runs.glob("2*/journal.jsonl"), reverse=True))
    near = suggestions.format_suggestions(name, others) if name else ""
    raise InvalidInput(f"{runs / name}: no rollout to resume{near}")
