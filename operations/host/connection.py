"""What pyinfra's connection lacks: speed with small packets, detection of a loss, reconnecting."""

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

from fleet.language import _
from operations.host.output import wrap_exec_command, wrap_run_shell_command
from operations.host.scripts import ScriptCommand
from operations.host.sessions import SessionPool
from operations.host.wire import (
    SUDO_PREFIXES,
    keep_from_log,
    quote_for_any_shell,
    run_in_terminal,
    wrap_exec_for_any_shell,
)

# a host that is going down breaks handshakes, which paramiko would print as tracebacks
logging.getLogger("paramiko").addHandler(logging.NullHandler())

#: seconds of silence after which a connection counts as lost
CONNECTION_TIMEOUT_S = 30
#: seconds between two keepalive packets
KEEPALIVE_INTERVAL_S = 10
#: bytes after which new keys are negotiated. Rare, because paramiko's reader waits for itself if a
#: channel closes meanwhile. Its own 512 MiB are meant for ciphers of small blocks; OpenSSH uses
#: 64 GiB for AES (RFC 4344, 3.2)
REKEY_BYTES = 16 << 30
#: seconds from which a login is slow; a name server that does not answer costs sshd at least ten
SLOW_LOGIN_S = 8
#: seconds that a script may take longer, as seen from here, than its own limit on the host
SCRIPT_GRACE_S = 60

#: key in a host's connector_data: whether its sudo needs a terminal
TERMINAL_KEY = "mlufleet_terminal"
#: key in a host's connector_data: what its sudo is to use as prompt
PROMPT_KEY = "mlufleet_prompt"
#: key in a host's connector_data: its SSH sessions
SESSIONS_KEY = "mlufleet_sessions"


def ssh_transport(host: Host) -> Transport | None:
    """Return the SSH transport of a host's connection; None for another connector."""
    client = getattr(host.connector, "client", None)
    return client.get_transport() if client is not None else None


def adapt_connector(host: Host) -> None:
    """Make a new connection fast, detect its loss, and accept any bytes as output.

    Args:
        host: a host that was just connected to
    """
    # the host itself: greenlets that use the connection later have no "current host"
    host = getattr(host.connector, "host", host)
    transport = ssh_transport(host)
    client = getattr(host.connector, "client", None)
    if client is not None and "exec_command" not in vars(client):
        execute = wrap_exec_for_any_shell(
            client.exec_command, lambda command: add_sudo_requirements(host, command)
        )
        client.exec_command = wrap_exec_command(execute)
    run = getattr(host.connector, "run_shell_command", None)
    if client is None and run and "run_shell_command" not in vars(host.connector):
        host.connector.run_shell_command = wrap_run_shell_command(run)  # type: ignore[method-assign]
    if transport is not None and "open_session" not in vars(transport):
        sessions = host.connector_data[SESSIONS_KEY] = SessionPool(
            host, transport, enable_keepalive
        )
        transport.open_session = sessions.open  # type: ignore[method-assign]
        enable_keepalive(transport)


def enable_keepalive(transport: Transport) -> None:
    """Make a new connection fast, and detect its loss.

    Args:
        transport: of the connection
    """
    sock = transport.sock
    if isinstance(sock, socket.socket):
        # send each packet at once: otherwise every command waits 40 ms (measured) for an ACK
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # the system itself would wait for a lost network for a quarter of an hour
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, CONNECTION_TIMEOUT_S * 1000)
        transport.set_keepalive(KEEPALIVE_INTERVAL_S)
        if transport.local_cipher.startswith("aes"):
            transport.packetizer.REKEY_BYTES = REKEY_BYTES


def requires_tty(output: Iterable[str]) -> bool:
    """Return whether sudo refuses because its `requiretty` is set and there is no terminal.

    Args:
        output: lines that sudo printed
    """
    return any("must have a tty" in line or "gives no terminal" in line for line in output)


def enable_terminal(host: Host, output: Iterable[str]) -> bool:
    """Give a host's sudo a terminal from now on, if it requires one and had none.

    Args:
        host: the host
        output: lines that sudo printed

    Returns:
        Whether it has one now and had none before.
    """
    if host.connector_data.get(TERMINAL_KEY) or not requires_tty(output):
        return False
    host.connector_data[TERMINAL_KEY] = True
    return True


def is_lost(host: Host) -> bool:
    """Return whether a host's SSH connection has ended; False for other connectors."""
    if not hasattr(host.connector, "client"):
        return False
    transport, sessions = ssh_transport(host), host.connector_data.get(SESSIONS_KEY)
    return transport is None or not transport.is_active() or bool(sessions and sessions.is_lost)


def wait_until_lost(host: Host, seconds: float = 5) -> bool:
    """Return whether a connection is lost, after an error that a loss may have caused.

    A writer may notice the end of a connection before its reader does.

    Args:
        host: the host
        seconds: how long to wait for the reader
    """
    end = time.monotonic() + seconds
    while not is_lost(host) and time.monotonic() < end:
        gevent.sleep(0.1)
    return is_lost(host)


def close(host: Host) -> None:
    """Drop a connection without the callbacks and commands of pyinfra's disconnect."""
    if sessions := host.connector_data.pop(SESSIONS_KEY, None):
        sessions.close()
    client = getattr(host.connector, "client", None)
    if client is not None:
        client.close()
    host.connected = False


def reconnect(host: Host, seconds: float, accept: Callable[[], bool], pause: float = 2) -> bool:
    """Connect again until the host answers.

    Args:
        host: the host
        seconds: how long to try
        accept: returns whether the host that answers is the one that is waited for
        pause: seconds between two attempts

    Returns:
        Whether it is connected.
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
    """Run one command on a host.

    Args:
        host: the host
        command: a script's own time limit is enforced
        arguments: pyinfra's connector arguments

    Returns:
        Whether it succeeded, and its output.

    Raises:
        ConnectionResetError: the connection was lost meanwhile
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
        lines = (
            "@@code TIMED_OUT",
            _("the host did not end it within {seconds} s", seconds=seconds),
        )
        ok, output = False, CommandOutput([OutputLine("stdout", line) for line in lines])
    if not ok and is_lost(host):
        raise ConnectionResetError(_("the connection is gone"))
    return ok, output


def open_stream(host: Host, command: str) -> Channel | None:
    """Run a command of the login user whose input stays open.

    SFTP would fail if a login shell prints a banner, and pyinfra passes all of the input at once.

    Args:
        host: the host
        command: for a POSIX shell

    Returns:
        The channel of the command; None if there is no SSH.

    Raises:
        OSError, EOFError, SSHException: the connection is lost
    """
    transport = ssh_transport(host)
    if transport is None:
        return None
    channel = transport.open_session()
    channel.exec_command(quote_for_any_shell(command))
    return channel


def connector_arguments(host: Host, **given: Any) -> dict[str, Any]:
    """Return pyinfra's connector arguments of a host, outside of an operation.

    Args:
        host: the host; its data set most of them
        **given: arguments that take precedence
    """
    arguments, _given = pop_global_arguments(host.state, host, given)
    return {key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS}


def build_privileged_command(
    host: Host, command: StringCommand, arguments: Any, has_input: bool = True
) -> str:
    """Return a command as pyinfra would send it, with sudo.

    Args:
        host: the host
        command: what to run
        arguments: pyinfra's connector arguments
        has_input: whether it reads standard input
    """
    not_for_shell = ("_stdin", "_timeout", "_get_pty", "_success_exit_codes")
    given = {key: value for key, value in arguments.items() if key not in not_for_shell}
    wrapped = make_unix_command_for_host(host.state, host, command, **given)
    return add_sudo_requirements(host, str(wrapped.get_raw_value()), has_input)


def add_sudo_requirements(host: Host, command: str, has_input: bool = True) -> str:
    """Return a command with the prompt and the terminal that the host's sudo needs.

    Args:
        host: the host
        command: of pyinfra; unchanged unless it begins with sudo
        has_input: whether it reads standard input
    """
    if not command.startswith(SUDO_PREFIXES):
        return command
    if prompt := host.connector_data.get(PROMPT_KEY):
        command = f"SUDO_PROMPT={prompt} {command}"
    command = keep_from_log(command, has_input)
    return run_in_terminal(command) if host.connector_data.get(TERMINAL_KEY) else command
