"""A big file from the fleet's own hosts: the swarm fills a partial file, SSH sends what it lacks.

A peer's word is never believed: the lock's sha256 of the whole decides, as for any other upload.
Whatever goes wrong in a swarm is a reason to leave it, never a failure of the host.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import gevent
from aria2c import ARIA2C
from gevent.lock import BoundedSemaphore
from pyinfra.api import Host

from fleet.checksum import torrent
from fleet.release import host_paths
from operations.host import events, settings
from operations.transfer.aria2 import Aria2Peer, LeftSwarm
from operations.transfer.seeder import Seeder, find_free_port
from operations.transfer.ssh_stream import TransferProgress
from operations.transfer.tracker import TrackedPeer, Tracker


@dataclass(frozen=True)
class SwarmOptions:
    """What a host's data says of swarms; rates in MiB/s."""

    distribution: str = "auto"
    swarm_hosts: int = 3
    swarm_size: int = 64
    swarm_address: str = ""
    swarm_ports: str = "6881-6999"
    swarm_rate: int = 0
    swarm_seed_rate: int = 0


class Swarm:
    """Of one file, as long as a host at work wants it."""

    def __init__(self, sha: str) -> None:
        self.sha = sha
        self.pending_hosts: set[str] = set()
        self.peers: dict[str, Aria2Peer] = {}
        self.seeder: Seeder | None = None
        self.torrent = b""
        self._starting = BoundedSemaphore(1)

    def start(self, local: Path, options: SwarmOptions) -> Tracker:
        """With the first host: the controller gives the file, and tells hosts of each other.

        :raises OSError: it cannot
        """
        with self._starting:
            meeting = _tracker(options.swarm_ports)
            if self.seeder is None:
                made = (local, self.sha)
                self.torrent = gevent.get_hub().threadpool.apply(torrent.load_or_create, made)
                self.seeder = Seeder(
                    local, self.torrent, options.swarm_ports, options.swarm_seed_rate
                )
                meeting.seed_ports[torrent.compute_infohash(self.torrent)] = self.seeder.port
            return meeting

    def stop(self) -> None:
        for peer in self.peers.values():
            peer.close()
        if self.seeder:
            seed, self.seeder = self.seeder, None
            events.emit("", "seeded", sha256=self.sha, sent=seed.stop())


#: by sha256 of the file
swarms: dict[str, Swarm] = {}
#: (host, sha256): it has left that swarm, and is not led back
left: set[tuple[str, str]] = set()


@lru_cache
def _tracker(ports: str) -> Tracker:
    return Tracker(find_free_port(ports))


@lru_cache
def aria2_file() -> tuple[Path, str, str]:
    """aria2c as a file of an upload; it stays on a host, for the next time."""
    sha = hashlib.sha256(ARIA2C.read_bytes()).hexdigest()
    return ARIA2C, f"{host_paths.STATE_FOLDER}/bin/aria2c", sha


def register_demand(host: str, files: set[str]) -> None:
    """A host that begins its work will want these files."""
    for sha in files:
        swarms.setdefault(sha, Swarm(sha)).pending_hosts.add(host)


def should_use_swarm(host: Host, sha: str, size: int) -> bool:
    """Whether a host is to get a file from a swarm."""
    terms, swarm = settings.from_host_data(SwarmOptions, host), swarms.get(sha)
    if terms.distribution == "ssh" or (host.name, sha) in left or swarm is None:
        return False
    if not hasattr(host.connector, "client"):  # not SSH
        return False
    hosts = len(swarm.pending_hosts | swarm.peers.keys())
    enough = terms.distribution == "swarm" or hosts >= terms.swarm_hosts
    return enough and size >= terms.swarm_size << 20


def fill_from_swarm(
    host: Host, local: Path, sha: str, part: str, there: int, progress: TransferProgress
) -> str:
    """Bring a partial file by its swarm.

    :param there: bytes of it that are there, right or wrong
    :returns: why it is not whole; "" when it is, and the host then gives it to others
    """
    swarm, terms = swarms[sha], settings.from_host_data(SwarmOptions, host)
    swarm.pending_hosts.add(host.name)  # one that lost its connection meanwhile was taken off
    comes_again = False
    try:
        meeting = swarm.start(local, terms)
        peer = swarm.peers[host.name] = Aria2Peer(
            host,
            part,
            aria2_file()[1],
            terms.swarm_ports,
            terms.swarm_rate,
            terms.swarm_address,
            meeting.port,
        )
        own, controller = peer.wait_for_addresses()
        assert swarm.seeder is not None
        swarm.seeder.allow(own)
        members = meeting.peers
        members.setdefault(own, TrackedPeer(controller, str(host.data.get("rack") or "")))
        peer.send_torrent(swarm.torrent)
        peer.wait_until_complete(progress, there, local.stat().st_size)
        return ""
    except LeftSwarm as error:
        return str(error)
    except gevent.GreenletExit:  # it is stopped, and may come again
        comes_again = True
        raise
    except Exception as error:  # a library, a process or a network of the swarm's
        return f"{type(error).__name__}: {error}"
    finally:
        joined = swarm.peers.get(host.name)
        if joined is None or not joined.is_complete:
            if not comes_again:
                left.add((host.name, sha))
            swarm.peers.pop(host.name, None)
        if joined and not joined.is_complete:
            joined.close()


def host_done(host: str, sha: str) -> None:
    """A host has a file, or will not get it: with the last of them its swarm ends."""
    swarm = swarms.get(sha)
    if swarm is None:
        return
    swarm.pending_hosts.discard(host)
    if not swarm.pending_hosts:
        del swarms[sha]
        swarm.stop()


def leave_swarms(host: str) -> None:
    """A host's part in this run is over."""
    for sha, swarm in list(swarms.items()):
        if peer := swarm.peers.pop(host, None):
            peer.close()
        host_done(host, sha)


def _on_event(host: str, kind: str, event: dict[str, Any]) -> None:
    if kind in ("failed", "unreachable"):
        leave_swarms(host)


events.listeners.append(_on_event)
