"""Asks an endpoint from the controller, with the same client that asks it on the host."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import sys
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.subprocess import DEVNULL, PIPE, Popen
from pyinfra.api import Host

from fleet import paths
from fleet.errors import Failure
from fleet.language import _
from fleet.release.target import ANY_ADDRESS
from operations.host import connection

#: seconds in which a connection to an endpoint must be made
CONNECT_TIMEOUT_S = 10
#: characters of what a client printed that a failure repeats
MAX_RESULT_CHARS = 300


@dataclass(frozen=True)
class ClientAddress:
    """Where the controller finds the servers of a host.

    Attributes:
        address: IPv4 address; empty if there is none.
        reason: Why there is none.
    """

    address: str = ""
    reason: str = ""


def find_address(host: Host, serve_address: str) -> ClientAddress:
    """Find the address at which the controller reaches the servers of a host.

    A host behind a jump host has none, even if something answers there: the same address may be
    another machine's in the controller's network, which must not get the key.

    Args:
        host: A host that is connected.
        serve_address: Address that its servers are bound to.
    """
    if ipaddress.ip_address(serve_address).is_loopback:
        return ClientAddress(reason=_("bound to the loopback"))
    transport = connection.ssh_transport(host)
    if transport is None:
        return ClientAddress(reason=_("the host is not reached by SSH"))
    if not isinstance(transport.sock, socket.socket):
        return ClientAddress(reason=_("the host is reached through another one"))
    if serve_address != ANY_ADDRESS:
        return ClientAddress(serve_address)
    peer = ipaddress.ip_address(transport.sock.getpeername()[0].partition("%")[0])
    if peer.version != 4:
        return ClientAddress(reason=_("the host is reached by IPv6, its servers by IPv4 alone"))
    if peer.is_loopback:
        return ClientAddress(reason=_("the host is reached through a port of the controller"))
    return ClientAddress(str(peer))


def find_obstacle(address: str, port: int) -> str:
    """Return why the controller cannot connect to an endpoint; "" if it can.

    Args:
        address: IPv4 address.
        port: TCP port.
    """
    try:
        socket.create_connection((address, port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return f"{address}:{port}: {error.strerror or error}"
    return ""


def ask(url: str, definition: dict[str, Any], key: str, timeout_s: int) -> Failure | None:
    """Ask an endpoint as a client, in a process of its own; other hosts go on meanwhile.

    Args:
        url: The endpoint, without a path.
        definition: What the supervisor of its servers reads.
        key: Key that clients have to send; "" for none. The process reads it from a pipe.
        timeout_s: Seconds after which the process is killed.

    Returns:
        Why the endpoint is not proved, or None.
    """
    try:
        process = _start_client(url, key)
    except OSError as error:  # would count as one of the connection to the host
        return _build_failure(url, f"{sys.executable}: {error}")
    try:
        with gevent.Timeout(timeout_s) as limit:
            output, _errors = process.communicate(json.dumps(definition).encode())
    except gevent.Timeout as timeout:
        if timeout is not limit:
            raise
        return _build_failure(
            url, _("the client did not end within {timeout_s} s", timeout_s=timeout_s)
        )
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return _read_result(url, output.decode(errors="replace"), process.returncode)


def _start_client(url: str, key: str) -> Popen:
    """Start the client, which reads the definition from its standard input."""
    client = str(paths.FILES_FOLDER / "serving" / "client.py")
    command = [sys.executable, client, "prove", "--url", url, "--definition", "/dev/stdin"]
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            pipe.write(key)  # shorter than the pipe's buffer
        if key:
            command += ["--key-file", f"/dev/fd/{reading}"]
        return Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, pass_fds=(reading,))
    finally:
        os.close(reading)


def _read_result(url: str, output: str, status: int) -> Failure | None:
    try:
        result = json.loads(output)
    except ValueError:
        result = None
    if not isinstance(result, dict):
        return _build_failure(
            url, _("the client printed no result (exit status {status})", status=status)
        )
    if result.get("ok") is not True:
        said = json.dumps(result, ensure_ascii=False)[:MAX_RESULT_CHARS]
        return _build_failure(url, _("the client says {said}", said=said))
    return None


def _build_failure(url: str, reason: str) -> Failure:
    return Failure(
        "SERVE_NOT_PROVED", _("asking {url} from the controller: {reason}", url=url, reason=reason)
    )
