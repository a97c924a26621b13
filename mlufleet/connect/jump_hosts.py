"""Connections through other hosts: ProxyJump and ProxyCommand of the user's ssh_config.

pyinfra's own client accepts any host key of a jump host or prompts about it. It also ignores a jump
host's own ProxyJump, and the address that ssh_config has for the next host.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any

from gevent.lock import BoundedSemaphore
from paramiko import Channel, SSHException
from paramiko import SSHClient as ParamikoClient
from pyinfra.connectors.sshuserclient.client import SSHClient, get_host_keys, get_ssh_config
from typing_extensions import override

from fleet.inventory.ssh_transport import make_fast_transport
from fleet.language import _

#: Concurrent logins at one jump host. By default sshd drops some beyond ten (MaxStartups
#: 10:30:100 in sshd_config(5)).
MAX_LOGINS_PER_JUMP_HOST = 8
#: Options added to an `ssh` that is a ProxyCommand. They come before its own, because ssh uses the
#: first value of an option.
STRICT_SSH_OPTIONS = (
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=yes",
    "-o",
    "UpdateHostKeys=no",
)

#: Value of ProxyJump in ssh_config that disables it.
NO_JUMP_HOST = "none"

#: Jump hosts that this greenlet is connecting to; each is needed to reach the one before it.
_jump_chain: ContextVar[tuple[str, ...]] = ContextVar("jump_chain", default=())
#: The known_hosts file that the inventory sets for the host.
_known_hosts_file: ContextVar[str | None] = ContextVar("known_hosts_file", default=None)


@cache
def _get_login_slots(hostname: str, port: int) -> BoundedSemaphore:
    """Return the semaphore of the logins at one address, which all connections share."""
    return BoundedSemaphore(MAX_LOGINS_PER_JUMP_HOST)


class JumpError(SSHException):
    """A connection failed at a jump host, not at the host itself.

    Attributes:
        name: The jump host.
    """

    def __init__(self, name: str, reason: object) -> None:
        super().__init__(_("jump host {name}: {reason}", name=name, reason=reason))
        self.name = name


class CommandError(SSHException):
    """A ProxyCommand ended; the message is its error output."""


class LimitedClient(ParamikoClient):
    """An SSH client that limits concurrent logins at one address and explains failed ones.

    Its connect() runs after ssh_config has been applied.
    """

    @override
    def connect(self, hostname: str, *arguments: Any, **config: Any) -> None:
        config["port"] = int(config.get("port") or 22)  # ssh_config's is text
        config.setdefault("transport_factory", make_fast_transport)
        self.sock = config.get("sock")
        try:
            with _get_login_slots(hostname, config["port"]):
                super().connect(hostname, *arguments, **config)
        except BaseException as error:
            output = self.sock.error_output() if isinstance(self.sock, ProxyCommand) else ""
            self.close()  # otherwise its reader thread keeps running
            if output and isinstance(error, (EOFError, SSHException, OSError)):
                raise CommandError(output) from error
            if "No existing session" in str(error):  # paramiko's message for a cut handshake
                seconds = config.get("timeout")
                raise TimeoutError(
                    _(
                        "the port is open, but there was no SSH handshake within {seconds} s",
                        seconds=seconds,
                    )
                ) from error
            raise

    @override
    def close(self) -> None:
        super().close()
        sock, self.sock = getattr(self, "sock", None), None
        with suppress(OSError, EOFError, SSHException):
            if sock is not None:
                sock.close()
            if isinstance(sock, Channel):
                sock.jump_host.close()  # type: ignore[attr-defined]


class HostClient(SSHClient, LimitedClient):
    """The client of a host of the inventory."""

    @override
    def connect(self, hostname: str, *arguments: Any, **given: Any) -> None:
        token = _known_hosts_file.set(given.get("_pyinfra_ssh_known_hosts_file"))
        try:
            super().connect(hostname, *arguments, **given)  # type: ignore[no-untyped-call]
        finally:
            _known_hosts_file.reset(token)


class JumpHostClient(SSHClient, LimitedClient):
    """The client of a jump host, whose host key must be known."""

    @override
    def connect(self, hostname: str, *arguments: Any, **given: Any) -> None:
        self.name = hostname
        self.config_file = given.get("_pyinfra_ssh_config_file")
        if hostname == NO_JUMP_HOST:
            return
        if given.get("sock") is None:
            given.pop("sock", None)  # would hide the jump host's own ProxyJump
        given["_pyinfra_ssh_strict_host_key_checking"] = "yes"
        if known := _known_hosts_file.get():  # in addition to those of ssh_config
            self._system_host_keys = get_host_keys((os.path.expanduser(known),))
        with _extend_chain(hostname), _jump_errors(hostname):
            super().connect(hostname, *arguments, **given)  # type: ignore[no-untyped-call]

    @override
    def gateway(
        self,
        hostname: str,
        host_port: int,
        target: str,
        target_port: int,
        timeout: float | None = None,
    ) -> Channel | None:
        """Open a channel to the next host, whose name may be an alias of ssh_config."""
        if self.name == NO_JUMP_HOST:
            return None
        port = target_port
        if target != hostname and (known := get_ssh_config(self.config_file)):
            target = known.lookup(target).get("hostname", target)
        transport = self.get_transport()
        assert transport is not None
        with _jump_errors(f"{self.name}: {target}:{port}"):
            channel = transport.open_channel(
                "direct-tcpip", (target, int(port)), ("127.0.0.1", 0), timeout=timeout
            )
        # keeps this client alive as long as the connection through it
        channel.jump_host = self  # type: ignore[attr-defined]
        return channel


@contextmanager
def _jump_errors(name: str) -> Iterator[None]:
    """Turn every exception into a JumpError; one that names a jump host already stays."""
    try:
        yield
    except JumpError:
        raise
    except Exception as error:
        raise JumpError(name, error or type(error).__name__) from error


@contextmanager
def _extend_chain(name: str) -> Iterator[None]:
    """Add a jump host to the chain while it is connected to.

    Raises:
        JumpError: The chain has it already.
    """
    chain = _jump_chain.get()
    if name in chain:
        raise JumpError(
            name, _("ProxyJump loop in ssh_config: {hosts}", hosts=" -> ".join((*chain, name)))
        )
    token = _jump_chain.set((*chain, name))
    try:
        yield
    finally:
        _jump_chain.reset(token)


class ProxyCommand:
    """A ProxyCommand as a socket; the command has no terminal to prompt on."""

    def __init__(self, line: str) -> None:
        self._sock, theirs = socket.socketpair()
        self._stderr, self._error_output = tempfile.TemporaryFile(), ""  # noqa: SIM115
        self._closing = threading.Lock()  # paramiko's thread may close it at the same time
        with theirs:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {add_strict_options(line)}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._stderr,
                start_new_session=True,
            )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def error_output(self) -> str:
        """Close the socket, and return what the command wrote to its standard error."""
        self.close()
        return self._error_output

    def close(self) -> None:
        """Close the socket and end the command."""
        self._sock.close()
        with self._closing:
            if not self._stderr.closed:
                self._end_command()

    def _end_command(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)  # ends at the end of its input
        self._stderr.seek(0)
        self._error_output = self._stderr.read(65536).decode(errors="replace").strip()
        self._stderr.close()
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)


def open_proxy_command(line: str | None) -> ProxyCommand | None:
    """Start a ProxyCommand; paramiko's own class does not notice that the command has ended.

    Args:
        line: The command line in ssh_config; None or empty if there is none.
    """
    return ProxyCommand(line) if line else None


def add_strict_options(line: str) -> str:
    """Make a ProxyCommand that is `ssh` reject unknown host keys and never prompt.

    Args:
        line: The command line in ssh_config.

    Returns:
        The command line with further options if it is `ssh`, else the same.
    """
    words = line.split(None, 1)
    if os.path.basename(words[0]) != "ssh":
        return line
    return " ".join([words[0], shlex.join(STRICT_SSH_OPTIONS), *words[1:]])
