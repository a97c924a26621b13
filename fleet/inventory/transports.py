"""The SSH transport of every connection: quick from its first byte, its cheapest cipher first."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paramiko import Transport

#: encrypts and authenticates in one; with another cipher a MAC costs as much again
CHEAPEST = "aes128-gcm@openssh.com"
#: seconds after which a reader that got nothing looks whether it is still wanted. paramiko's 0.1
#: costs each open connection 1.2 ms of CPU a second (measured); a close wakes the reader anyway
PATIENCE = 1.0


def quick(sock: Any, *arguments: Any, **named: Any) -> Transport:
    """A transport factory for paramiko; a host without that cipher takes the next one."""
    from paramiko import Transport  # not before there is a connection: its import is slow

    under = Transport(sock, *arguments, **named)
    if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        # the handshake's small packets, too, would each wait for the ACK of the one before
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(PATIENCE)
    options = under.get_security_options()
    # a stable sort: the others keep their order
    options.ciphers = sorted(options.ciphers, key=lambda name: name != CHEAPEST)
    return under
