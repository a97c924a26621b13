"""python -m operations.transfer.seed_process FILE INFOHASH PIECE_BYTES RATE: gives a file to hosts.

A process of its own: whatever else the run computes does not slow it down. Each line of its
standard input is the address and the port of a host, to which it connects. At the end of its input
it prints the bytes that it has sent, and ends.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
import struct
import sys
import time
from collections import deque
from contextlib import suppress

from typing_extensions import override

from operations.transfer import bittorrent
from operations.transfer.bittorrent import ObfuscatedHandshake, ProtocolError
from operations.transfer.offers import Offers

#: seconds until a host has answered
HANDSHAKE_TIMEOUT_S = 10
#: seconds until no more attempts are made to connect to a host
CONNECT_TIMEOUT_S = 30
#: seconds between two attempts, first and at most
MIN_RETRY_S, MAX_RETRY_S = 0.1, 2.0
#: blocks that a host may have asked for and not got; aria2 asks for 256
MAX_REQUESTS = 4096
#: bytes that wait in a connection before no more are read from the file: what waits there is late
BUFFER_BYTES = 1 << 18
#: bytes that wait in the kernel for a connection that is slow
KERNEL_BUFFER_BYTES = 1 << 17
#: seconds between two looks at what may be sent and offered
TICK_S = 0.1


class Budget:
    """The bytes that may be sent, of all connections together."""

    def __init__(self, rate: int) -> None:
        """Begin with nothing.

        Args:
            rate: Bytes per second; 0 for no limit.
        """
        self.rate, self._left, self._last = rate, 0.0, time.monotonic()

    def take(self, size: int) -> bool:
        """Take from what may be sent now; return whether there was anything.

        Args:
            size: Bytes that are going to be sent.
        """
        if not self.rate:
            return True
        now = time.monotonic()
        # what was not used is gone after a moment
        self._left = min(self._left + (now - self._last) * self.rate, self.rate * TICK_S)
        self._last = now
        if self._left <= 0:
            return False
        self._left -= size
        return True


class Seed:
    """What all connections share.

    Attributes:
        sent: Bytes of blocks that were sent.
    """

    def __init__(self, file: int, infohash: bytes, piece_bytes: int, rate: int) -> None:
        """Begin without a host.

        Args:
            file: Descriptor of the file.
            infohash: Of its torrent.
            piece_bytes: Of the torrent.
            rate: Bytes per second; 0 for no limit.
        """
        self.file, self.infohash = file, infohash
        self.offers, self.budget = Offers(os.fstat(file).st_size, piece_bytes), Budget(rate)
        self.handshake = bittorrent.encode_handshake(infohash, secrets.token_bytes(20))
        self.sent = 0
        self.connections: dict[tuple[str, int], Connection] = {}

    async def serve(self, address: str, port: int) -> None:
        """Connect to a host, unless it is connected, and again whenever the connection is lost.

        Args:
            address: Its IPv4 address.
            port: Its TCP port.
        """
        end, pause_s = time.monotonic() + CONNECT_TIMEOUT_S, MIN_RETRY_S
        while (address, port) not in self.connections and time.monotonic() < end:
            try:
                connecting = self._connect(address, port)
                connection = await asyncio.wait_for(connecting, HANDSHAKE_TIMEOUT_S)
            except (OSError, ProtocolError, asyncio.TimeoutError):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, MAX_RETRY_S)
                continue
            await connection.is_lost.wait()
            end, pause_s = time.monotonic() + CONNECT_TIMEOUT_S, MIN_RETRY_S

    async def _connect(self, address: str, port: int) -> Connection:
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, KERNEL_BUFFER_BYTES)
            await loop.sock_connect(sock, (address, port))
            shake = ObfuscatedHandshake(self.infohash, self.handshake)
            await loop.sock_sendall(sock, shake.first)
            while not shake.is_complete or len(shake.rest) < bittorrent.HANDSHAKE_BYTES:
                data = await loop.sock_recv(sock, 1 << 16)
                if not data:
                    raise ProtocolError
                if shake.is_complete:
                    shake.rest += data
                else:
                    await loop.sock_sendall(sock, shake.feed(data))
            bittorrent.check_handshake(shake.rest[: bittorrent.HANDSHAKE_BYTES], self.infohash)
            connection = Connection(self, (address, port))
            await loop.create_connection(lambda: connection, sock=sock)
        except BaseException:
            sock.close()
            raise
        connection.data_received(shake.rest[bittorrent.HANDSHAKE_BYTES :])
        return connection

    async def tick(self) -> None:
        """Offer again and again what may be offered."""
        while True:
            await asyncio.sleep(TICK_S)
            connections = list(self.connections.values())
            random.shuffle(connections)  # under a limit, the first one gets the most
            for connection in connections:
                connection.go_on()


class Connection(asyncio.Protocol):
    """A host that is given pieces.

    Attributes:
        is_lost: Set when the connection has ended.
    """

    transport: asyncio.Transport

    def __init__(self, seed: Seed, address: tuple[str, int]) -> None:
        """Begin.

        Args:
            seed: What is given.
            address: Of the host, and its port.
        """
        self._seed, self._address, self._host = seed, address, seed.offers.join()
        self._messages, self._requests = bittorrent.MessageBuffer(), deque[tuple[int, int, int]]()
        self._is_paused, self.is_lost = False, asyncio.Event()
        #: when how many bytes were sent
        self._recent: deque[tuple[float, int]] = deque()
        self._recent_bytes = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the host ask."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._seed.connections[self._address] = self
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        transport.write(bittorrent.encode_unchoke())
        self.go_on()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Offer to others what this host has not got."""
        if self._seed.connections.get(self._address) is self:
            del self._seed.connections[self._address]
        self._seed.offers.leave(self._host)
        self.is_lost.set()

    @override
    def pause_writing(self) -> None:
        """Wait until the host has taken what was sent."""
        self._is_paused = True

    @override
    def resume_writing(self) -> None:
        """Go on."""
        self._is_paused = False
        self.go_on()

    @override
    def data_received(self, data: bytes) -> None:
        """Note what a host has and asks for."""
        try:
            for kind, content in self._messages.feed(data):
                self._take(kind, content)
        except (ProtocolError, struct.error):
            self.transport.abort()
            return
        self.go_on()

    def _take(self, kind: int, content: bytes) -> None:
        offers = self._seed.offers
        if kind in (bittorrent.HAVE, bittorrent.BITFIELD):
            pieces = bittorrent.list_pieces(kind, content)
            offers.note_has(self._host, pieces, time.monotonic())
        elif kind in (bittorrent.REQUEST, bittorrent.CANCEL):
            request = struct.unpack(">III", content)
            piece, begin, size = request
            if kind == bittorrent.CANCEL:
                with suppress(ValueError):
                    self._requests.remove(request)
            elif size > bittorrent.MAX_REQUEST_BYTES or len(self._requests) >= MAX_REQUESTS:
                raise ProtocolError
            elif not offers.contains(piece, begin, size):
                raise ProtocolError  # it is not of the file
            else:
                self._requests.append(request)

    def go_on(self) -> None:
        """Send what may be sent, and offer more."""
        if self.transport.is_closing():
            return
        seed, now = self._seed, time.monotonic()
        while self._requests and not self._is_paused and seed.budget.take(self._requests[0][2]):
            piece, begin, size = self._requests.popleft()
            block = os.pread(seed.file, size, piece * seed.offers.piece_bytes + begin)
            if len(block) != size:  # the file was cut
                self.transport.abort()
                return
            head = bittorrent.PIECE_HEADER.pack(9 + size, bittorrent.PIECE, piece, begin)
            self.transport.writelines((head, block))
            seed.sent += size
            seed.offers.note_sent(self._host, piece, size)
            self._recent.append((now, size))
            self._recent_bytes += size
        while self._recent and self._recent[0][0] < now - 1:
            self._recent_bytes -= self._recent.popleft()[1]
        for piece in seed.offers.offer(self._host, self._recent_bytes, now):
            self.transport.write(bittorrent.encode_have(piece))


async def run(seed: Seed) -> None:
    """Serve the hosts that standard input names, until it ends.

    Args:
        seed: What is given.
    """
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tasks = {loop.create_task(seed.tick())}
    while line := await lines.readline():
        address, port = line.decode().split()
        tasks.add(loop.create_task(seed.serve(address, int(port))))
    print(seed.sent, flush=True)


if __name__ == "__main__":
    name, infohash, piece_bytes, rate = sys.argv[1:]
    descriptor = os.open(name, os.O_RDONLY)
    asyncio.run(run(Seed(descriptor, bytes.fromhex(infohash), int(piece_bytes), int(rate))))
