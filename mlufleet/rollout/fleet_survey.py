"""Looks at the hosts of an inventory for adoption: several at once, and changes none of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import gevent
from gevent.pool import Pool
from pyinfra.api import Host

from fleet.errors import Failure
from mlufleet.journal.events import RunEnded
from mlufleet.report.derive import write_report
from mlufleet.report.model import Report
from mlufleet.rollout.adoption import plan_adoption
from mlufleet.rollout.session import Session
from mlufleet.run import interrupts
from operations.adoption.findings import Finding
from operations.adoption.survey import survey_host
from operations.host.failures import fail_host

#: hosts that are looked at at the same time
SURVEY_CONCURRENCY = 50


@dataclass(frozen=True)
class HostSurvey:
    """What was found on one host.

    Attributes:
        began: when the look began, in seconds since the epoch.
        ended: when it ended.
        findings: what was found.
    """

    began: float
    ended: float
    findings: list[Finding]


class FleetSurvey:
    """One look at the hosts of an inventory.

    Args:
        session: The hosts.
        command: The command that was given, for the journal.
        stop: Containers of others that adoption may stop.
        on_host_done: Called with the name of each host that was looked at or could not be.

    Attributes:
        names: The hosts.
        hosts: Name of each host that answered -> what was found.
    """

    def __init__(
        self,
        session: Session,
        command: str,
        stop: tuple[str, ...] = (),
        on_host_done: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.session, self.stop, self.on_host_done = session, stop, on_host_done
        self.names = [host.name for host in session.hosts]
        self.run = session.begin_run(command)
        self.run.context.is_read_only = True
        self.hosts: dict[str, HostSurvey] = {}
        self._greenlets: list[gevent.Greenlet] = []
        self._signals = interrupts.StopRequests()

    def look(self) -> Report:
        """Look at every host, and return the report of the run, which is written."""
        for number in interrupts.stop_signals():
            gevent.signal_handler(number, self._on_signal, number)
        pool = Pool(min(SURVEY_CONCURRENCY, max(1, len(self.names))))
        for host in self.session.hosts:
            # one by one, as it waits while the pool is full: a signal has to find those at work
            self._greenlets.append(pool.spawn(self._look_at, host))
        gevent.joinall(self._greenlets)
        self.run.record_event(RunEnded(dry=True, interrupted=self.run.interrupted))
        return write_report(self.run.folder)

    def _look_at(self, host: Host) -> None:
        if self.run.interrupted:
            return
        began = time.time()
        try:
            with self.session.connected(host) as is_connected:
                if not is_connected:
                    return
                plan_adoption(host, self.stop)
                plan = self.session.assess_and_record(host)
                found = survey_host(host, plan)
                if not isinstance(found, Failure):
                    self.hosts[host.name] = HostSurvey(began, time.time(), found)
                elif not isinstance(plan.facts, Failure):  # else it is recorded
                    fail_host(host, found, "survey")
        finally:
            self.on_host_done(host.name)

    def _on_signal(self, number: int) -> None:
        """Stop at once: nothing on a host has to be finished."""
        if self._signals.is_new_request(number):
            self.run.interrupted = True
            self.run.context.stop.request()
            for greenlet in self._greenlets:
                greenlet.kill(block=False)
