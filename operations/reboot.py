"""A reboot that is believed only when the host's boot identity has changed."""

from __future__ import annotations

import time
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.release.target import ReleaseTarget
from operations.host import connection, sudo
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.lock import LEASE_S, audit_identity, held_lock
from operations.host.probe import invalidate_facts, probe_host
from operations.host.scripts import script_command
from operations.transfer.prefetch import prefetches

#: seconds in which the old boot may still answer before the order is given once more
SECOND_ORDER_AFTER_S = 60


class Reboot(HostCommand):
    """Reboots a host, and confirms the reboot by comparing boot ids."""

    def __init__(self, reason: str, old_boot_id: str, target: ReleaseTarget, timeout: int) -> None:
        """Prepare the command.

        Args:
            reason: why the host is rebooted
            old_boot_id: of the boot that is to end
            target: the release that the host is probed for afterwards
            timeout: seconds until the host counts as lost
        """
        super().__init__(f"reboot: {reason}")
        self.target: ReleaseTarget = target
        self.reason, self.old_boot_id, self.timeout = reason, old_boot_id, timeout

    @property
    @override
    def summary(self) -> str:
        return self.reason

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        with prefetches(host).paused(host):
            return self._reboot(host, arguments)

    def _reboot(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        lock = held_lock(host)
        if lock is None:
            raise RuntimeError("a reboot needs the host's lock")
        logger.info(f"{host.print_prefix}rebooting ({self.reason}), up to {self.timeout} s")
        started = time.monotonic()
        # there is no heartbeat while it is down, and it must not look free
        lock.acquire(host, lease=self.timeout + SECOND_ORDER_AFTER_S)
        lock.stop_heartbeat()
        order = script_command("reboot", identity=audit_identity(host, self.stage, self.title))
        orders, same = 0, False

        # a host that has little time gets its second order early enough to follow it
        ignored = min(SECOND_ORDER_AFTER_S, self.timeout / 2)

        def give() -> None:
            nonlocal orders
            orders += 1
            host.run_shell_command(order, **arguments)

        def rebooted() -> bool:
            nonlocal same
            invalidate_facts(host)
            if sudo.provide_password(host):
                return False
            seen = probe_host(host, self.target)
            same = isinstance(seen, HostFacts) and seen.boot_id == self.old_boot_id
            if same and orders == 1 and time.monotonic() - started > ignored:
                give()
            return isinstance(seen, HostFacts) and not same

        give()
        if not connection.reconnect(host, self.timeout, rebooted):
            found = "the host answers, but from the same boot" if same else "no answer"
            return Failure("REBOOT_TIMED_OUT", f"{found} after {self.timeout} s")
        logger.info(f"{host.print_prefix}back after {time.monotonic() - started:.0f} s")
        lock.acquire(host, LEASE_S)
        ok, _ = connection.run_command(host, script_command("settle"), arguments)
        invalidate_facts(host)
        return None if ok else Failure("REBOOT_TIMED_OUT", "docker is not up")
