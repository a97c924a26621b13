"""The parts of the BitTorrent protocol (BEP 3) that a peer needs that only gives, without any I/O.

The handshake is obfuscated as in "Message Stream Encryption", which aria2's --bt-require-crypto
asks for. That is no encryption: what follows the handshake is sent as it is.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Iterator

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext

#: what a peer may ask for at once, in bytes (BEP 3: more is refused)
MAX_REQUEST_BYTES = 1 << 17
#: messages, by the first byte after their length
UNCHOKE, INTERESTED, HAVE, BITFIELD, REQUEST, PIECE, CANCEL = 1, 2, 4, 5, 6, 7, 8
#: bytes before the block in a message PIECE: length, kind, number of the piece, place of the block
PIECE_HEADER = struct.Struct(">IBII")
_PROTOCOL = b"\x13BitTorrent protocol"
HANDSHAKE_BYTES = len(_PROTOCOL) + 8 + 20 + 20
#: no message of a peer is longer, but for its bitfield
_MAX_MESSAGE_BYTES = 1 << 18

# of Message Stream Encryption
_PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563",
    16,
)
_KEY_BYTES = 96
_MAX_PAD_BYTES = 512
_VERIFICATION = bytes(8)
_PLAIN = 1
#: the chosen method, and how many bytes follow that say nothing
_METHOD = struct.Struct(">IH")


class ProtocolError(Exception):
    """A peer says what is no BitTorrent, or is of another torrent. Nobody is told: it is left."""


def encode_handshake(infohash: bytes, peer_id: bytes) -> bytes:
    """Return the first message to a peer.

    Args:
        infohash: Of the torrent, 20 bytes.
        peer_id: Of this peer, 20 bytes.
    """
    return _PROTOCOL + bytes(8) + infohash + peer_id


def check_handshake(handshake: bytes, infohash: bytes) -> None:
    """Check the first message of a peer.

    Args:
        handshake: HANDSHAKE_BYTES bytes.
        infohash: Of the torrent.

    Raises:
        ProtocolError: It is not a peer of this torrent.
    """
    if not handshake.startswith(_PROTOCOL) or handshake[28:48] != infohash:
        raise ProtocolError


def encode_have(piece: int) -> bytes:
    """Return the message that this peer has a piece.

    Args:
        piece: Number of the piece.
    """
    return struct.pack(">IBI", 5, HAVE, piece)


def encode_unchoke() -> bytes:
    """Return the message that a peer may ask for blocks."""
    return struct.pack(">IB", 1, UNCHOKE)


def list_pieces(kind: int, content: bytes) -> Iterator[int]:
    """Yield the numbers of the pieces that a message says a peer has.

    Args:
        kind: HAVE, of one piece; or BITFIELD, with a bit for each piece, from the highest.
        content: Of the message.

    Raises:
        struct.error: It is not as long as it has to be.
    """
    if kind == HAVE:
        yield from struct.unpack(">I", content)
        return
    for place, byte in enumerate(content):
        for bit in range(8):
            if byte & 0x80 >> bit:
                yield 8 * place + bit


class MessageBuffer:
    """Cuts what comes from a peer into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Add what has come.

        Args:
            data: The next bytes.

        Yields:
            The kind and the content of each message that is complete.

        Raises:
            ProtocolError: A message is too long.
        """
        buffer = self._buffer
        buffer += data
        begin = 0
        while len(buffer) - begin >= 4:
            (size,) = struct.unpack_from(">I", buffer, begin)
            if size > _MAX_MESSAGE_BYTES:
                raise ProtocolError
            if len(buffer) - begin - 4 < size:
                break
            if size:  # else it only says that the peer is there
                yield buffer[begin + 4], bytes(buffer[begin + 5 : begin + 4 + size])
            begin += 4 + size
        del buffer[:begin]


class ObfuscatedHandshake:
    """The obfuscated begin of a connection, by the side that connects.

    Send :attr:`first`. Then :meth:`feed` what comes, and send what that returns, until
    :attr:`is_complete`.

    Attributes:
        first: What to send first.
        rest: What the peer has said plainly after its part of the handshake.
        is_complete: Whether the peer has done its part.
    """

    def __init__(self, infohash: bytes, payload: bytes) -> None:
        """Choose a key.

        Args:
            infohash: Of the torrent; the peer knows it as well.
            payload: What is to be said to the peer first: the handshake of BitTorrent.
        """
        self._infohash, self._payload = infohash, payload
        self._secret = int.from_bytes(secrets.token_bytes(20), "big")
        public = pow(2, self._secret, _PRIME).to_bytes(_KEY_BYTES, "big")
        self.first = public + secrets.token_bytes(secrets.randbelow(_MAX_PAD_BYTES + 1))
        self.rest, self.is_complete = b"", False
        self._decrypt: CipherContext | None = None
        #: what the peer's answer begins with, after some bytes that say nothing
        self._marker = b""
        self._pad_bytes: int | None = None

    def feed(self, data: bytes) -> bytes:
        """Add what has come.

        Args:
            data: The next bytes.

        Returns:
            What is to be sent now.

        Raises:
            ProtocolError: The peer does not know the torrent, or wants encryption.
        """
        self.rest += data
        answer = b""
        if self._decrypt is None and len(self.rest) >= _KEY_BYTES:
            answer = self._answer_key(self.rest[:_KEY_BYTES])
            self.rest = self.rest[_KEY_BYTES:]
        if self._decrypt and self._pad_bytes is None:
            self._read_answer(self._decrypt)
        if self._pad_bytes is not None and len(self.rest) >= self._pad_bytes:
            self.rest, self.is_complete = self.rest[self._pad_bytes :], True
        return answer

    def _answer_key(self, key: bytes) -> bytes:
        shared = pow(int.from_bytes(key, "big"), self._secret, _PRIME).to_bytes(_KEY_BYTES, "big")
        encrypt = _begin_cipher(b"keyA", shared, self._infohash)
        self._decrypt = _begin_cipher(b"keyB", shared, self._infohash)
        self._marker = self._decrypt.update(_VERIFICATION)
        known = _hash(b"req2", self._infohash)
        proof = bytes(a ^ b for a, b in zip(known, _hash(b"req3", shared), strict=True))
        offer = _VERIFICATION + struct.pack(">IHH", _PLAIN, 0, len(self._payload)) + self._payload
        return _hash(b"req1", shared) + proof + encrypt.update(offer)

    def _read_answer(self, decrypt: CipherContext) -> None:
        begin = self.rest.find(self._marker)
        if not 0 <= begin <= _MAX_PAD_BYTES:
            if len(self.rest) > _MAX_PAD_BYTES + len(self._marker):
                raise ProtocolError
            return
        begin += len(self._marker)
        if len(self.rest) < begin + _METHOD.size:
            return
        # nothing but padding is encrypted after this
        method, self._pad_bytes = _METHOD.unpack(
            decrypt.update(self.rest[begin : begin + _METHOD.size])
        )
        self.rest = self.rest[begin + _METHOD.size :]
        if method != _PLAIN:
            raise ProtocolError


def _hash(*parts: bytes) -> bytes:
    return hashlib.sha1(b"".join(parts)).digest()


def _begin_cipher(name: bytes, shared: bytes, infohash: bytes) -> CipherContext:
    """Return a cipher whose first 1024 bytes are thrown away, as the method wants it."""
    cipher = Cipher(ARC4(_hash(name, shared, infohash)), mode=None).encryptor()
    cipher.update(bytes(1024))
    return cipher
