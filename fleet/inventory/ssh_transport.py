"""The SSH transport of every connection: quick from its first byte, its cheapest cipher first."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paramiko import Transport

#: encrypts and authenticates in one; with another cipher a MAC costs as much again
PREFERRED_CIPHER = "aes128-gcm@openssh.com"
#: seconds after which a reader that got nothing looks whether it is still wanted. paramiko's 0.1
#: costs each open connection 1.2 ms of CPU a second (measured); a close wakes the reader anyway
READ_POLL_S = 1.0
#: bytes before a host's SSH version; sshd's own banners come later
MAX_BANNER_BYTES = 65536
#: messages of one host after which the others have their turn
MESSAGES_PER_TURN = 256


def make_fast_transport(sock: Any, *arguments: Any, **named: Any) -> Transport:
    """A transport factory for paramiko; a host without that cipher takes the next one."""
    from paramiko import Transport  # not before there is a connection: its import is slow

    under = Transport(sock, *arguments, **named)
    if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        # the handshake's small packets, too, would each wait for the ACK of the one before
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(READ_POLL_S)
    # a host that talks without pause would keep all others waiting, and this process growing
    packets: Any = under.packetizer
    packets._read_timeout = limit_banner(packets._read_timeout)
    packets.read_message = yield_regularly(packets.read_message)
    options = under.get_security_options()
    # a stable sort: the others keep their order
    options.ciphers = sorted(options.ciphers, key=lambda name: name != PREFERRED_CIPHER)
    return under


def limit_banner(read: Callable[[float], bytes]) -> Callable[[float], bytes]:
    """What reads the lines before a host's version, up to :data:`BEFORE`."""
    count = 0

    def some(timeout: float) -> bytes:
        nonlocal count
        time.sleep(0)
        found = read(timeout)
        count += len(found)
        if count > MAX_BANNER_BYTES:
            raise OSError(f": {MAX_BANNER_BYTES >> 10} KiB, and no SSH version in them")
        return found

    return some


def yield_regularly(read: Callable[[], Any]) -> Callable[[], Any]:
    """What reads a host's messages, with a break now and then."""
    count = 0

    def one() -> Any:
        nonlocal count
        count += 1
        if not count % MESSAGES_PER_TURN:
            time.sleep(0)
        return read()

    return one
