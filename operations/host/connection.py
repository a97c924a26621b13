"""What pyinfra's connection lacks: speed on small packets, a notion of being lost, a way back."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from paramiko import Channel, Transport
from pyinfra import logger
from pyinfra.api import Host, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.connectors.util import CommandOutput, OutputLine, make_unix_command_for_host

from operations.host.output import wrap_exec_command, wrap_run_shell_command
from operations.host.scripts import ScriptCommand
from operations.host.sessions import SessionPool
from operations.host.wire import (
    SUDO_PREFIXES,
    quote_for_any_shell,
    run_in_terminal,
    wrap_exec_for_any_shell,
)

# a host that is going down breaks handshakes, which paramiko would print as tracebacks
logging.getLogger("paramiko").addHandler(logging.NullHandler())

#: seconds of silence after which a connection counts as lost
CONNECTION_TIMEOUT_S = 30
#: seconds between two signs of life
KEEPALIVE_INTERVAL_S = 10
#: bytes after which the two agree on new keys: paramiko's reader waits for itself where a channel
#: closes meanwhile, so it is to be rare. Its own 512 MiB are for ciphers of small blocks; OpenSSH
#: takes 64 GiB for AES (RFC 4344, 3.2)
REKEY_BYTES = 16 << 30
#: seconds that a login may take; a resolver that does not answer costs sshd at least ten
SLOW_LOGIN_S = 8

#: keys of a host's data: whether sudo asks for a terminal there, and what it is to prompt with
TERMINAL_KEY, PROMPT_KEY = "mlufleet_terminal", "mlufleet_prompt"
#: key of its sessions
SESSIONS_KEY = "mlufleet_sessions"

#: host -> seconds that its login took, where a run watched it
logins: dict[str, float] = {}
#: seconds that a script may take longer, seen from here, than its own limit on the host
SCRIPT_GRACE_S = 60


def ssh_transport(host: Host) -> Transport | None:
    """The SSH transport under a host's connection; None for another connector."""
    client = getattr(host.connector, "client", None)
    return client.get_transport() if client is not None else None


def adapt_connector(host: Host) -> None:
    """Make a connection that was just opened quick, wakeful, and one that reads any bytes."""
    # what a greenlet of its own asks of it later must not be asked of "the current host"
    host = getattr(host.connector, "host", host)
    under = ssh_transport(host)
    client = getattr(host.connector, "client", None)
    if client is not None and "exec_command" not in vars(client):
        execute = wrap_exec_for_any_shell(
            client.exec_command, lambda command: add_sudo_requirements(host, command)
        )
        client.exec_command = wrap_exec_command(execute)
    run = getattr(host.connector, "run_shell_command", None)
    if client is None and run and "run_shell_command" not in vars(host.connector):
        host.connector.run_shell_command = wrap_run_shell_command(run)  # type: ignore[method-assign]
    if under is not None and "open_session" not in vars(under):
        sessions = host.connector_data[SESSIONS_KEY] = SessionPool(host, under, enable_keepalive)
        under.open_session = sessions.open  # type: ignore[method-assign]
        enable_keepalive(under)


def enable_keepalive(transport: Transport) -> None:
    """Make a connection that was just opened quick and wakeful."""
    sock = transport.sock
    if isinstance(sock, socket.socket):
        # send each packet at once: without it every command waits 40 ms (measured) for an ACK
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # a network that is gone is noticed: the system's own patience is a quarter of an hour
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, CONNECTION_TIMEOUT_S * 1000)
        transport.set_keepalive(KEEPALIVE_INTERVAL_S)
        if transport.local_cipher.startswith("aes"):
            transport.packetizer.REKEY_BYTES = REKEY_BYTES


def requires_tty(output: Iterable[str]) -> bool:
    """Whether this is what sudo says where its `requiretty` is set and there is no terminal."""
    return any("must have a tty" in line or "gives no terminal" in line for line in output)


def enable_terminal(host: Host, output: Iterable[str]) -> bool:
    """Give a host's sudo a terminal from now on, where it asks for one and had none."""
    if host.connector_data.get(TERMINAL_KEY) or not requires_tty(output):
        return False
    host.connector_data[TERMINAL_KEY] = True
    return True


def is_lost(host: Host) -> bool:
    """Whether an SSH connection was there and is no more."""
    if not hasattr(host.connector, "client"):
        return False
    under, sessions = ssh_transport(host), host.connector_data.get(SESSIONS_KEY)
    return under is None or not under.is_active() or bool(sessions and sessions.is_lost)


def wait_until_lost(host: Host, seconds: float = 5) -> bool:
    """:func:`lost`, asked after an error: whoever writes may see the end before the reader does."""
    end = time.monotonic() + seconds
    while not is_lost(host) and time.monotonic() < end:
        gevent.sleep(0.1)
    return is_lost(host)


def close(host: Host) -> None:
    """Drop the connection without the callbacks and commands of a real disconnect."""
    if sessions := host.connector_data.pop(SESSIONS_KEY, None):
        sessions.close()
    client = getattr(host.connector, "client", None)
    if client is not None:
        client.close()
    host.connected = False


def reconnect(host: Host, seconds: float, accept: Callable[[], bool], pause: float = 2) -> bool:
    """Connect again and again.

    :param seconds: until the host is given up
    :param accept: whether the host that answers is the one waited for
    :param pause: seconds between two attempts
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        gevent.sleep(pause)
        close(host)
        host.connect(show_errors=False)
        if not host.connected:
            continue
        adapt_connector(host)
        try:
            if accept():
                return True
        except Exception as error:  # a host that is going down fails in many ways
            logger.debug(f"{host.name}: {error}")
    return False


def run_command(host: Host, command: StringCommand, arguments: Any) -> tuple[bool, CommandOutput]:
    """Run one command.

    :param arguments: pyinfra's connector arguments
    :raises ConnectionResetError: the connection was lost meanwhile
    """
    state = host.state
    seconds = command.timeout_s + SCRIPT_GRACE_S if isinstance(command, ScriptCommand) else None
    try:
        ok, output = host.run_shell_command(
            command,
            print_output=state.print_output,
            print_input=state.print_input,
            **{**arguments, "_timeout": seconds},
        )
    except TimeoutError:
        said = ("@@code TIMED_OUT", f"the host did not end it within {seconds} s")
        ok, output = False, CommandOutput([OutputLine("stdout", line) for line in said])
    if not ok and is_lost(host):
        raise ConnectionResetError("the connection is gone")
    return ok, output


def open_stream(host: Host, command: str) -> Channel | None:
    """A command of the login user whose input stays open; None where there is no SSH.

    Not through SFTP or pyinfra's buffers: a login shell that prints a banner breaks the first,
    and the second hands over all of the input at once.

    :raises OSError, EOFError, SSHException: the connection is lost
    """
    under = ssh_transport(host)
    if under is None:
        return None
    channel = under.open_session()
    channel.exec_command(quote_for_any_shell(command))
    return channel


def connector_arguments(host: Host, **given: Any) -> dict[str, Any]:
    """pyinfra's connector arguments as the host's data have them, where no operation says them."""
    found, _ = pop_global_arguments(host.state, host, given)
    return {key: value for key, value in found.items() if key in CONNECTOR_ARGUMENT_KEYS}


def build_privileged_command(host: Host, command: StringCommand, arguments: Any) -> str:
    """A command as pyinfra would send it, sudo and all."""
    given = {
        k: v
        for k, v in arguments.items()
        if k not in ("_stdin", "_timeout", "_get_pty", "_success_exit_codes")
    }
    return add_sudo_requirements(
        host, str(make_unix_command_for_host(host.state, host, command, **given).get_raw_value())
    )


def add_sudo_requirements(host: Host, command: str) -> str:
    """A command of pyinfra's with what this host's sudo needs besides, where it is for sudo."""
    if not command.startswith(SUDO_PREFIXES):
        return command
    if prompt := host.connector_data.get(PROMPT_KEY):
        command = f"SUDO_PROMPT={prompt} {command}"
    return run_in_terminal(command) if host.connector_data.get(TERMINAL_KEY) else command
