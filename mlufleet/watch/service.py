"""The watch itself: who is looked at when, and where what was seen goes."""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import FrameType

from fleet.errors import ExitStatus
from fleet.language import _
from mlufleet.run.interrupts import StopRequests
from mlufleet.watch import recent_runs, tracking
from mlufleet.watch.clock import WatchClock
from mlufleet.watch.fleet_memory import FleetMemory
from mlufleet.watch.look_child import END_LIMIT_S, Said
from mlufleet.watch.look_client import LookClient
from mlufleet.watch.look_messages import Ready
from mlufleet.watch.notices.delivery import Notifier
from mlufleet.watch.observation import Observation
from mlufleet.watch.operator_lines import OperatorLines, warn
from mlufleet.watch.problems import OK, RECURRED, SEEN_ONCE, UNKNOWN, Change
from mlufleet.watch.quarantine_marks import QuarantineMarks
from mlufleet.watch.remediation.remediator import Remediator
from mlufleet.watch.schedule import Schedule, choose_round_interval
from mlufleet.watch.service_manager import ServiceManager
from mlufleet.watch.snapshot import FleetSnapshot
from mlufleet.watch.store import Store

#: seconds between two turns of the loop in which nothing happens
IDLE_S = 1.0
#: seconds between two removals of what is older than the store keeps
PRUNE_INTERVAL_S = 86400.0
#: seconds that a run which mends a host has to end its step when the watch ends
MEND_END_LIMIT_S = 600.0
#: seconds without a turn of the loop after which the watch is not well
STALL_S = 60.0


@dataclass(frozen=True)
class WatchSettings:
    """What a watch is told.

    Attributes:
        inventory: File of the inventory.
        every_s: Seconds between two looks at a host.
        keep_days: Days for which looks and changes are kept.
        once: Whether to end after one look at each host.
        look_command: Starts a look process.
    """

    inventory: str
    every_s: float
    keep_days: float
    look_command: Sequence[str]
    once: bool = False


@dataclass
class Watch:
    """A watch over the hosts of an inventory.

    Args:
        settings: What it is told.
        store: Keeps what it sees.
        manager: Who started it.
        notifier: Tells others what changes; None if nobody is told.
        remediator: Mends hosts; None if nothing is mended.
        clock: The time by which it writes.

    Attributes:
        memory: The fleet as it was last seen.
        status: Exit status of a look process that could not begin; 0 for none.
    """

    settings: WatchSettings
    store: Store
    manager: ServiceManager = field(default_factory=ServiceManager)
    notifier: Notifier | None = None
    remediator: Remediator | None = None
    clock: WatchClock = field(default_factory=WatchClock)
    status: int = 0

    def __post_init__(self) -> None:
        settings = self.settings
        self._inbox: queue.SimpleQueue[Said | int] = queue.SimpleQueue()
        self.memory = FleetMemory(
            settings.inventory,
            settings.every_s,
            self.store.load_states(),
            self.store.load_observations(),
            self.clock.now,
        )
        self.marks = (
            self.remediator.marks if self.remediator else QuarantineMarks(settings.inventory)
        )
        self.memory.set_quarantines(self.marks.hosts)
        self._schedule = Schedule(settings.every_s)
        self._looks = LookClient(settings.look_command, self, self._inbox.put)
        self._round_s = choose_round_interval(settings.every_s)
        self._next_round = self._next_prune = self._last_turn = 0.0
        self._left: set[str] | None = None
        self._is_stopping, self._is_ready = False, False
        self._lines = OperatorLines()
        self._stops = StopRequests()
        self._is_hurried = False

    def run(self) -> int:
        """Watch until a signal ends it, or each host was looked at once.

        Returns:
            Exit status of a look process that could not begin, for example because the inventory
            is invalid; 0 for none.
        """
        handled = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            while not (self._is_stopping or self.status or self._left == set()):
                self._take_turn()
            self._finish()
        finally:
            self._looks.close(0)
            for number, handler in handled.items():
                signal.signal(number, handler)
        return self.status

    @property
    def was_cut_short(self) -> bool:
        """Whether a signal has ended it before each host was looked at once, as it was to do."""
        return self._is_stopping and self.settings.once and self._left != set()

    def take_snapshot(self) -> FleetSnapshot:
        """Return the fleet as it was last seen; in any thread."""
        notice_errors = dict(self.notifier.errors) if self.notifier else {}
        snapshot = self.memory.take_snapshot(self.store.error, notice_errors)
        if self.remediator is None:
            return snapshot
        decisions, totals = dict(self.remediator.decisions), dict(self.remediator.totals)
        return replace(snapshot, decisions=decisions, runs=totals, holds=self.remediator.holds)

    def find_trouble(self) -> str:
        """Return why the watch sees nothing at present, for programs; empty if it is well.

        It can be called in any thread.
        """
        if self._last_turn and time.monotonic() - self._last_turn > STALL_S:
            return "the watch hangs"
        return "" if self._looks.is_ready else "no look process is ready"

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGHUP and self._stops.is_new_request(number):
            # at once: what is in the inbox already may be of the same signal in other processes
            self._is_hurried, self._is_stopping = self._is_stopping, True
        self._inbox.put(number)

    def _take_turn(self) -> None:
        """Do what is due, then wait for something to happen."""
        now = self._last_turn = time.monotonic()
        self.manager.tell_alive()
        self._looks.keep_alive()
        self._heed_clock()
        if now >= self._next_prune:
            self._next_prune = now + PRUNE_INTERVAL_S
            self.store.prune(self.clock.now(), self.settings.keep_days * 86400)
        if now >= self._next_round and self._looks.has_room:
            self._next_round = now + (0 if self.settings.once else self._round_s)
            if due := self._schedule.take_due(now):
                self._looks.look(due)
        self._heed_quarantines()
        if self.remediator:
            self.remediator.take_turn(self.take_snapshot())
            self.memory.set_quarantines(self.marks.hosts)
        self._lines.tell_store(self.store, self.notifier)
        self._wait(IDLE_S)

    def _heed_clock(self) -> None:
        """Tell what is wrong with the clock; one that was ahead leaves no time in the future."""
        now = self.clock.now()
        if ahead_s := self.clock.take_step_back():
            self.memory.set_back(now, ahead_s)
            if self.remediator:
                self.remediator.set_back(now, ahead_s)
        for note in self.clock.take_notes():
            warn(note)

    def _heed_quarantines(self) -> None:
        """Take which hosts are out of service, if that has changed."""
        if not self.marks.refresh():
            return
        self.memory.set_quarantines(self.marks.hosts)
        if self.marks.error:
            warn(
                _(
                    "the hosts in quarantine are those that were known before: {error}",
                    error=self.marks.error,
                )
            )

    def _wait(self, seconds: float) -> None:
        """Handle what comes within a time; return with the first of it."""
        with suppress(queue.Empty):
            self._handle(self._inbox.get(timeout=seconds))
            while True:
                self._handle(self._inbox.get_nowait())

    def _handle(self, event: Said | int) -> None:
        if isinstance(event, Said):
            self._looks.handle(event)
        elif event == signal.SIGHUP:
            self.manager.tell_reloading()
            self._looks.reload()

    def _finish(self) -> None:
        """Wait a little for looks that are running, and longer for runs; begin none."""
        self.manager.tell("STOPPING=1")
        if self.remediator:
            self.remediator.ask_to_stop()
        end = time.monotonic() + END_LIMIT_S
        while self._looks.is_looking and time.monotonic() < end:
            self._wait(0.2)
        if self.remediator is None:
            return
        end = time.monotonic() + MEND_END_LIMIT_S
        while self.remediator.is_busy and time.monotonic() < end and not self._is_hurried:
            self._wait(0.2)
            self.remediator.poll()
        self.remediator.close()

    # what the look process brings

    def on_hosts(self, ready: Ready) -> None:
        """Take the hosts that are watched from now on.

        Args:
            ready: The hosts, and what they are to be.
        """
        now, hosts = time.monotonic(), ready.hosts
        self.memory.set_hosts(hosts, ready.modes)
        if self.remediator:
            self.remediator.set_digests(ready.digests)
        self._schedule.set_hosts(hosts, now)
        if self.settings.once and self._left is None:
            self._left = set(hosts)
            self._schedule.make_due(now)
        self._is_ready = True
        self.manager.tell("READY=1", "STATUS=" + _("watches {count} host(s)", count=len(hosts)))

    def on_observation(self, observation: Observation) -> None:
        """Track, store and tell what a look saw.

        Args:
            observation: The look.
        """
        if self._is_stopping and not observation.was_probed:
            return  # a signal may have ended what connects it
        observation = self.clock.place(observation)
        name = observation.host
        if self._left is not None:
            self._left.discard(name)
        host = self.memory.find_host(name)
        if host is None:  # the inventory has lost it meanwhile
            self._schedule.finish(name, time.monotonic())
            return
        run = recent_runs.find_run(host, observation)
        state, changes = tracking.track(
            host.state, observation, run=run, quarantine=host.quarantine
        )
        confirms = tracking.is_unconfirmed(host.state, state)
        self._schedule.finish(name, time.monotonic(), confirms=confirms)
        self.store.record(observation, state, changes)
        self.memory.record(observation, state)
        if self.remediator:
            self.remediator.observe(observation, state)
        if host.state.health == UNKNOWN and state.health == OK:  # as it is to be
            changes = [change for change in changes if change.kind != "health"]
        for change in changes:
            if change.kind != RECURRED:
                self._lines.tell_change(change)
        if self.settings.once:  # nobody may look a second time
            told = {one.problem.key for one in state.open_problems}
            for problem in tracking.list_problems(observation):
                if problem.key not in told:
                    seen = Change(observation.ended, name, SEEN_ONCE, problem, observation.ended)
                    self._lines.tell_change(seen)
        if changes and self.notifier:
            self.notifier.wake()

    def on_dropped(self, host: str) -> None:
        """Look again soon at a host whose look ended for reasons that are not the host's.

        Args:
            host: Name of the host.
        """
        self._schedule.finish(host, time.monotonic(), again_in=IDLE_S)

    def on_trouble(self, text: str) -> None:
        """Tell that a look process has ended; at the start, that ends the watch.

        Args:
            text: Why, and what comes next.
        """
        if self._is_stopping:
            return
        if not self._is_ready and self._looks.status > 0:
            self.status = self._looks.status  # it has said why
            return
        warn(text)
        if self.settings.once:
            self.status = ExitStatus.INTERNAL

    def on_reload(self, error: str) -> None:
        """Tell how reading the inventory anew has ended.

        Args:
            error: Why it is not used; empty if it is.
        """
        self.memory.set_reload_error(error)
        if error:
            warn(
                _(
                    "inventory and releases are not read anew, the older ones stay in use: {error}",
                    error=error,
                )
            )
        else:
            warn(_("inventory and releases were read anew"))
        self.manager.tell("READY=1")
