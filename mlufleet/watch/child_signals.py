"""Signals and the look process: a terminal or a service manager sends them to all processes.

The watch alone decides what they mean, and ends the look process by the end of its input.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence

#: signals by which people and service managers end or reload a service
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start_blocked(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process that no signal ends before :func:`leave_to_parent`.

    It has a session of its own, so that Ctrl-C in a terminal does not reach its programs either.

    Args:
        command: Starts it.

    Raises:
        OSError: It cannot be started.
    """
    pipe = subprocess.PIPE
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_to_parent() -> None:
    """Have this process and those that it forks go on after signals."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # programs that a look starts, such as a jump host's ssh, are ended by it
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
