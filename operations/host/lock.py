"""The host lock: one run at a time changes a host. A heartbeat keeps it.

Heartbeats are lines from the controller on a channel of its own, so that they end if the controller
is killed or the network fails. `files/scripts/lock.sh` judges them by the host's own clock.
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
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _, english
from operations.host import connection
from operations.host.command import HostCommand
from operations.host.failures import RESUME_KEY, failure_from_output, relay_output
from operations.host.probe import invalidate_facts
from operations.host.scripts import script_command
from operations.host.sessions import NoSessionError

#: seconds between two heartbeats; lock.sh has the same number
HEARTBEAT_INTERVAL_S = 5
#: seconds without a heartbeat after which the holder counts as dead
LEASE_S = 20
#: seconds without an answer to a heartbeat after which the network counts as lost; a proxy or a
#: jump host may continue to acknowledge packets, so TCP alone does not notice
HEARTBEAT_TIMEOUT_S = 45
#: seconds of a lease without heartbeats, where there is no SSH
NO_SSH_LEASE_S = 24 * 3600
#: seconds that taking the lock may last, as jobs of the previous holder are waited for
ACQUIRE_TIMEOUT_S = 8000
#: key of the lock in a host's connector_data
LOCK_KEY = "mlufleet_lock"


@dataclass(frozen=True)
class LockOwner:
    """Who holds the locks of hosts.

    Attributes:
        run: id of the run
        operator: user@machine
        why: the command that the operator gave
    """

    run: str
    operator: str
    why: str


class HostLock:
    """The lock of one host, held by this run.

    Attributes:
        owner: who holds it
        channel: carries the heartbeats; None while there are none
        job_count: jobs that were started on the host, for their ids
    """

    def __init__(self, owner: LockOwner, arguments: dict[str, Any]) -> None:
        """Prepare the lock; :meth:`acquire` takes it.

        Args:
            owner: who will hold it
            arguments: pyinfra's connector arguments
        """
        self.owner, self.arguments = owner, arguments
        self.channel: Channel | None = None
        self.job_count = 0

    def acquire(self, host: Host, lease: int = LEASE_S) -> tuple[bool, list[str]]:
        """Take the lock, or renew it, and send heartbeats from then on.

        Args:
            host: the host to lock
            lease: seconds without a heartbeat after which the holder counts as dead

        Returns:
            Whether this run holds it, and what the host printed.
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
            timeout=ACQUIRE_TIMEOUT_S,
        )
        ok, output = connection.run_command(host, command, self.arguments)
        if ok:
            self._start_heartbeat(host)
        return ok, output.stdout_lines + output.stderr_lines

    def _start_heartbeat(self, host: Host) -> None:
        command = script_command("lock", "beat", self.owner.run, timeout=86400)
        channel = self.channel = connection.open_stream(
            host, connection.build_privileged_command(host, command, self.arguments)
        )

        def send_heartbeats() -> None:
            last_answer = time.monotonic()
            while channel is not None and channel is self.channel:
                try:
                    channel.sendall(b"\n")
                except (OSError, EOFError, SSHException):
                    return
                gevent.sleep(HEARTBEAT_INTERVAL_S)
                while channel.recv_ready():
                    channel.recv(4096)
                    last_answer = time.monotonic()
                if time.monotonic() - last_answer > HEARTBEAT_TIMEOUT_S:
                    # others that wait for an answer on this connection would wait forever
                    logger.warning(
                        host.print_prefix
                        + _(
                            "no answer to heartbeats for {seconds} s",
                            seconds=HEARTBEAT_TIMEOUT_S,
                        )
                    )
                    connection.close(host)
                    return

        gevent.spawn(send_heartbeats)

    def stop_heartbeat(self, last: bytes = b"") -> None:
        """Stop sending heartbeats.

        Args:
            last: a word for the host's end, such as `release`; its end is then waited for
        """
        channel, self.channel = self.channel, None
        if channel is None:
            return
        with suppress(OSError, EOFError, SSHException):
            if last:
                channel.settimeout(10)
                channel.sendall(last + b"\n")
                channel.shutdown_write()
                end = time.monotonic() + 10
                # a login shell may have printed a banner
                while channel.recv(4096) and time.monotonic() < end:
                    pass
            channel.close()


def held_lock(host: Any) -> HostLock | None:
    """Return the lock that this run holds on a host; None if it holds none."""
    lock: HostLock | None = host.connector_data.get(LOCK_KEY)
    return lock


def audit_identity(host: Any, stage: str, title: str) -> str:
    """Return the fields of the host's audit log that say who does what.

    Args:
        host: the host that is changed
        stage: label of the stage
        title: what is done

    Returns:
        Run, operator, stage and title in English, separated by tabs; "" if this run holds no lock.
    """
    lock = held_lock(host)
    return f"{lock.owner.run}\t{lock.owner.operator}\t{stage}\t{english(title)}" if lock else ""


def release_lock(host: Host) -> None:
    """Release the lock, over its own channel: pyinfra has removed sudo's password by now.

    Args:
        host: a host that this run may have locked
    """
    lock: HostLock | None = host.connector_data.pop(LOCK_KEY, None)
    if lock is None or connection.is_lost(host):
        return
    if lock.channel is not None:
        lock.stop_heartbeat(b"release")
    else:
        host.run_shell_command(script_command("lock", "release", lock.owner.run), **lock.arguments)


def forget_lock(host: Host) -> None:
    """Forget the lock of a host whose state folder is gone, and the lock's file with it.

    Args:
        host: a host that this run had locked
    """
    lock: HostLock | None = host.connector_data.pop(LOCK_KEY, None)
    host.connector_data.pop(RESUME_KEY, None)
    if lock is not None:
        lock.stop_heartbeat()


class AcquireLock(HostCommand):
    """Takes the host lock. A live holder is reported and keeps it."""

    def __init__(self, owner: LockOwner) -> None:
        """Prepare the command.

        Args:
            owner: who will hold the lock
        """
        super().__init__(owner.run, stage="lock")
        self.owner = owner

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        lock = HostLock(self.owner, arguments)
        try:
            ok, lines = lock.acquire(host)
        except (gevent.GreenletExit, NoSessionError):  # interrupted: the host may have locked it
            release = script_command("lock", "release", self.owner.run)
            connection.run_command(host, release, arguments)
            raise
        relay_output(host, lines)
        if not ok:
            return failure_from_output("LOCKED", lines)
        host.connector_data[LOCK_KEY] = lock
        host.connector_data[RESUME_KEY] = lambda: lock.acquire(host)[0]
        invalidate_facts(host)
        return None


class BreakLock(HostCommand):
    """Takes the host lock away from whoever holds it."""

    def __init__(self, operator: str) -> None:
        """Prepare the command.

        Args:
            operator: user@machine, for the host's audit log
        """
        super().__init__(operator, stage="lock")
        self.operator = operator

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        command = script_command("lock", "break", self.operator, timeout=20)
        ok, output = connection.run_command(host, command, arguments)
        relay_output(host, output.stdout_lines)
        return None if ok else failure_from_output("LOCKED", output.stderr_lines)


@operation()
def acquired(owner: LockOwner) -> Generator[PyinfraCommand, None, None]:
    """This run holds the host lock, and jobs that a dead run left on the host have ended.

    Args:
        owner: who will hold the lock
    """
    yield AcquireLock(owner)


@operation()
def force_released(operator: str) -> Generator[PyinfraCommand, None, None]:
    """Nobody holds the host lock.

    Args:
        operator: user@machine, for the host's audit log
    """
    yield BreakLock(operator)
