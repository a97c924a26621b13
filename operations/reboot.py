"""A reboot that is confirmed by the host's boot id."""

from __future__ import annotations

import time
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _
from fleet.release.target import HostTarget
from operations.host import connection, sudo
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.lock import LEASE_S, audit_identity, held_lock
from operations.host.probe import invalidate_facts, probe_host
from operations.host.scripts import script_command
from operations.transfer.prefetch import prefetches

#: seconds in which the old boot may still answer before the reboot is ordered once more
SECOND_ORDER_AFTER_S = 60


class Reboot(HostCommand):
    """Reboots a host and waits until it answers from another boot."""

    def __init__(self, reason: str, old_boot_id: str, target: HostTarget, timeout: int) -> None:
        """Prepare the reboot.

        Args:
            reason: Why it is needed, as the operator reads it.
            old_boot_id: Boot id of the host before the reboot.
            target: The desired state of the host, for its probe.
            timeout: Seconds after which the host counts as lost.
        """
        super().__init__(_("reboot: {reason}", reason=reason))
        self.reason, self.old_boot_id, self.timeout = reason, old_boot_id, timeout
        self.host_target = target

    @property
    @override
    def summary(self) -> str:
        """Why the host is rebooted."""
        return self.reason

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        with prefetches(host).paused(host):
            return self._reboot(host, arguments)

    def _reboot(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        lock = held_lock(host)
        if lock is None:
            raise RuntimeError("a reboot needs the host's lock")
        logger.info(
            host.print_prefix
            + _(
                "rebooting ({reason}), up to {timeout} s",
                reason=self.reason,
                timeout=self.timeout,
            )
        )
        # no heartbeat is possible while the host is down, and the lock must not expire
        lock.acquire(host, lease=self.timeout + SECOND_ORDER_AFTER_S)
        lock.stop_heartbeat()
        attempt = _RebootAttempt(self, host, arguments)
        attempt.order()
        if not connection.reconnect(host, self.timeout, attempt.has_rebooted):
            sentence = _("no answer after {seconds} s", seconds=self.timeout)
            if attempt.same_boot:
                sentence = _(
                    "the host answers, but from the same boot after {seconds} s",
                    seconds=self.timeout,
                )
            return Failure("REBOOT_TIMED_OUT", sentence)
        logger.info(
            host.print_prefix
            + _(
                "back after {elapsed:.0f} s",
                elapsed=attempt.elapsed,
            )
        )
        lock.acquire(host, LEASE_S)
        ok, _output = connection.run_command(host, script_command("wait-for-boot"), arguments)
        invalidate_facts(host)
        return None if ok else Failure("REBOOT_TIMED_OUT", _("docker is not up"))


class _RebootAttempt:
    """Orders the reboot of one host, twice if the first order has no effect."""

    def __init__(self, reboot: Reboot, host: Host, arguments: Any) -> None:
        self.reboot, self.host, self.arguments = reboot, host, arguments
        self.started, self.orders, self.same_boot = time.monotonic(), 0, False
        # with a short limit, early enough for the host to follow the second order
        self.second_order_after = min(SECOND_ORDER_AFTER_S, reboot.timeout / 2)

    @property
    def elapsed(self) -> float:
        """Seconds since the first order."""
        return time.monotonic() - self.started

    def order(self) -> None:
        self.orders += 1
        identity = audit_identity(self.host, self.reboot.stage, self.reboot.title)
        command = script_command("reboot", identity=identity)
        self.host.run_shell_command(command, **self.arguments)

    def has_rebooted(self) -> bool:
        """Probe the host, which was just reconnected to; order the reboot again if need be."""
        invalidate_facts(self.host)
        if sudo.provide_password(self.host):
            return False
        facts = probe_host(self.host, self.reboot.host_target)
        answers = isinstance(facts, HostFacts)
        self.same_boot = isinstance(facts, HostFacts) and facts.boot_id == self.reboot.old_boot_id
        if self.same_boot and self.orders == 1 and self.elapsed > self.second_order_after:
            self.order()
        return answers and not self.same_boot
