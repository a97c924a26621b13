"""One run at a time on a host: who, from where, since when, why; kept by a heartbeat.

The beats are lines from the controller on a channel of its own, so a controller that is killed,
or a network that is cut, stops them; `files/scripts/lock.sh` judges them by what the host sees.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import gevent
from paramiko import Channel, SSHException
from pyinfra import logger
from pyinfra.api import Host, operation
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from operations.host import connection
from operations.host.failures import RESUME_KEY, fail_by_output, isolate_failures, relay_output
from operations.host.probe import invalidate_facts
from operations.host.scripts import script_command
from operations.host.sessions import NoSessionError

#: seconds; the script has the same beat
HEARTBEAT_INTERVAL_S, LEASE_S = 5, 20
#: seconds without an answer to a beat after which the network counts as gone; a proxy or a
#: jump host on the way goes on acknowledging packets, so TCP alone does not tell
HEARTBEAT_TIMEOUT_S = 45
#: seconds of a lease that nothing beats for, where there is no SSH
NO_SSH_LEASE_S = 24 * 3600
LOCK_KEY = "mlufleet_lock"


@dataclass(frozen=True)
class LockOwner:
    """Who holds hosts. :param operator: user@machine. :param why: the command that was given"""

    run: str
    operator: str
    why: str


class HostLock:
    """The lock of one host in the hands of this run."""

    def __init__(self, owner: LockOwner, arguments: Any) -> None:
        self.owner, self.arguments = owner, arguments
        self.channel: Channel | None = None
        self.job_count = 0

    def acquire(self, host: Host, lease: int = LEASE_S) -> tuple[bool, list[str]]:
        """Take or keep the lock.

        :param lease: seconds without a beat after which the holder counts as dead
        :returns: whether it is ours, and what the host said
        """
        if connection.ssh_transport(host) is None:
            lease = NO_SSH_LEASE_S
        command = script_command(
            "lock",
            "acquire",
            self.owner.run,
            self.owner.operator,
            self.owner.why,
            str(lease),
            timeout=8000,
        )
        ok, output = connection.run_command(host, command, self.arguments)
        if ok:
            self._start_heartbeat(host)
        return ok, output.stdout_lines + output.stderr_lines

    def _start_heartbeat(self, host: Host) -> None:
        beat = connection.build_privileged_command(
            host, script_command("lock", "beat", self.owner.run, timeout=86400), self.arguments
        )
        channel = self.channel = connection.open_stream(host, beat)

        def beating() -> None:
            heard = time.monotonic()
            while channel is not None and channel is self.channel:
                try:
                    channel.sendall(b"\n")
                except (OSError, EOFError, SSHException):
                    return
                gevent.sleep(HEARTBEAT_INTERVAL_S)
                while channel.recv_ready():
                    channel.recv(4096)
                    heard = time.monotonic()
                if time.monotonic() - heard > HEARTBEAT_TIMEOUT_S:
                    # whoever waits for an answer on this connection waits for ever
                    logger.warning(
                        f"{host.print_prefix}no sign of life for {HEARTBEAT_TIMEOUT_S} s"
                    )
                    connection.close(host)
                    return

        gevent.spawn(beating)

    def stop_heartbeat(self, last: bytes = b"") -> None:
        """Stop beating. :param last: word for the other end; its own end is waited for"""
        channel, self.channel = self.channel, None
        if channel is None:
            return
        with suppress(OSError, EOFError, SSHException):
            if last:
                channel.settimeout(10)
                channel.sendall(last + b"\n")
                end = time.monotonic() + 10
                # a login shell may have printed a banner
                while channel.recv(4096) and time.monotonic() < end:
                    pass
            channel.close()


def held_lock(host: Any) -> HostLock | None:
    """The lock that this run holds on a host."""
    found: HostLock | None = host.connector_data.get(LOCK_KEY)
    return found


def audit_identity(host: Any, stage: str, title: str) -> str:
    """For the host's audit log: run, operator, stage and what is done."""
    lock = held_lock(host)
    return f"{lock.owner.run}\t{lock.owner.operator}\t{stage}\t{title}" if lock else ""


def release_lock(host: Host) -> None:
    """Give the host back, over the lock's own channel: by now pyinfra has taken sudo's answer."""
    lock = host.connector_data.pop(LOCK_KEY, None)
    if lock is None or connection.is_lost(host):
        return
    if lock.channel is not None:
        lock.stop_heartbeat(b"release")
    else:
        host.run_shell_command(script_command("lock", "release", lock.owner.run), **lock.arguments)


class AcquireLock(PyinfraCommand):
    """Takes the lock; a live holder is named and left alone."""

    def __init__(self, owner: LockOwner) -> None:
        super().__init__()
        self.owner = owner

    @override
    def __repr__(self) -> str:
        return f"Acquire({self.owner.run})"

    @override
    @isolate_failures
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        lock = HostLock(self.owner, connector_arguments)
        try:
            ok, lines = lock.acquire(host)
        except (gevent.GreenletExit, NoSessionError):  # left in its middle: it may be ours by now
            connection.run_command(
                host, script_command("lock", "release", self.owner.run), connector_arguments
            )
            raise
        relay_output(host, lines)
        if not ok:
            return fail_by_output(host, "LOCKED", "lock", lines)
        host.connector_data[LOCK_KEY] = lock
        host.connector_data[RESUME_KEY] = lambda: lock.acquire(host)[0]
        invalidate_facts(host)
        return True


class BreakLock(PyinfraCommand):
    """Takes a lock away from whoever holds it."""

    def __init__(self, operator: str) -> None:
        super().__init__()
        self.operator = operator

    @override
    @isolate_failures
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        ok, output = connection.run_command(
            host, script_command("lock", "break", self.operator, timeout=20), connector_arguments
        )
        relay_output(host, output.stdout_lines)
        return ok or fail_by_output(host, "LOCKED", "lock", output.stderr_lines)


@operation()
def acquired(owner: LockOwner) -> Generator[PyinfraCommand, None, None]:
    """The host is this run's until it ends; what a dead run left running there has ended."""
    yield AcquireLock(owner)


@operation()
def force_released(operator: str) -> Generator[PyinfraCommand, None, None]:
    """Nobody holds the host any more."""
    yield BreakLock(operator)
