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

from operations.host.output import tolerant, unmarked
from operations.host.scripts import Script
from operations.host.sessions import Sessions
from operations.host.wire import SUDO, for_any_shell, posix, terminal

# a host that is going down breaks handshakes, which paramiko would print as tracebacks
logging.getLogger("paramiko").addHandler(logging.NullHandler())

#: seconds of silence after which a connection counts as lost
SILENCE = 30
#: seconds between two signs of life
KEEPALIVE = 10
#: bytes after which the two agree on new keys: paramiko's reader waits for itself where a channel
#: closes meanwhile, so it is to be rare. Its own 512 MiB are for ciphers of small blocks; OpenSSH
#: takes 64 GiB for AES (RFC 4344, 3.2)
REKEY = 16 << 30
#: seconds that a login may take; a resolver that does not answer costs sshd at least ten
PATIENT = 8

#: keys of a host's data: whether sudo asks for a terminal there, and what it is to prompt with
TERMINAL, PROMPT = "mlufleet_terminal", "mlufleet_prompt"
#: key of its sessions
SESSIONS = "mlufleet_sessions"

#: host -> seconds that its login took, where a run watched it
logins: dict[str, float] = {}
#: seconds that a script may take longer, seen from here, than its own limit on the host
GRACE = 60


def transport(host: Host) -> Transport | None:
    """The SSH transport under a host's connection; None for another connector."""
    client = getattr(host.connector, "client", None)
    return client.get_transport() if client is not None else None


def prepare(host: Host) -> None:
    """Make a connection that was just opened quick, wakeful, and one that reads any bytes."""
    # what a greenlet of its own asks of it later must not be asked of "the current host"
    host = getattr(host.connector, "host", host)
    under = transport(host)
    client = getattr(host.connector, "client", None)
    if client is not None and "exec_command" not in vars(client):
        execute = for_any_shell(client.exec_command, lambda command: sudoed(host, command))
        client.exec_command = tolerant(execute)
    run = getattr(host.connector, "run_shell_command", None)
    if client is None and run and "run_shell_command" not in vars(host.connector):
        host.connector.run_shell_command = unmarked(run)  # type: ignore[method-assign]
    if under is not None and "open_session" not in vars(under):
        sessions = host.connector_data[SESSIONS] = Sessions(host, under, wakeful)
        under.open_session = sessions.open  # type: ignore[method-assign]
        wakeful(under)


def wakeful(under: Transport) -> None:
    """Make a connection that was just opened quick and wakeful."""
    sock = under.sock
    if isinstance(sock, socket.socket):
        # send each packet at once: without it every command waits 40 ms (measured) for an ACK
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # a network that is gone is noticed: the system's own patience is a quarter of an hour
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE * 1000)
        under.set_keepalive(KEEPALIVE)
        if under.local_cipher.startswith("aes"):
            under.packetizer.REKEY_BYTES = REKEY


def no_terminal(said: Iterable[str]) -> bool:
    """Whether this is what sudo says where its `requiretty` is set and there is no terminal."""
    return any("must have a tty" in line or "gives no terminal" in line for line in said)


def given_terminal(host: Host, said: Iterable[str]) -> bool:
    """Give a host's sudo a terminal from now on, where it asks for one and had none."""
    if host.connector_data.get(TERMINAL) or not no_terminal(said):
        return False
    host.connector_data[TERMINAL] = True
    return True


def lost(host: Host) -> bool:
    """Whether an SSH connection was there and is no more."""
    if not hasattr(host.connector, "client"):
        return False
    under, sessions = transport(host), host.connector_data.get(SESSIONS)
    return under is None or not under.is_active() or bool(sessions and sessions.lost)


def ended(host: Host, seconds: float = 5) -> bool:
    """:func:`lost`, asked after an error: whoever writes may see the end before the reader does."""
    end = time.monotonic() + seconds
    while not lost(host) and time.monotonic() < end:
        gevent.sleep(0.1)
    return lost(host)


def leave(host: Host) -> None:
    """Drop the connection without the callbacks and commands of a real disconnect."""
    if sessions := host.connector_data.pop(SESSIONS, None):
        sessions.close()
    client = getattr(host.connector, "client", None)
    if client is not None:
        client.close()
    host.connected = False


def back(host: Host, seconds: float, accept: Callable[[], bool], pause: float = 2) -> bool:
    """Connect again and again.

    :param seconds: until the host is given up
    :param accept: whether the host that answers is the one waited for
    :param pause: seconds between two attempts
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        gevent.sleep(pause)
        leave(host)
        host.connect(show_errors=False)
        if not host.connected:
            continue
        prepare(host)
        try:
            if accept():
                return True
        except Exception as error:  # a host that is going down fails in many ways
            logger.debug(f"{host.name}: {error}")
    return False


def shell(host: Host, command: StringCommand, arguments: Any) -> tuple[bool, CommandOutput]:
    """Run one command.

    :param arguments: pyinfra's connector arguments
    :raises ConnectionResetError: the connection was lost meanwhile
    """
    state = host.state
    seconds = command.seconds + GRACE if isinstance(command, Script) else None
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
    if not ok and lost(host):
        raise ConnectionResetError("the connection is gone")
    return ok, output


def stream(host: Host, command: str) -> Channel | None:
    """A command of the login user whose input stays open; None where there is no SSH.

    Not through SFTP or pyinfra's buffers: a login shell that prints a banner breaks the first,
    and the second hands over all of the input at once.

    :raises OSError, EOFError, SSHException: the connection is lost
    """
    under = transport(host)
    if under is None:
        return None
    channel = under.open_session()
    channel.exec_command(posix(command))
    return channel


def arguments(host: Host, **given: Any) -> dict[str, Any]:
    """pyinfra's connector arguments as the host's data have them, where no operation says them."""
    found, _ = pop_global_arguments(host.state, host, given)
    return {key: value for key, value in found.items() if key in CONNECTOR_ARGUMENT_KEYS}


def privileged(host: Host, command: StringCommand, arguments: Any) -> str:
    """A command as pyinfra would send it, sudo and all."""
    given = {
        k: v
        for k, v in arguments.items()
        if k not in ("_stdin", "_timeout", "_get_pty", "_success_exit_codes")
    }
    return sudoed(
        host, str(make_unix_command_for_host(host.state, host, command, **given).get_raw_value())
    )


def sudoed(host: Host, command: str) -> str:
    """A command of pyinfra's with what this host's sudo needs besides, where it is for sudo."""
    if not command.startswith(SUDO):
        return command
    if prompt := host.connector_data.get(PROMPT):
        command = f"SUDO_PROMPT={prompt} {command}"
    return terminal(command) if host.connector_data.get(TERMINAL) else command
