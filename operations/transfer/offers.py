"""Which piece of a file the controller offers to which host of a swarm.

If a seed shows each host the whole file, several hosts ask it for the same piece while that is on
its way: of 1 GiB for eight hosts, every fifth piece left the controller twice (measured). So a host
is told of a few pieces at a time, and each piece is offered to one host first; the others get it
from that host. Pieces are offered in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

#: Once all pieces were offered, a host is offered two at most of those that others have, too;
#: more after it got nothing from others for so many seconds.
HELP_S = 2.0
#: seconds for which a host is offered pieces ahead, at the rate at which it has taken them
AHEAD_S = 0.5


@dataclass
class OfferedHost:
    """A host that is offered pieces.

    Attributes:
        has: Piece -> 1 if the host has it.
        lacking: Pieces that it has not, and was not offered.
        open: Bytes of each piece that it was offered, and that are still to be sent.
        helped_at: Time at which it had a piece that it was not offered.
    """

    has: bytearray
    lacking: set[int]
    helped_at: float = 0.0
    open: dict[int, int] = field(default_factory=dict)


class Offers:
    """The offers of one file."""

    def __init__(self, size: int, piece_bytes: int) -> None:
        """Begin without hosts.

        Args:
            size: Bytes of the file.
            piece_bytes: Bytes of a piece; the last one may be shorter.
        """
        self.size, self.piece_bytes = size, piece_bytes
        self.count = -(-size // piece_bytes)
        #: piece -> connected hosts that have it
        self._holders = [0] * self.count
        #: piece -> how often it was offered
        self._offered = [0] * self.count
        self._next = 0
        #: offered to a host that has left without it, which nobody has
        self._returned: list[int] = []

    def join(self) -> OfferedHost:
        """Return a new host, which has nothing."""
        return OfferedHost(bytearray(self.count), set(range(self.count)))

    def leave(self, host: OfferedHost) -> None:
        """Take back what a host was offered and has not got.

        Args:
            host: The host.
        """
        for piece in range(self.count):
            self._holders[piece] -= host.has[piece]
        self._returned += (piece for piece in host.open if not self._holders[piece])
        host.open.clear()

    def _piece_size(self, piece: int) -> int:
        """Return the bytes of a piece.

        Args:
            piece: Its number.
        """
        return min(self.piece_bytes, self.size - piece * self.piece_bytes)

    def contains(self, piece: int, begin: int, size: int) -> bool:
        """Return whether a block is one of the file.

        Args:
            piece: Number of the piece.
            begin: Place of the block in the piece, in bytes.
            size: Bytes of the block.
        """
        return piece < self.count and begin + size <= self._piece_size(piece)

    def note_has(self, host: OfferedHost, pieces: Iterable[int], now: float) -> None:
        """Note that a host has pieces, from whomever.

        Args:
            host: The host.
            pieces: Their numbers; others than those of the file are left out.
            now: Time in seconds.
        """
        for piece in pieces:
            if 0 <= piece < self.count and not host.has[piece]:
                host.has[piece] = 1
                self._holders[piece] += 1
                if piece in host.lacking:
                    host.lacking.remove(piece)
                    host.helped_at = now
                host.open.pop(piece, None)

    def note_sent(self, host: OfferedHost, piece: int, size: int) -> None:
        """Note that a block was sent to a host.

        Args:
            host: The host.
            piece: The piece that the block is of.
            size: Bytes of the block.
        """
        if (left := host.open.get(piece, 0) - size) > 0:
            host.open[piece] = left
        else:
            host.open.pop(piece, None)

    def offer(self, host: OfferedHost, rate: float, now: float) -> list[int]:
        """Return the pieces that a host is to be told of now.

        Args:
            host: The host.
            rate: Bytes that it was sent within the last second.
            now: Time in seconds.
        """
        found: list[int] = []
        ahead = sum(host.open.values())
        is_helped = now - host.helped_at <= HELP_S
        while ahead < self.piece_bytes + AHEAD_S * rate:
            piece = self._choose_new(host)
            if piece is None and (ahead <= self.piece_bytes or not is_helped):
                piece = self._choose_rarest(host)
            if piece is None:
                break
            host.lacking.discard(piece)
            host.open[piece] = self._piece_size(piece)
            ahead += host.open[piece]
            self._offered[piece] += 1
            found.append(piece)
        return found

    def _choose_new(self, host: OfferedHost) -> int | None:
        """Choose the next piece that nobody has or was offered."""
        for number, piece in enumerate(self._returned):
            if piece in host.lacking:
                del self._returned[number]
                return piece
        while self._next < self.count:
            piece, self._next = self._next, self._next + 1
            if not self._holders[piece]:
                return piece
        return None

    def _choose_rarest(self, host: OfferedHost) -> int | None:
        """Choose the piece that the fewest hosts have."""
        rarity = [(self._holders[piece], self._offered[piece], piece) for piece in host.lacking]
        return min(rarity)[2] if rarity else None
