"""The tracker of a swarm: the controller tells its hosts of each other, and nobody else.

aria2c asks it over HTTP, as it would any BitTorrent tracker (BEP 3, 23). DHT alone was tried:
aria2c looks for peers there only every ten seconds, and loses the first of them.
"""

from __future__ import annotations

import random
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from fleet.checksum import torrent

#: seconds until a host asks again
ANNOUNCE_INTERVAL_S = 30
#: hosts of other racks that a host is told of if its own rack has as many
MAX_REMOTE_PEERS = 2
#: hosts that a host is told of at most
MAX_PEERS = 30
PORT_PATTERN = re.compile("[0-9]{1,5}")


@dataclass
class TrackedPeer:
    """A host that may ask the tracker.

    Attributes:
        controller_address: IPv4 address of the controller, as this host sees it
        rack: name of its rack; "" if unknown
        ports: infohash -> port on which it serves that file
    """

    controller_address: str
    rack: str = ""
    ports: dict[bytes, int] = field(default_factory=dict)


def compact_peer(address: str, port: int) -> bytes:
    """Encode a peer in the compact format of BEP 23.

    Args:
        address: its IPv4 address
        port: its TCP port

    Raises:
        OSError: the address is not an IPv4 address
    """
    return socket.inet_aton(address) + struct.pack(">H", port)


class Tracker:
    """An HTTP server that answers hosts of this run only.

    Attributes:
        peers: address -> the host that may ask from there
        seed_ports: infohash -> port on which the controller has the complete file
        connect: infohash -> lets the controller connect to the address and port of a host. aria2
            connects to those that it is told of only a second after the answer
    """

    def __init__(self, port: int) -> None:
        """Start the server.

        Args:
            port: TCP port that it listens on

        Raises:
            OSError: the port is in use
        """
        self.port = port
        self.peers: dict[str, TrackedPeer] = {}
        self.seed_ports: dict[bytes, int] = {}
        self.connect: dict[bytes, Callable[[str, int], object]] = {}
        from gevent.pywsgi import WSGIServer  # imported late: most runs have no swarm

        self._server = WSGIServer(("0.0.0.0", port), self._serve, log=None, error_log=None)
        self._server.start()

    def _serve(self, request: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        answer = self.announce(request["REMOTE_ADDR"], request.get("QUERY_STRING", ""))
        start("200 OK" if answer else "403 Forbidden", [("Content-Type", "text/plain")])
        return [answer]

    def announce(self, address: str, query: str) -> bytes:
        """Note that a host serves a file, and tell it of others.

        Args:
            address: the IPv4 address that the request came from
            query: query string of the request

        Returns:
            The bencoded answer; empty if the host or the file is unknown.
        """
        peer = self.peers.get(address)
        fields = dict(parse_qsl(query, encoding="latin-1"))
        infohash = fields.get("info_hash", "").encode("latin-1", "replace")
        port = fields.get("port", "")
        if peer is None or infohash not in self.seed_ports or not PORT_PATTERN.fullmatch(port):
            return b""
        if fields.get("event") == "stopped":
            peer.ports.pop(infohash, None)
        else:
            peer.ports[infohash] = int(port) & 0xFFFF
            if fields.get("event") == "started" and infohash in self.connect:
                self.connect[infohash](address, peer.ports[infohash])
        peers = compact_peer(peer.controller_address, self.seed_ports[infohash])
        peers += b"".join(self._other_peers(address, infohash))
        return torrent.encode_bencode({b"interval": ANNOUNCE_INTERVAL_S, b"peers": peers})

    def _other_peers(self, address: str, infohash: bytes) -> list[bytes]:
        """Hosts of the same rack before all others, in random order."""
        own_rack = self.peers[address].rack
        near: list[bytes] = []
        far: list[bytes] = []
        for other, peer in self.peers.items():
            if other != address and infohash in peer.ports:
                same_rack = bool(own_rack) and peer.rack == own_rack
                (near if same_rack else far).append(compact_peer(other, peer.ports[infohash]))
        random.shuffle(near)
        random.shuffle(far)
        enough_near = len(near) >= MAX_REMOTE_PEERS
        return [*near, *(far[:MAX_REMOTE_PEERS] if enough_near else far)][:MAX_PEERS]
