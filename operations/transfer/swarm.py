"""Large files from the fleet's own hosts: the swarm fills a partial file, SSH sends what it lacks.

No peer is trusted: the lock's sha256 of the complete file decides, as for any other upload.
Whatever goes wrong in a swarm is a reason to leave it, never a failure of the host.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import gevent
from aria2c import ARIA2C
from gevent.lock import BoundedSemaphore
from pyinfra import logger
from pyinfra.api import Host

from fleet.checksum import torrent
from fleet.errors import Failure
from fleet.language import _
from fleet.release import host_paths
from operations.host import settings
from operations.host.context import RunContext, run_context
from operations.host.events import Event, HostFailure
from operations.host.probe import capture_failure
from operations.host.threads import run_in_thread
from operations.transfer.aria2 import Aria2Peer, LeftSwarm
from operations.transfer.seeder import Seeder, find_free_port
from operations.transfer.ssh_stream import TransferProgress
from operations.transfer.tracker import TrackedPeer, Tracker


@dataclass(frozen=True)
class SwarmOptions:
    """Host data about swarms.

    Attributes:
        distribution: "ssh" for no swarm, "swarm" for one whenever a file is large enough, "auto"
            for one if enough hosts need the file, too
        swarm_hosts: number of hosts that is enough
        swarm_size: MiB from which a file is large enough
        swarm_address: IPv4 address of the controller; "" for the one that the host sees
        swarm_ports: range of TCP ports on the controller and on hosts
        swarm_rate: MiB/s that a host receives, and sends; 0 for no limit
        swarm_seed_rate: MiB/s that the controller sends of one file; 0 for no limit
    """

    distribution: str = "auto"
    swarm_hosts: int = 3
    swarm_size: int = 64
    swarm_address: str = ""
    swarm_ports: str = "6881-6999"
    swarm_rate: int = 0
    swarm_seed_rate: int = 0


class Swarm:
    """The swarm of one file. It lasts as long as an active host needs the file.

    Attributes:
        sha: sha256 of the file
        pending_hosts: names of hosts that need it
        seeds: names of hosts that had it and serve it, or will if another one asks for it
        offers: let a seed begin
        is_asked: whether a host has asked for the file, so that offers are accepted at once
        peers: host name -> its aria2c
        seeder: the controller's end
        torrent: of the file, bencoded; empty until the swarm starts
    """

    def __init__(self, sha: str, find_tracker: Callable[[str], Tracker]) -> None:
        """Prepare the swarm; nothing runs before :meth:`start`.

        Args:
            sha: sha256 of the file
            find_tracker: returns the tracker of a range of ports
        """
        self.sha = sha
        self._find_tracker = find_tracker
        self.pending_hosts: set[str] = set()
        self.seeds: set[str] = set()
        self.offers: list[Callable[[], object]] = []
        self.is_asked = False
        self.peers: dict[str, Aria2Peer] = {}
        self.seeder: Seeder | None = None
        self.torrent = b""
        self._starting = BoundedSemaphore(1)

    def load_torrent(self, local: Path) -> None:
        """Have the torrent, which costs reading the file if it was never needed before.

        Args:
            local: the file on the controller

        Raises:
            OSError: it cannot be read, or has changed
        """
        with self._starting:
            if not self.torrent:
                self.torrent = run_in_thread(torrent.load_or_create, local, self.sha)

    def start(self, local: Path, options: SwarmOptions) -> Tracker:
        """Seed the file from the controller, unless that runs already.

        Args:
            local: the file on the controller
            options: of the host that joins

        Returns:
            The tracker of the swarm.

        Raises:
            OSError: no port is free, or no process starts
        """
        self.load_torrent(local)
        with self._starting:
            tracker = self._find_tracker(options.swarm_ports)
            if self.seeder is None:
                self.seeder = Seeder(local, self.torrent, options.swarm_seed_rate)
                tracker.connect[torrent.compute_infohash(self.torrent)] = self.seeder.connect
            return tracker

    def accept_offers(self) -> None:
        """Let the hosts that have the file serve it, because another one asks for it now."""
        self.is_asked = True
        offers, self.offers = self.offers, []
        for begin in offers:
            begin()

    def stop(self) -> int | None:
        """End the swarm.

        Returns:
            Bytes that the controller has sent; None if it did not seed.
        """
        for peer in self.peers.values():
            peer.close()
        seeder, self.seeder = self.seeder, None
        return seeder.stop() if seeder else None


@lru_cache
def aria2_file() -> tuple[Path, str, str]:
    """Return aria2c as a file of an upload: local path, path on the host, sha256."""
    sha = hashlib.sha256(ARIA2C.read_bytes()).hexdigest()
    return ARIA2C, f"{host_paths.STATE_FOLDER}/bin/aria2c", sha


class Swarms:
    """The swarms of a run. A host that fails or is unreachable leaves all of them.

    Attributes:
        by_checksum: sha256 of a file -> its swarm
        excluded: (host name, sha256) of hosts that left a swarm and do not join it again
        trackers: range of ports -> the tracker of the swarms there
    """

    def __init__(self, context: RunContext) -> None:
        """Listen to the run.

        Args:
            context: of the run
        """
        self.by_checksum: dict[str, Swarm] = {}
        self.excluded: set[tuple[str, str]] = set()
        self.trackers: dict[str, Tracker] = {}
        self._preparing = BoundedSemaphore(1)
        self._events = context.events
        context.events.listeners.append(self._on_event)

    def _tracker(self, ports: str) -> Tracker:
        """The run's tracker, started on first use."""
        if ports not in self.trackers:
            self.trackers[ports] = Tracker(find_free_port(ports))
        return self.trackers[ports]

    def register_demand(self, host_name: str, checksums: Iterable[str]) -> None:
        """Note which files a host needs.

        Args:
            host_name: a host that begins its work
            checksums: sha256 of the files
        """
        for sha in checksums:
            swarm = self.by_checksum.setdefault(sha, Swarm(sha, self._tracker))
            swarm.pending_hosts.add(host_name)

    def prepare(self, host: Host, files: Mapping[str, Path]) -> None:
        """Create the torrents that will be needed, while hosts still have other work.

        Args:
            host: a host that needs files
            files: sha256 of each file, and where it is on the controller
        """
        for sha, local in files.items():
            with suppress(OSError):  # who sends the file says why it cannot be read
                if self.should_use_swarm(host, sha, local.stat().st_size):
                    gevent.spawn(self._prepare, self.by_checksum[sha], local)

    def _prepare(self, swarm: Swarm, local: Path) -> None:
        """Create a torrent that is still needed, one after the other."""
        with self._preparing, suppress(OSError):
            if self.by_checksum.get(swarm.sha) is swarm:
                swarm.load_torrent(local)

    def should_use_swarm(self, host: Host, sha: str, size: int) -> bool:
        """Return whether a host is to receive a file by a swarm.

        Args:
            host: the host
            sha: sha256 of the file
            size: bytes of the file
        """
        swarm = self.by_checksum.get(sha)
        if swarm is None:
            return False
        hosts = len(swarm.pending_hosts | swarm.peers.keys() | swarm.seeds)
        return self._is_wanted(host, sha, size, hosts)

    def _is_wanted(self, host: Host, sha: str, size: int, hosts: int) -> bool:
        """Whether a host may join the swarm of a file that has this number of hosts."""
        options = settings.from_host_data(SwarmOptions, host)
        if options.distribution == "ssh" or (host.name, sha) in self.excluded:
            return False
        if not hasattr(host.connector, "client"):  # not SSH
            return False
        enough = options.distribution == "swarm" or hosts >= options.swarm_hosts
        return enough and size >= options.swarm_size << 20

    def fill(
        self, host: Host, local: Path, sha: str, part: str, there: int, progress: TransferProgress
    ) -> str:
        """Fill a partial file. The host then serves it to others until :meth:`leave`.

        Args:
            host: the host that receives it
            local: the file on the controller
            sha: its sha256
            part: name of the partial file
            there: bytes of it that are there, correct or not
            progress: counts what arrives

        Returns:
            Why it is not complete; "" if it is.
        """
        swarm = self.by_checksum[sha]
        swarm.pending_hosts.add(host.name)  # again, after a lost connection
        rejoins = False
        swarm.accept_offers()
        try:
            peer = self._start_peer(host, swarm, local, part)
            peer.wait_until_complete(progress, there, local.stat().st_size)
            return ""
        except LeftSwarm as error:
            return str(error)
        except gevent.GreenletExit:  # stopped, and may come again
            rejoins = True
            raise
        except Exception as error:  # of a library, a process or the network
            return f"{type(error).__name__}: {error}"
        finally:
            joined = swarm.peers.get(host.name)
            if joined is None or not joined.is_complete:
                if not rejoins:
                    self.excluded.add((host.name, sha))
                swarm.peers.pop(host.name, None)
            if joined and not joined.is_complete:
                joined.close()

    def _start_peer(self, host: Host, swarm: Swarm, local: Path, file: str) -> Aria2Peer:
        """Start aria2c on a host and let it join.

        Args:
            host: the host
            swarm: of the file
            local: the file on the controller
            file: name of the partial file to fill; or the path of the complete file to serve
        """
        options = settings.from_host_data(SwarmOptions, host)
        tracker = swarm.start(local, options)
        peer = swarm.peers[host.name] = Aria2Peer(
            host,
            file,
            local.stat().st_size,
            aria2_file()[1],
            options.swarm_ports,
            options.swarm_rate,
            options.swarm_address,
            tracker.port,
        )
        own, _controller = peer.wait_for_addresses()
        rack = str(host.data.get("rack") or "")
        tracked = tracker.peers.setdefault(own, TrackedPeer(own, rack))
        # a process that is killed tells the tracker nothing
        peer.call_at_end(partial(tracked.leave, torrent.compute_infohash(swarm.torrent)))
        peer.send_torrent(swarm.torrent)
        return peer

    def should_seed(self, host: Host, sha: str, size: int) -> bool:
        """Return whether a host that has a file is to serve it to others.

        Args:
            host: the host
            sha: sha256 of the file
            size: bytes of the file
        """
        swarm = self.by_checksum.get(sha)
        if swarm is None or host.name in swarm.peers or host.name in swarm.seeds:
            return False
        others = len(swarm.pending_hosts | swarm.peers.keys() | swarm.seeds)
        return self._is_wanted(host, sha, size, others + 1)

    def seed(
        self, host: Host, local: Path, sha: str, path: str, place_client: Callable[[], str]
    ) -> None:
        """Let a host serve a file that it has, until the swarm ends or the host leaves.

        It begins with the swarm: maybe all other hosts have the file, too.

        Args:
            host: the host
            local: the file on the controller
            sha: its sha256
            path: where the host has it; nothing is written there
            place_client: puts aria2c on the host, and returns why that failed, or ""
        """
        swarm = self.by_checksum[sha]
        swarm.seeds.add(host.name)

        def join() -> str:
            reason = place_client()
            # the swarm may have ended meanwhile, or the host may have left it
            if not reason and self.by_checksum.get(sha) is swarm and host.name in swarm.seeds:
                reason = self._join_as_seed(host, swarm, local, path)
            return reason

        def serve() -> None:
            found = capture_failure(host, join)
            reason = f"{found.code}: {found.sentence}" if isinstance(found, Failure) else found
            if reason:
                swarm.seeds.discard(host.name)
                logger.info(
                    host.print_prefix
                    + _(
                        "does not serve {path} to others: {reason}",
                        path=path,
                        reason=reason,
                    )
                )

        swarm.offers.append(lambda: gevent.spawn(serve))
        if swarm.is_asked:  # its torrent may still be in the making
            swarm.accept_offers()

    def _join_as_seed(self, host: Host, swarm: Swarm, local: Path, path: str) -> str:
        """Serve a file from a host; return why that failed, "" if it did not."""
        try:
            self._start_peer(host, swarm, local, path).wait_until_serving()
            reason = ""
        except LeftSwarm as error:
            reason = str(error)
        except Exception as error:  # of a library, a process or the network
            reason = f"{type(error).__name__}: {error}"
        if self.by_checksum.get(swarm.sha) is not swarm:  # it has ended meanwhile
            swarm.stop()
            return reason or _("no host needs it any more")
        if host.name not in swarm.seeds:
            reason = reason or _("its part in the run is over")
        if not reason:
            logger.info(
                host.print_prefix
                + _(
                    "serves {path} to other hosts",
                    path=path,
                )
            )
        elif host.name in swarm.peers:
            swarm.peers.pop(host.name).close()
        return reason

    def host_done(self, host_name: str, sha: str) -> None:
        """Note that a host has a file, or will not get it. The swarm ends with its last such host.

        Args:
            host_name: the host
            sha: sha256 of the file
        """
        swarm = self.by_checksum.get(sha)
        if swarm is None:
            return
        swarm.pending_hosts.discard(host_name)
        if not swarm.pending_hosts:
            del self.by_checksum[sha]
            sent = swarm.stop()
            if sent is not None:
                self._events.emit("", "seeded", sha256=sha, sent=sent)

    def leave(self, host_name: str) -> None:
        """Remove a host from all swarms.

        Args:
            host_name: a host whose part in the run is over
        """
        for sha, swarm in list(self.by_checksum.items()):
            swarm.seeds.discard(host_name)
            if peer := swarm.peers.pop(host_name, None):
                peer.close()
            self.host_done(host_name, sha)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, HostFailure):
            self.leave(event.host)


def swarms(host: Host) -> Swarms:
    """Return the swarms of the run that a host belongs to."""
    return run_context(host).service(Swarms)


def register_demand(host: Host, files: Mapping[str, Path]) -> None:
    """Note which files a host needs, so that hosts that need the same ones share a swarm.

    Args:
        host: a host that begins its work
        files: sha256 of each file, and where it is on the controller
    """
    swarms(host).register_demand(host.name, files)
    swarms(host).prepare(host, files)
