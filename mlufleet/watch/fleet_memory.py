"""The fleet as the watch knows it, for the threads that show it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mlufleet.watch import clock, tracking
from mlufleet.watch.decision import OFF
from mlufleet.watch.observation import Observation
from mlufleet.watch.problems import HostState
from mlufleet.watch.snapshot import FleetSnapshot, HostSnapshot, LookTotals

if TYPE_CHECKING:
    from fleet.quarantine import Quarantine

#: what a store has of a host: the last look that probed it, and the last look
Looks = tuple[Observation | None, Observation | None]


class FleetMemory:
    """What is known of each host; methods can be called by any thread.

    Args:
        inventory: File of the inventory.
        every_s: Seconds between two looks at a host.
        states: What was known of hosts when the watch began.
        looks: The last looks at them.
        read_clock: Returns seconds since the epoch.
    """

    def __init__(
        self,
        inventory: str,
        every_s: float,
        states: Mapping[str, HostState],
        looks: Mapping[str, Looks],
        read_clock: Callable[[], float] = time.time,
    ) -> None:
        self._lock, self._read_clock = threading.Lock(), read_clock
        #: also of hosts that the inventory has not, or not at present
        self._known = {
            name: HostSnapshot(
                name, (), states.get(name, HostState()), *looks.get(name, (None, None))
            )
            for name in {**states, **looks}
        }
        self._marks: Mapping[str, Quarantine] = {}
        self._fleet = FleetSnapshot(0.0, round(read_clock(), 3), inventory, every_s)

    def set_hosts(
        self, hosts: Mapping[str, list[str]], modes: Mapping[str, str] | None = None
    ) -> None:
        """Take the hosts of the inventory; what is known of them stays known.

        Args:
            hosts: Host -> groups, in the order of the inventory.
            modes: Host -> its `remediate`, of hosts that may be mended.
        """
        with self._lock:
            self._known.update(self._fleet.hosts)
            found = {
                name: replace(
                    self._known.get(name) or HostSnapshot(name),
                    groups=tuple(groups),
                    remediate=(modes or {}).get(name, OFF),
                    quarantine=self._marks.get(name),
                )
                for name, groups in hosts.items()
            }
            self._fleet = replace(self._fleet, hosts=found)

    def set_quarantines(self, marks: Mapping[str, Quarantine]) -> None:
        """Take which hosts are out of service.

        Args:
            marks: Name of each of them -> its quarantine.
        """
        with self._lock:
            if marks == self._marks:  # as nearly always: a large fleet is not copied for nothing
                return
            self._marks = dict(marks)
            found = {
                name: replace(host, quarantine=self._marks.get(name))
                for name, host in self._fleet.hosts.items()
            }
            self._fleet = replace(self._fleet, hosts=found)

    def find_host(self, name: str) -> HostSnapshot | None:
        """Return what is known of a host; None if it is not watched.

        Args:
            name: Name of the host.
        """
        with self._lock:
            return self._fleet.hosts.get(name)

    def record(self, observation: Observation, state: HostState) -> None:
        """Take what a look brought.

        Args:
            observation: The look.
            state: What is known of the host after it.
        """
        with self._lock:
            before = self._fleet.hosts[observation.host]
            probed = observation if observation.was_probed else before.probed
            after = replace(before, state=state, probed=probed, last=observation)
            totals = self._fleet.looks.get(observation.outcome, LookTotals())
            totals = LookTotals(
                totals.count + 1, totals.seconds + max(0.0, observation.ended - observation.began)
            )
            self._fleet = replace(
                self._fleet,
                hosts={**self._fleet.hosts, observation.host: after},
                looks={**self._fleet.looks, observation.outcome: totals},
            )

    def set_back(self, now: float, by: float) -> None:
        """Leave no time in the future: the clock was ahead.

        Args:
            now: The time by the clock as it is.
            by: How far it was ahead.
        """
        with self._lock:
            fleet = self._fleet
            self._fleet = replace(
                fleet,
                started=clock.set_back(fleet.started, now, by),
                hosts={name: _set_back(one, now, by) for name, one in fleet.hosts.items()},
            )
            self._known = {name: _set_back(one, now, by) for name, one in self._known.items()}

    def set_reload_error(self, reason: str) -> None:
        """Note why inventory or releases could not be read anew.

        Args:
            reason: Why; empty for nothing.
        """
        with self._lock:
            self._fleet = replace(self._fleet, reload_error=reason)

    def take_snapshot(
        self, store_error: str = "", notice_errors: Mapping[str, str] | None = None
    ) -> FleetSnapshot:
        """Return all of it, as it is now.

        Args:
            store_error: Why the history cannot be written; empty for nothing.
            notice_errors: Receiver of notices -> why it did not take the last one.
        """
        with self._lock:
            return replace(
                self._fleet,
                taken=round(self._read_clock(), 3),
                store_error=store_error,
                notice_errors=dict(notice_errors or {}),
            )


def _set_back(host: HostSnapshot, now: float, by: float) -> HostSnapshot:
    return replace(
        host,
        state=tracking.set_back(host.state, now, by),
        probed=_set_look_back(host.probed, now, by),
        last=_set_look_back(host.last, now, by),
    )


def _set_look_back(look: Observation | None, now: float, by: float) -> Observation | None:
    if look is None or look.ended <= now:
        return look
    ended = clock.set_back(look.ended, now, by)
    return replace(look, began=min(ended, clock.set_back(look.began, now, by)), ended=ended)
