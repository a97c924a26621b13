"""The SSH transport of every connection: without Nagle's delay, cheapest cipher first."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fleet.language import _

if TYPE_CHECKING:
    from paramiko import Transport

#: encrypts and authenticates at once; other ciphers need a MAC, which costs as much again
PREFERRED_CIPHER = "aes128-gcm@openssh.com"
#: how often an idle reader checks whether it is still needed. paramiko's 0.1 s costs 1.2 ms of CPU
#: per second and connection (measured); closing a connection wakes its reader in any case
READ_POLL_S = 1.0
#: bound of the text before a host's SSH version; banners of sshd come later
MAX_BANNER_BYTES = 65536
#: messages of one host before other hosts are served
MESSAGES_PER_TURN = 256


def make_fast_transport(sock: Any, *arguments: Any, **options: Any) -> Transport:
    """Create a transport; used as paramiko's transport factory.

    Args:
        sock: socket of the connection.
        *arguments: further arguments of :class:`paramiko.Transport`.
        **options: keyword arguments of :class:`paramiko.Transport`.

    Returns:
        The transport. A host that lacks the preferred cipher uses its next one.
    """
    from paramiko import Transport  # imported with the first connection, because it is slow

    transport = Transport(sock, *arguments, **options)
    if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        # otherwise each small packet of the handshake waits for the ACK of the previous one
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(READ_POLL_S)
    # a host that sends without pause would block all others, and let this process grow
    packetizer: Any = transport.packetizer
    packetizer._read_timeout = limit_banner(packetizer._read_timeout)
    packetizer.read_message = yield_regularly(packetizer.read_message)
    security = transport.get_security_options()
    # the sort is stable: other ciphers keep their order
    security.ciphers = sorted(security.ciphers, key=lambda name: name != PREFERRED_CIPHER)
    return transport


def limit_banner(read: Callable[[float], bytes]) -> Callable[[float], bytes]:
    """Limit the text before a host's SSH version.

    Args:
        read: paramiko's function that reads the next bytes within a timeout in seconds.

    Returns:
        The same function, which raises OSError after :data:`MAX_BANNER_BYTES`.
    """
    count = 0

    def read_limited(timeout: float) -> bytes:
        nonlocal count
        time.sleep(0)
        block = read(timeout)
        count += len(block)
        if count > MAX_BANNER_BYTES:
            raise OSError(_(": {size} KiB without an SSH version", size=MAX_BANNER_BYTES >> 10))
        return block

    return read_limited


def yield_regularly(read: Callable[[], Any]) -> Callable[[], Any]:
    """Let other hosts be served while one sends without pause.

    Args:
        read: paramiko's function that reads the next message.

    Returns:
        The same function, which switches to other greenlets after :data:`MESSAGES_PER_TURN`.
    """
    count = 0

    def read_message() -> Any:
        nonlocal count
        count += 1
        if not count % MESSAGES_PER_TURN:
            time.sleep(0)
        return read()

    return read_message
