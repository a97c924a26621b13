"""Where the hosts of a swarm find each other: the controller tells them, and nobody else.

A host's aria2c asks over HTTP, as it would ask a tracker (BEP 3, 23). Its DHT alone was tried: it
looks for peers only every ten seconds, and the first of them are lost.
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
#: hosts of other racks that one is told of when there are as many in its own
MAX_REMOTE_PEERS = 2
#: hosts that one is told of at most
MAX_PEERS = 30
PORT_PATTERN = re.compile("[0-9]{1,5}")


@dataclass
class TrackedPeer:
    """A host that may ask.

    :param controller: its address, as this host sees it
    :param ports: infohash -> port on which it gives that file
    """

    controller_address: str
    rack: str = ""
    ports: dict[bytes, int] = field(default_factory=dict)


def compact_peer(address: str, port: int) -> bytes:
    """:raises OSError: it is no IPv4 address"""
    return socket.inet_aton(address) + struct.pack(">H", port)


class Tracker:
    def __init__(self, port: int) -> None:
        self.port = port
        #: by address
        self.peers: dict[str, TrackedPeer] = {}
        #: infohash -> port on which the controller has all of it
        self.seed_ports: dict[bytes, int] = {}
        from gevent.pywsgi import WSGIServer  # not before there is a swarm: most runs have none

        self._server = WSGIServer(("0.0.0.0", port), self._serve, log=None, error_log=None)
        self._server.start()

    def _serve(self, request: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        answer = self.announce(request["REMOTE_ADDR"], request.get("QUERY_STRING", ""))
        start("200 OK" if answer else "403 Forbidden", [("Content-Type", "text/plain")])
        return [answer]

    def announce(self, address: str, query: str) -> bytes:
        """What a host is told; nothing to whoever is not of the fleet."""
        member = self.peers.get(address)
        said = dict(parse_qsl(query, encoding="latin-1"))
        infohash = said.get("info_hash", "").encode("latin-1", "replace")
        if (
            member is None
            or infohash not in self.seed_ports
            or not PORT_PATTERN.fullmatch(said.get("port", ""))
        ):
            return b""
        if said.get("event") == "stopped":
            member.ports.pop(infohash, None)
        else:
            member.ports[infohash] = int(said["port"]) & 0xFFFF
        peers = compact_peer(member.controller_address, self.seed_ports[infohash])
        peers += b"".join(self._other_peers(address, infohash))
        return torrent.encode_bencode({b"interval": ANNOUNCE_INTERVAL_S, b"peers": peers})

    def _other_peers(self, address: str, infohash: bytes) -> list[bytes]:
        """Hosts of its own rack before all others, and in no order that all would share."""
        own = self.peers[address].rack
        near: list[bytes] = []
        far: list[bytes] = []
        for other, member in self.peers.items():
            if other != address and infohash in member.ports:
                mate = bool(own) and member.rack == own
                (near if mate else far).append(compact_peer(other, member.ports[infohash]))
        random.shuffle(near)
        random.shuffle(far)
        return [*near, *(far[:MAX_REMOTE_PEERS] if len(near) >= MAX_REMOTE_PEERS else far)][
            :MAX_PEERS
        ]
