from __future__ import annotations

import hashlib
import os
from itertools import pairwise
from pathlib import Path

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as some

from fleet.checksum import chunks
from fleet.store import measure
from operations.host.context import RunContext
from operations.transfer import ssh_stream
from operations.transfer.ssh_stream import TransferProgress

S = 8  # a piece's size here


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", S)


def sums(text: bytes) -> list[str]:
    return [hashlib.sha256(text[i : i + S]).hexdigest() for i in range(0, len(text), S)]


@pytest.mark.parametrize("step", [1, 3, S, S + 1, 100])
@pytest.mark.parametrize("length", [0, 1, S, S + 1, 5 * S])
def test_pieces_are_the_same_however_the_blocks_come(small: None, step: int, length: int) -> None:
    text, summed = bytes(range(length)), chunks.ChunkHasher()
    for at in range(0, length, step):
        summed.update(text[at : at + step])
    assert summed.finish() == sums(text)


def test_pieces_of_a_measured_file_are_known_without_reading_it(
    small: None, tmp_path: Path
) -> None:
    file, text = tmp_path / "big", b"pieces known after a file was measured"
    file.write_bytes(text)
    sha = measure.measure_file(file).sha256
    file.unlink()
    assert chunks.load_or_compute(file, sha, len(text)) == sums(text)


def test_pieces_nobody_knows_are_read_and_kept(small: None, tmp_path: Path) -> None:
    file, text = tmp_path / "big", b"pieces that nobody knew before"
    file.write_bytes(text)
    sha = hashlib.sha256(text).hexdigest()
    assert chunks.load_cached(sha) == []
    assert chunks.load_or_compute(file, sha, len(text)) == sums(text) == chunks.load_cached(sha)


def test_a_list_of_pieces_that_was_damaged_is_not_believed(small: None) -> None:
    chunks.save_cached("1" * 64, ["a" * 64, "b" * 64])
    assert chunks.load_cached("1" * 64) == ["a" * 64, "b" * 64]
    file = chunks._cache_file("1" * 64)
    for damaged in (file.read_text().replace("b", "c"), file.read_text()[:70], "", "\xff"):
        file.write_text(damaged, encoding="latin-1")
        assert chunks.load_cached("1" * 64) == []


def test_a_file_that_changed_since_it_was_checked_has_no_pieces(
    small: None, tmp_path: Path
) -> None:
    (tmp_path / "big").write_bytes(b"other bytes than the lock has")
    with pytest.raises(ValueError, match="has changed"):
        chunks.load_or_compute(tmp_path / "big", "2" * 64, 29)


def test_a_file_of_one_piece_is_not_read(tmp_path: Path) -> None:
    assert chunks.load_or_compute(tmp_path / "absent", "3" * 64, chunks.CHUNK_BYTES) == ["3" * 64]


@given(some.integers(0, 100), some.sets(some.integers(0, 12)))
def test_what_is_sent_is_all_that_is_wrong_and_no_byte_more(size: int, wrong: set[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", S)
        count = -(-size // S)
        right = [i for i in range(count) if i not in wrong]
        have = min((right[-1] + 1) * S, size) if right else 0
        found = chunks.missing_ranges(have, {i for i in wrong if i < count}, size)
    sent = [byte for begin, end in found for byte in range(begin, end)]
    assert sent == [byte for byte in range(size) if byte // S in wrong]
    assert all(end < begin for (_, end), (begin, _) in pairwise(found))


def test_progress_says_how_much_how_fast_and_how_long_still() -> None:
    meter = TransferProgress(23_000_000_000)
    meter.resumed, meter.sent = 10_000_000_000, 1_000_000_000
    assert meter.describe(10, 1_000_000_000) == "11,000 of 23,000 MB, 100.0 MB/s, 120 s left"
    assert meter.describe(10, 0).endswith("0.0 MB/s, stalled")


def test_what_all_hosts_get_is_told_as_one_while_there_are_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[tuple[int, str]] = []
    monkeypatch.setattr(ssh_stream, "PROGRESS_INTERVAL_S", 0.2)
    context = RunContext()
    context.events.listeners.append(lambda event: heard.append((event.hosts, event.line)))
    one, other = TransferProgress(4_000_000), TransferProgress(6_000_000)
    all_of_them = ssh_stream.AggregateProgress(context)
    with all_of_them.track("a", one):
        gevent.sleep(0.3)
        assert not heard, "one host has its own line"
        with all_of_them.track("b", other):
            gevent.sleep(0.1)
            one.sent, other.swarmed, other.resumed = 1_000_000, 1_000_000, 3_000_000
            gevent.sleep(0.15)
        one.sent = 4_000_000
        gevent.sleep(0.2)
    assert heard[0][0] == 2 and heard[0][1].startswith("5 of 10 MB, ")
    # what b has still counts
    assert heard[1][0] == 1 and heard[1][1].startswith("8 of 10 MB, ")
    assert heard[-1] == (0, "") and not all_of_them.combine().total


def test_lists_of_files_long_gone_do_not_pile_up(small: None) -> None:
    chunks.save_cached("a" * 64, ["x"])
    old = chunks._cache_file("a" * 64)
    os.utime(old, (1, 1))
    chunks.save_cached("b" * 64, ["y"])
    assert not old.exists() and chunks.load_cached("b" * 64) == ["y"]
