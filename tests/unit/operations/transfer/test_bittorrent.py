"""What other peers may say; that aria2 understands it is in test_tracker.py."""

from __future__ import annotations

import hashlib
import secrets
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.transfer import bittorrent
from operations.transfer.bittorrent import MessageBuffer, ObfuscatedHandshake, ProtocolError

HASH = bytes(range(20))


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 7))
def test_messages_are_found_however_they_are_cut(contents: list[bytes], step: int) -> None:
    sent = [(7, content) for content in contents]
    stream = b"".join(
        struct.pack(">IB", len(content) + 1, kind) + content + bytes(4) for kind, content in sent
    )
    buffer = MessageBuffer()
    found = [
        message
        for begin in range(0, len(stream), step)
        for message in buffer.feed(stream[begin : begin + step])
    ]
    assert found == sent


def test_a_message_without_end_is_refused() -> None:
    with pytest.raises(ProtocolError):
        list(MessageBuffer().feed(struct.pack(">I", 1 << 30)))


def test_pieces_are_those_of_the_message() -> None:
    assert list(bittorrent.list_pieces(bittorrent.HAVE, (70000).to_bytes(4, "big"))) == [70000]
    assert list(bittorrent.list_pieces(bittorrent.BITFIELD, b"\x80\x41")) == [0, 9, 15]


@given(st.binary(min_size=1, max_size=2000))
def test_what_is_no_handshake_is_refused_or_waited_for(said: bytes) -> None:
    shake = ObfuscatedHandshake(HASH, b"hello")
    try:
        for begin in range(0, len(said), 100):
            shake.feed(said[begin : begin + 100])
    except ProtocolError:
        return
    assert not shake.is_complete


@pytest.mark.parametrize(("method", "pad"), [(1, 0), (1, 512), (2, 0)])
def test_the_other_side_of_the_handshake(method: int, pad: int) -> None:
    """As "Message Stream Encryption" describes what the side does that is connected to."""
    payload = bittorrent.encode_handshake(HASH, bytes(20))
    shake = ObfuscatedHandshake(HASH, payload)
    assert 96 <= len(shake.first) <= 96 + 512
    secret = int.from_bytes(secrets.token_bytes(20), "big")
    public = pow(2, secret, bittorrent._PRIME).to_bytes(96, "big")
    answer = shake.feed(public[:50]) + shake.feed(public[50:])
    shared = pow(int.from_bytes(shake.first[:96], "big"), secret, bittorrent._PRIME)
    key = shared.to_bytes(96, "big")
    assert answer[:20] == hashlib.sha1(b"req1" + key).digest()
    mask = hashlib.sha1(b"req3" + key).digest()
    known = bytes(a ^ b for a, b in zip(answer[20:40], mask, strict=True))
    assert known == hashlib.sha1(b"req2" + HASH).digest()
    said = bittorrent._begin_cipher(b"keyA", key, HASH).update(answer[40:])
    assert said == bytes(8) + struct.pack(">IHH", 1, 0, len(payload)) + payload
    cipher = bittorrent._begin_cipher(b"keyB", key, HASH)
    sent = secrets.token_bytes(300) + cipher.update(
        bytes(8) + struct.pack(">IH", method, pad) + bytes(pad)
    )
    try:
        for byte in sent + b"plain":
            assert shake.feed(bytes([byte])) == b""
    except ProtocolError:
        assert method == 2
    else:
        assert method == 1 and shake.is_complete and shake.rest == b"plain"


def test_only_peers_of_the_torrent_are_answered() -> None:
    said = bittorrent.encode_handshake(HASH, bytes(20))
    bittorrent.check_handshake(said, HASH)
    for wrong in (said[1:], said.replace(HASH, bytes(20))):
        with pytest.raises(ProtocolError):
            bittorrent.check_handshake(wrong, HASH)
