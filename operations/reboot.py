"""A reboot that is believed only when the host's boot identity has changed."""

from __future__ import annotations

import logging
import time
from typing import Any

import gevent
from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from fleet.failures import Failure
from fleet.wanted import Wanted
from operations import connection, sudo
from operations.observe import forget, observe
from operations.scripts import script
from operations.stage import alone, fail

# a host that is going down breaks handshakes, which paramiko would print as tracebacks
logging.getLogger("paramiko").addHandler(logging.NullHandler())

#: seconds between two attempts to connect
INTERVAL = 2


class Reboot(PyinfraCommand):
    """:param timeout: seconds until the host counts as lost"""

    def __init__(self, why: str, boot: str, wanted: Wanted, timeout: int) -> None:
        super().__init__()
        self.why, self.boot, self.wanted, self.timeout = why, boot, wanted, timeout

    @override
    def __repr__(self) -> str:
        return f"Reboot({self.why})"

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        logger.info(f"{host.print_prefix}rebooting ({self.why}), up to {self.timeout} s")
        started = time.monotonic()
        host.run_shell_command(script("reboot"), **connector_arguments)
        while time.monotonic() - started < self.timeout:
            gevent.sleep(INTERVAL)
            self._leave(host)
            host.connect(show_errors=False)
            if not host.connected:
                continue
            forget(host)
            try:
                connection.prepare(host)
                sudo.prepare(host)
                seen = observe(host, self.wanted)
            except Exception as error:  # a host that is going down fails in many ways
                logger.debug(f"{host.name}: {error}")
                continue
            if seen and seen.boot != self.boot:
                took = time.monotonic() - started
                logger.info(f"{host.print_prefix}back after {took:.0f} s")
                ok, _ = host.run_shell_command(script("settle"), **connector_arguments)
                forget(host)
                return bool(ok) or fail(host, Failure("REBOOT_TIMED_OUT", "docker is not up"))
        return fail(host, Failure("REBOOT_TIMED_OUT", f"{self.timeout} s have passed"))

    def _leave(self, host: Host) -> None:
        """Drop the connection without the callbacks and commands of a real disconnect."""
        client = getattr(host.connector, "client", None)
        if client is not None:
            client.close()
        host.connected = False
        for key in [k for k in host.connector_data if "askpass" in k]:
            del host.connector_data[key]
        if host.data.get("sudo_password_file"):
            host.data._sudo_password = None
