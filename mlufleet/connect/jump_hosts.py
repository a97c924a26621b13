"""The way to a host through others: ProxyJump and ProxyCommand of the user's ssh_config.

pyinfra's own takes any key of a jump host, asks about it, forgets a jump host's own ProxyJump and
the address that ssh_config has for the next one.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from gevent.lock import BoundedSemaphore
from paramiko import Channel, SSHException
from paramiko import SSHClient as ParamikoClient
from pyinfra.connectors.sshuserclient.client import SSHClient, get_host_keys, get_ssh_config
from typing_extensions import override

from fleet.inventory.ssh_transport import make_fast_transport

#: logins at one jump host at once: sshd drops some of those beyond ten (MaxStartups 10:30:100)
MAX_LOGINS_PER_JUMP_HOST = 8
#: of an `ssh` that is a ProxyCommand, before its own options: the first one given counts
STRICT_SSH_OPTIONS = (
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=yes",
    "-o",
    "UpdateHostKeys=no",
)

#: ssh_config's word for no jump host
NO_JUMP_HOST = "none"

_login_slots: dict[tuple[str, int], BoundedSemaphore] = {}
#: jump hosts that are being connected to, the last one on behalf of those before it
_jump_chain: ContextVar[tuple[str, ...]] = ContextVar("way", default=())
#: the known_hosts file that the inventory names for the host
_known_hosts_file: ContextVar[str | None] = ContextVar("known", default=None)


class JumpError(SSHException):
    """What went wrong at a jump host, not at the host itself."""

    def __init__(self, name: str, why: object) -> None:
        super().__init__(f"jump host {name}: {why}")
        self.name = name


class CommandError(SSHException):
    """What a ProxyCommand said before it ended."""


class LimitedClient(ParamikoClient):
    """The last part of a login, when ssh_config has been read."""

    @override
    def connect(self, hostname: str, **config: Any) -> None:  # type: ignore[override]
        config["port"] = int(config.get("port") or 22)  # ssh_config's is text
        config.setdefault("transport_factory", make_fast_transport)
        self.sock = config.get("sock")
        try:
            with _login_slots.setdefault(
                (hostname, config["port"]), BoundedSemaphore(MAX_LOGINS_PER_JUMP_HOST)
            ):
                super().connect(hostname, **config)
        except BaseException as error:
            said = self.sock.error_output() if isinstance(self.sock, ProxyCommand) else ""
            self.close()  # its reader would go on
            if said and isinstance(error, (EOFError, SSHException, OSError)):
                raise CommandError(said) from error
            if "No existing session" in str(error):  # paramiko's word for a handshake cut short
                seconds = config.get("timeout")
                raise TimeoutError(f"it answers, but not as SSH within {seconds} s") from error
            raise

    @override
    def close(self) -> None:
        super().close()
        way, self.sock = getattr(self, "sock", None), None
        with suppress(OSError, EOFError, SSHException):
            if way is not None:
                way.close()
            if isinstance(way, Channel):
                way.hop.close()  # type: ignore[attr-defined]


class HostClient(SSHClient, LimitedClient):
    """A host of the inventory."""

    @override
    def connect(self, hostname: str, **given: Any) -> None:  # type: ignore[override]
        token = _known_hosts_file.set(given.get("_pyinfra_ssh_known_hosts_file"))
        try:
            super().connect(hostname, **given)  # type: ignore[no-untyped-call]
        finally:
            _known_hosts_file.reset(token)


class JumpHostClient(SSHClient, LimitedClient):
    """A jump host: its key has to be a known one."""

    @override
    def connect(self, hostname: str, **given: Any) -> None:  # type: ignore[override]
        self.name = hostname
        self.config_file = given.get("_pyinfra_ssh_config_file")
        if hostname == NO_JUMP_HOST:
            return
        if given.get("sock") is None:
            given.pop("sock", None)  # it would hide a way of its own
        given["_pyinfra_ssh_strict_host_key_checking"] = "yes"
        if known := _known_hosts_file.get():  # beside those of the user's ssh_config
            self._system_host_keys = get_host_keys((os.path.expanduser(known),))
        with _extend_chain(hostname), _jump_errors(hostname):
            super().connect(hostname, **given)  # type: ignore[no-untyped-call]

    @override
    def gateway(
        self,
        hostname: str,
        host_port: int,
        target: str,
        target_port: int,
        timeout: float | None = None,
    ) -> Channel | None:
        """A way on to the next one, whose name here may be one of ssh_config's."""
        if self.name == NO_JUMP_HOST:
            return None
        port = target_port
        if target != hostname and (known := get_ssh_config(self.config_file)):
            target = known.lookup(target).get("hostname", target)
        under = self.get_transport()
        assert under is not None
        with _jump_errors(f"{self.name}: {target}:{port}"):
            channel = under.open_channel(
                "direct-tcpip", (target, int(port)), ("127.0.0.1", 0), timeout=timeout
            )
        channel.hop = self  # type: ignore[attr-defined]  # it lives as long as what goes through
        return channel


@contextmanager
def _jump_errors(name: str) -> Iterator[None]:
    """:raises JumpError: whatever goes wrong, unless a jump host before it is named already"""
    try:
        yield
    except JumpError:
        raise
    except Exception as error:
        raise JumpError(name, error or type(error).__name__) from error


@contextmanager
def _extend_chain(name: str) -> Iterator[None]:
    way = _jump_chain.get()
    if name in way:
        raise JumpError(name, f"ProxyJump goes round: {' -> '.join((*way, name))}")
    token = _jump_chain.set((*way, name))
    try:
        yield
    finally:
        _jump_chain.reset(token)


class ProxyCommand:
    """A ProxyCommand as a socket; it has no terminal to ask on."""

    def __init__(self, line: str) -> None:
        self._sock, theirs = socket.socketpair()
        self._said, self._error_output = tempfile.TemporaryFile(), ""  # noqa: SIM115
        with theirs:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {add_strict_options(line)}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said,
                start_new_session=True,
            )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def error_output(self) -> str:
        """Its errors, if it has ended by itself."""
        self.close()
        return self._error_output

    def close(self) -> None:
        """Close the connection to the command."""
        self._sock.close()
        if self._said.closed:  # by the connection that ended
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)  # it sees the end of its input
        self._said.seek(0)
        self._error_output = self._said.read(65536).decode(errors="replace").strip()
        self._said.close()
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)


def open_proxy_command(line: str | None) -> ProxyCommand | None:
    """In place of paramiko's, which does not notice that a command has ended."""
    return ProxyCommand(line) if line else None


def add_strict_options(line: str) -> str:
    """A ProxyCommand that takes no key that is not known, and does not ask."""
    words = line.split(None, 1)
    if os.path.basename(words[0]) != "ssh":
        return line
    return " ".join([words[0], shlex.join(STRICT_SSH_OPTIONS), *words[1:]])
