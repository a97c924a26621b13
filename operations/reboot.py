"""A reboot that is believed only when the host's boot identity has changed."""

from __future__ import annotations

import time
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from fleet.errors import Failure
from fleet.release.target import ReleaseTarget
from operations.host import connection, sudo
from operations.host.facts import HostFacts
from operations.host.failures import fail_host, isolate_failures
from operations.host.lock import LEASE_S, audit_identity, held_lock
from operations.host.probe import invalidate_facts, probe_host
from operations.host.scripts import script_command
from operations.transfer import prefetch

#: seconds in which the old boot may still answer before the order is given once more
SECOND_ORDER_AFTER_S = 60


class Reboot(PyinfraCommand):
    """:param timeout: seconds until the host counts as lost"""

    def __init__(self, reason: str, old_boot_id: str, target: ReleaseTarget, timeout: int) -> None:
        super().__init__()
        self.reason, self.old_boot_id, self.target, self.timeout = (
            reason,
            old_boot_id,
            target,
            timeout,
        )
        self.stage = ""

    @override
    def __repr__(self) -> str:
        return f"Reboot({self.reason})"

    @override
    @isolate_failures
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        with prefetch.paused(host):
            return self._reboot(host, connector_arguments)

    def _reboot(self, host: Host, connector_arguments: Any) -> bool:
        lock = held_lock(host)
        if lock is None:
            raise RuntimeError("a reboot needs the host's lock")
        logger.info(f"{host.print_prefix}rebooting ({self.reason}), up to {self.timeout} s")
        started = time.monotonic()
        # nobody beats while it is down, and nobody may think it free
        lock.acquire(host, lease=self.timeout + SECOND_ORDER_AFTER_S)
        lock.stop_heartbeat()
        order = script_command(
            "reboot", identity=audit_identity(host, self.stage, f"reboot: {self.reason}")
        )
        orders, same = 0, False

        # a host that has little time gets its second order early enough to follow it
        ignored = min(SECOND_ORDER_AFTER_S, self.timeout / 2)

        def give() -> None:
            nonlocal orders
            orders += 1
            host.run_shell_command(order, **connector_arguments)

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
            return fail_host(
                host, Failure("REBOOT_TIMED_OUT", f"{found} after {self.timeout} s"), self.stage
            )
        logger.info(f"{host.print_prefix}back after {time.monotonic() - started:.0f} s")
        lock.acquire(host, LEASE_S)
        ok, _ = connection.run_command(host, script_command("settle"), connector_arguments)
        invalidate_facts(host)
        return ok or fail_host(host, Failure("REBOOT_TIMED_OUT", "docker is not up"), self.stage)
