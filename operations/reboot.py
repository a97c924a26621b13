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
from fleet.release.target import Wanted
from operations.host import connection, sudo
from operations.host.facts import HostState
from operations.host.failures import alone, fail
from operations.host.lock import LEASE, held, who
from operations.host.probe import forget, observe
from operations.host.scripts import script
from operations.transfer import prefetch

#: seconds in which the old boot may still answer before the order is given once more
IGNORED = 60


class Reboot(PyinfraCommand):
    """:param timeout: seconds until the host counts as lost"""

    def __init__(self, why: str, boot: str, wanted: Wanted, timeout: int) -> None:
        super().__init__()
        self.why, self.boot, self.wanted, self.timeout = why, boot, wanted, timeout
        self.stage = ""

    @override
    def __repr__(self) -> str:
        return f"Reboot({self.why})"

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        with prefetch.grounded(host):
            return self._rebooted(host, connector_arguments)

    def _rebooted(self, host: Host, connector_arguments: Any) -> bool:
        lock = held(host)
        if lock is None:
            raise RuntimeError("a reboot needs the host's lock")
        logger.info(f"{host.print_prefix}rebooting ({self.why}), up to {self.timeout} s")
        started = time.monotonic()
        # nobody beats while it is down, and nobody may think it free
        lock.acquire(host, lease=self.timeout + IGNORED)
        lock.rest()
        order = script("reboot", who=who(host, self.stage, f"reboot: {self.why}"))
        orders, same = 0, False

        # a host that has little time gets its second order early enough to follow it
        ignored = min(IGNORED, self.timeout / 2)

        def give() -> None:
            nonlocal orders
            orders += 1
            host.run_shell_command(order, **connector_arguments)

        def rebooted() -> bool:
            nonlocal same
            forget(host)
            if sudo.prepare(host):
                return False
            seen = observe(host, self.wanted)
            same = isinstance(seen, HostState) and seen.boot == self.boot
            if same and orders == 1 and time.monotonic() - started > ignored:
                give()
            return isinstance(seen, HostState) and not same

        give()
        if not connection.back(host, self.timeout, rebooted):
            found = "the host answers, but from the same boot" if same else "no answer"
            return fail(
                host, Failure("REBOOT_TIMED_OUT", f"{found} after {self.timeout} s"), self.stage
            )
        logger.info(f"{host.print_prefix}back after {time.monotonic() - started:.0f} s")
        lock.acquire(host, LEASE)
        ok, _ = connection.shell(host, script("settle"), connector_arguments)
        forget(host)
        return ok or fail(host, Failure("REBOOT_TIMED_OUT", "docker is not up"), self.stage)
