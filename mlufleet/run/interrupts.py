"""Requests to stop a run: which signals are one, and which of them mean the same request."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gevent import Greenlet

    from operations.host.events import StopRequest

#: Signals that arrive within this time are one request: a service manager signals every process,
#: and `mlufleet` forwards its signals to pyinfra as well.
DUPLICATE_WINDOW_S = 2


def leave_steps(stop: StopRequest, greenlets: Iterable[Greenlet]) -> None:
    """Wait no longer for what runs on hosts, for a signal handler.

    A job goes on on its host; whoever locks the host next waits for it. An upload ends between two
    blocks, as half a packet would end its connection, over which the host's lock is released.

    Args:
        stop: The request to stop, which is made urgent.
        greenlets: Those that work on hosts.
    """
    # imported late: `mlufleet` itself only waits for a run
    import gevent

    from operations.host import events

    stop.request()
    stop.is_urgent = True
    left = list(greenlets)

    def kill() -> None:
        gevent.sleep(events.STOP_GRACE_S)
        for greenlet in left:
            greenlet.kill(block=False)

    gevent.spawn(kill)


def stop_signals() -> list[signal.Signals]:
    """Return the signals that ask a run to stop; without SIGHUP if `nohup` ignores it."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return signals


class StopRequests:
    """Counts requests to stop, each once however many signals bring it.

    Only Ctrl-C may follow quickly with a different meaning: pressed twice, it stops at once.

    Attributes:
        count: Number of requests so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._last_signal_s = -float(DUPLICATE_WINDOW_S)

    def is_new_request(self, number: int) -> bool:
        """Count a signal, and return whether it is a new request.

        Args:
            number: The signal's number.
        """
        now = time.monotonic()
        is_duplicate = (
            self.count > 0
            and number != signal.SIGINT
            and (number == signal.SIGHUP or now - self._last_signal_s < DUPLICATE_WINDOW_S)
        )
        self._last_signal_s = now
        self.count += not is_duplicate
        return not is_duplicate
