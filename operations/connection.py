"""What pyinfra's connection lacks."""

from __future__ import annotations

import socket

from pyinfra.api import Host


def quicken(host: Host) -> None:
    """Send each packet at once: without it every command waits 40 ms (measured) for an ACK."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client is not None else None
    sock = getattr(transport, "sock", None)
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
