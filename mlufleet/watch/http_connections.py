"""Which connections a server keeps when there are more than it wants: no client locks others out.

A connection that has not sent its request yet gives way to a newer one of the same client, and so
does an answer that is taken slowly. A client is an address: for IPv6 the network of 64 bits that a
machine can choose any address of, and this machine as a whole.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

#: connections at the same time, of all clients and of each
MAX_CONNECTIONS, MAX_OF_CLIENT = 64, 16
#: seconds that an answer may take before a newer connection can end it
SLOW_ANSWER_S = 2.0
#: bits of the part of an IPv6 address that is of a network
IPV6_NETWORK_BITS = 64


def identify_client(address: str) -> str:
    """Return what is counted as one client.

    Args:
        address: IP address of a connection.
    """
    with suppress(ValueError):
        found = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        if found.is_loopback:
            return "loopback"
        if isinstance(found, ipaddress.IPv6Address):
            network = ipaddress.ip_network((found, IPV6_NETWORK_BITS), strict=False)
            return str(network)
        return str(found)
    return address


@dataclass
class Connection:
    """A connection that is open.

    Attributes:
        sock: The connection.
        client: Whose it is.
        since: When it began to send its request or, once that is read, to take its answer.
        is_asking: Whether its request has not been read yet.
    """

    sock: socket.socket
    client: str
    since: float
    is_asking: bool = True


class ConnectionTable:
    """The connections of a server; methods can be called by any thread.

    Args:
        clock: Returns seconds of a clock that only goes forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._connections: dict[int, Connection] = {}

    def admit(self, sock: socket.socket, address: str) -> bool:
        """Return whether there is room for a connection, if need be instead of a slow one.

        Args:
            sock: The connection.
            address: IP address of the client.
        """
        client = identify_client(address)
        with self._lock:
            same = [one for one in self._connections.values() if one.client == client]
            if len(same) >= MAX_OF_CLIENT:
                is_room = self._end_slowest(same)
            elif len(self._connections) >= MAX_CONNECTIONS:
                is_room = self._end_slowest(self._connections.values())
            else:
                is_room = True
            if is_room:
                self._connections[id(sock)] = Connection(sock, client, self._clock())
            return is_room

    def note_request(self, sock: socket.socket) -> None:
        """Note that a request has been read.

        Args:
            sock: Its connection.
        """
        with self._lock:
            if one := self._connections.get(id(sock)):
                one.is_asking, one.since = False, self._clock()

    def remove(self, sock: socket.socket) -> None:
        """Note that a connection is closed.

        Args:
            sock: The connection.
        """
        with self._lock:
            self._connections.pop(id(sock), None)

    def _end_slowest(self, connections: Iterable[Connection]) -> bool:
        """End the connection that has the least claim, and return whether there is one."""
        now = self._clock()
        ends = [one for one in connections if one.is_asking or now - one.since >= SLOW_ANSWER_S]
        if not ends:
            return False
        slowest = min(ends, key=lambda one: (not one.is_asking, one.since))
        del self._connections[id(slowest.sock)]
        with suppress(OSError):  # its thread sees the end, and closes it
            slowest.sock.shutdown(socket.SHUT_RDWR)
        return True
