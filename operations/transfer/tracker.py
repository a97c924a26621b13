"""The tracker of a swarm: the controller tells its hosts of each other, and nobody else.

aria2c asks it over HTTP, as it would any BitTorrent tracker (BEP 3, 23). DHT alone was tried:
aria2c looks for peers there only every ten seconds, and loses the first of them.
"""

from __future__ import annotations

import random
import re
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import gevent

from fleet.checksum import torrent

#: seconds until a host asks again
ANNOUNCE_INTERVAL_S = 30
#: hosts that a host is told of: as many as aria2 serves at a time, but for one that it changes. It
#: chooses anew whenever one of its peers begins or ends to want something, and whoever is not
#: chosen loses what it has asked for: with four links one of 16 hosts came to be 10 s behind all
#: others, and with six links 1 GiB took all of them longer by a twentieth (measured)
LINKS = 3
#: of these, hosts of other racks if its own rack has enough
MAX_REMOTE_LINKS = 1
#: hosts that a host is told of at least, also where they have LINKS already
MIN_LINKS = 2
#: seconds without a further host after which those that have begun are told of each other
SETTLE_S = 0.3
#: seconds that a host waits for this at most
MAX_SETTLE_S = 1.0
PORT_PATTERN = re.compile("[0-9]{1,5}")


@dataclass(eq=False)
class TrackedPeer:
    """A host that may ask the tracker.

    Attributes:
        address: its IPv4 address
        rack: name of its rack; "" if unknown
        ports: infohash -> port on which it serves that file
        links: infohash -> hosts that it was told of, or that were told of it
    """

    address: str
    rack: str = ""
    ports: dict[bytes, int] = field(default_factory=dict)
    links: dict[bytes, list[TrackedPeer]] = field(default_factory=dict)

    def find_reached(self, infohash: bytes) -> set[TrackedPeer]:
        """Return the hosts that a chain of links leads to, itself among them.

        Args:
            infohash: of the file's torrent
        """
        reached: set[TrackedPeer] = set()
        found = [self]
        while found:
            host = found.pop()
            if host not in reached:
                reached.add(host)
                found += host.links.get(infohash, [])
        return reached

    def leave(self, infohash: bytes) -> None:
        """Note that it does not serve a file any more.

        Args:
            infohash: of the file's torrent
        """
        self.ports.pop(infohash, None)
        for other in self.links.pop(infohash, []):
            other.links[infohash].remove(self)


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
        connect: infohash -> lets the controller connect to the address and port of a host, which
            is not told of the controller: it would connect only a second after the answer
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
        self.connect: dict[bytes, Callable[[str, int], object]] = {}
        from gevent.pywsgi import WSGIServer  # imported late: most runs have no swarm

        #: infohash -> when a host has begun last
        self._last_started: dict[bytes, float] = {}
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
        if peer is None or infohash not in self.connect or not PORT_PATTERN.fullmatch(port):
            return b""
        if fields.get("event") == "stopped":
            peer.leave(infohash)
            return self._answer(infohash, [])
        peer.ports[infohash] = int(port) & 0xFFFF
        if fields.get("event") == "started":
            self.connect[infohash](address, peer.ports[infohash])
            self._wait_for_others(infohash)
            if infohash not in peer.ports:  # it has left meanwhile
                return self._answer(infohash, [])
        return self._answer(infohash, self._link(peer, infohash))

    def _answer(self, infohash: bytes, peers: list[TrackedPeer]) -> bytes:
        told = b"".join(compact_peer(peer.address, peer.ports[infohash]) for peer in peers)
        return torrent.encode_bencode({b"interval": ANNOUNCE_INTERVAL_S, b"peers": told})

    def _wait_for_others(self, infohash: bytes) -> None:
        """Wait until no host begins any more: those that begin together are linked evenly."""
        begin = self._last_started[infohash] = time.monotonic()
        while True:
            now = time.monotonic()
            quiet_s = now - self._last_started[infohash]
            if quiet_s >= SETTLE_S or now - begin >= MAX_SETTLE_S:
                return
            gevent.sleep(SETTLE_S - quiet_s)

    def _link(self, peer: TrackedPeer, infohash: bytes) -> list[TrackedPeer]:
        """Choose who a host is told of, so that it has LINKS links: those with the fewest links.

        Hosts come first that no chain of links leads to yet: of a swarm in two parts, each part
        would get the whole file from the controller.
        """
        own = peer.links.setdefault(infohash, [])
        wanted = LINKS - len(own)
        if wanted <= 0:
            return []
        others = [
            other
            for other in self.peers.values()
            if other is not peer and infohash in other.ports and other not in own
        ]
        random.shuffle(others)
        reached = peer.find_reached(infohash)
        others.sort(key=lambda other: (other in reached, len(other.links.setdefault(infohash, []))))
        near = [other for other in others if peer.rack and other.rack == peer.rack]
        far = [other for other in others if other not in near]
        if len(near) >= wanted:
            remote = sum(other.rack != peer.rack for other in own)
            far = far[: max(0, MAX_REMOTE_LINKS - remote)]
            near = near[: wanted - len(far)]
        chosen: list[TrackedPeer] = []
        for other in [*near, *far][:wanted]:
            # one link too many is better than a host that depends on another one alone
            if len(other.links[infohash]) < LINKS or len(own) < MIN_LINKS:
                chosen.append(other)
                own.append(other)
                other.links[infohash].append(peer)
        return chosen
