"""What a service manager wants to hear of a service: sd_notify(3), without its library."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress


class ServiceManager:
    """The service manager that started this process; without one, nothing is told.

    Attributes:
        watchdog_s: Seconds within which it wants to hear of this process; 0 for never.
    """

    def __init__(self) -> None:
        address = os.environ.pop("NOTIFY_SOCKET", "")  # no child is to speak for this process
        self._address = "\0" + address[1:] if address.startswith("@") else address
        given = os.environ.pop("WATCHDOG_USEC", "")
        pid = os.environ.pop("WATCHDOG_PID", str(os.getpid()))
        is_meant = given.isdigit() and pid == str(os.getpid())
        self.watchdog_s = int(given) / 1e6 if is_meant else 0.0
        self._last = 0.0

    def tell(self, *lines: str) -> None:
        """Tell something.

        Args:
            lines: Assignments, such as "READY=1".
        """
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto("\n".join(lines).encode(), self._address)

    def tell_reloading(self) -> None:
        """Tell that the configuration is read anew; "READY=1" ends that."""
        now_us = int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6)
        self.tell("RELOADING=1", f"MONOTONIC_USEC={now_us}")

    def tell_alive(self) -> None:
        """Tell that this process works, if that was not told lately."""
        now = time.monotonic()
        if self.watchdog_s and now - self._last >= self.watchdog_s / 4:
            self._last = now
            self.tell("WATCHDOG=1")
