"""The controller's end of a swarm: libtorrent, in this process, serves one file from the store.

aria2, which the hosts run, serves four peers at a time and changes them every ten seconds. With
more hosts, some waited for their first bytes until they left (measured). libtorrent gives each host
its share of the link at all times, and lets no other address in. It ends with the process.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import gevent

from fleet.checksum import torrent
from fleet.language import _

#: seconds to wait until libtorrent listens
LISTEN_TIMEOUT_S = 15
SESSION_SETTINGS = {
    "listen_queue_size": 512,
    "connections_limit": 2000,
    "max_retry_port_bind": 0,
    "listen_system_port_fallback": False,
    # one network, one file: no discovery of peers
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    # as aria2's --bt-require-crypto: the handshake is obfuscated, which is not encryption
    "in_enc_policy": 0,
    "out_enc_policy": 0,
    "unchoke_slots_limit": -1,
    "alert_mask": 0,
    "user_agent": "",
    "peer_fingerprint": "",
    # aria2 requests blocks well ahead on a fast link
    "send_buffer_watermark": 4 << 20,
    "send_buffer_low_watermark": 1 << 20,
    # milliseconds; under a rate limit each step of a handshake waits for the next tick
    "tick_interval": 100,
}
ALL_ADDRESSES = "0.0.0.0", "255.255.255.255"
#: flag of libtorrent's ip_filter
BLOCKED = 1


def find_free_port(ports: str) -> int:
    """Return a TCP port of a range that nothing listens on here.

    Args:
        ports: a range such as "6881-6999", or one port

    Raises:
        OSError: all ports of the range are in use
    """
    first, _dash, last = ports.partition("-")
    for port in range(int(first), int(last or first) + 1):
        try:
            with socket.socket() as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(("0.0.0.0", port))
        except OSError:
            continue
        return port
    raise OSError(_("no free port among {ports} on the controller", ports=ports))


class Seeder:
    """Serves one complete file.

    Attributes:
        port: TCP port that it listens on
    """

    def __init__(self, local: Path, metainfo: bytes, ports: str, rate: int) -> None:
        """Start serving a file.

        Args:
            local: the file, which has been verified against the lock
            metainfo: its torrent, bencoded
            ports: range of TCP ports to choose from
            rate: MiB/s that it sends; 0 for no limit

        Raises:
            OSError: no port is free, or libtorrent does not start
        """
        import libtorrent as lt  # imported late: most runs have no swarm

        self.port = find_free_port(ports)
        settings: Any = {**SESSION_SETTINGS, "listen_interfaces": f"0.0.0.0:{self.port}"}
        self._session: Any = lt.session(settings, flags=0)  # no extensions
        self._ip_filter = lt.ip_filter()
        self._ip_filter.add_rule(*ALL_ADDRESSES, BLOCKED)
        self._session.set_ip_filter(self._ip_filter)
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(torrent.decode_bencode(metainfo))
        # the torrent names the file by its sha256
        params.save_path, params.renamed_files = str(local.parent), {0: str(local.absolute())}
        params.flags = lt.torrent_flags.seed_mode | lt.torrent_flags.apply_ip_filter
        self._torrent: Any = self._session.add_torrent(params)
        self._torrent.set_upload_limit(rate << 20)
        end = time.monotonic() + LISTEN_TIMEOUT_S
        while not (self._session.is_listening() and self._session.listen_port() == self.port):
            if time.monotonic() > end:
                self.stop()
                raise OSError(_("nothing listens on port {port} of the controller", port=self.port))
            gevent.sleep(0.05)

    def allow(self, address: str) -> None:
        """Let a host connect.

        Args:
            address: its own IPv4 address
        """
        self._ip_filter.add_rule(address, address, 0)
        self._session.set_ip_filter(self._ip_filter)

    def connect(self, address: str, port: int) -> None:
        """Connect to a host that was let in, which connects by itself as well, but later.

        Args:
            address: its own IPv4 address
            port: TCP port that it listens on
        """
        if self._torrent is not None:
            self._torrent.connect_peer((address, port))

    def stop(self) -> int:
        """Stop serving.

        Returns:
            Bytes that it has sent.
        """
        sent = int(self._torrent.status().total_upload)
        # frees its ports and threads at once
        self._torrent = self._session = None
        return sent
