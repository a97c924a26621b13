"""Whom the controller tells of whom, and the torrent that all of them have."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import gevent
import pytest
from aria2c import ARIA2C

from fleet.checksum import chunks, torrent
from operations.host.scripts import script_text
from operations.transfer.aria2 import ARIA2_OPTIONS, SERVE_OPTIONS
from operations.transfer.seeder import Seeder, find_free_port
from operations.transfer.tracker import TrackedPeer, Tracker, compact_peer
from tests.waiting import PATIENCE_S

HASH = b"\x00\xff%&=+" + b"h" * 14


@pytest.fixture
def meeting() -> Iterator[Tracker]:
    meeting = Tracker(find_free_port("20000-40000"))
    meeting.seed_ports[HASH] = 6881
    yield meeting
    meeting._server.stop()


def asked(meeting: Tracker, address: str, port: int = 7000, event: str = "started") -> set[bytes]:
    query = f"info_hash={quote(HASH)}&port={port}&event={event}&compact=1"
    found = torrent.decode_bencode(meeting.announce(address, query))[b"peers"]
    return {found[i : i + 6] for i in range(0, len(found), 6)}


def test_hosts_are_told_of_the_controller_as_they_see_it_and_of_each_other(
    meeting: Tracker,
) -> None:
    meeting.peers = {"10.0.0.2": TrackedPeer("10.0.0.1"), "10.0.0.3": TrackedPeer("192.168.0.1")}
    assert asked(meeting, "10.0.0.2") == {compact_peer("10.0.0.1", 6881)}
    assert asked(meeting, "10.0.0.3", 7001) == {
        compact_peer("192.168.0.1", 6881),
        compact_peer("10.0.0.2", 7000),
    }
    assert compact_peer("10.0.0.3", 7001) in asked(meeting, "10.0.0.2")
    asked(meeting, "10.0.0.3", 7001, "stopped")
    assert asked(meeting, "10.0.0.2") == {compact_peer("10.0.0.1", 6881)}


def test_the_controller_connects_to_a_host_once_it_has_begun(meeting: Tracker) -> None:
    called: list[tuple[str, int]] = []
    meeting.peers = {"10.0.0.2": TrackedPeer("10.0.0.1")}
    meeting.connect[HASH] = lambda address, port: called.append((address, port))
    asked(meeting, "10.0.0.2", 7001)
    asked(meeting, "10.0.0.2", 7001, "")
    assert meeting.announce("10.9.9.9", f"info_hash={quote(HASH)}&port=7&event=started") == b""
    assert called == [("10.0.0.2", 7001)]


def test_strangers_are_told_nothing_and_nobody_is_told_of_them(meeting: Tracker) -> None:
    meeting.peers = {"10.0.0.2": TrackedPeer("10.0.0.1")}
    query = f"info_hash={quote(HASH)}&port=7000"
    assert meeting.announce("10.9.9.9", query) == b""
    assert asked(meeting, "10.0.0.2") == {compact_peer("10.0.0.1", 6881)}
    for odd in ("", "info_hash=x&port=1", f"info_hash={quote(HASH)}&port=x", "%&&==\x00"):
        assert meeting.announce("10.0.0.2", odd) == b""


def test_a_host_hears_of_its_own_rack_and_of_few_others(meeting: Tracker) -> None:
    meeting.peers = {
        f"10.0.{rack}.{n}": TrackedPeer("10.0.9.9", f"r{rack}")
        for rack in (1, 2)
        for n in range(1, 7)
    }
    for address in meeting.peers:
        asked(meeting, address)
    told = [socket.inet_ntoa(one[:4]) for one in asked(meeting, "10.0.1.1")]
    assert sum(one.startswith("10.0.1.") for one in told) == 5
    assert sum(one.startswith("10.0.2.") for one in told) == 2 and "10.0.9.9" in told


def test_over_the_network_a_stranger_is_refused(meeting: Tracker) -> None:
    import gevent

    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", meeting.port)) as to:
            to.sendall(b"GET /announce?port=1 HTTP/1.0\r\n\r\n")
            return to.recv(99)

    assert b"403 Forbidden" in gevent.get_hub().threadpool.apply(ask)


def test_a_torrents_pieces_are_those_that_ssh_goes_on_with(tmp_path: Path) -> None:
    content = bytes(range(256)) * (2 * chunks.CHUNK_BYTES // 256) + b"end"
    (tmp_path / "big").write_bytes(content)
    sha = hashlib.sha256(content).hexdigest()
    made = torrent.load_or_create(tmp_path / "big", sha)
    info = torrent.decode_bencode(made)[b"info"]
    assert info[b"piece length"] == chunks.CHUNK_BYTES and info[b"length"] == len(content)
    parts = [
        content[i : i + chunks.CHUNK_BYTES] for i in range(0, len(content), chunks.CHUNK_BYTES)
    ]
    assert info[b"pieces"] == b"".join(hashlib.sha1(part).digest() for part in parts)
    assert info[b"name"] == sha.encode() and b"announce" not in torrent.decode_bencode(made)
    (tmp_path / "big").unlink()
    assert torrent.load_or_create(tmp_path / "big", sha) == made, "it is not read again"


def test_there_is_no_torrent_of_a_file_that_has_changed(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"other")
    with pytest.raises(OSError, match="has changed since it was checked"):
        torrent.load_or_create(tmp_path / "big", "1" * 64)
    assert not torrent.cache_path("1" * 64).exists()


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert find_free_port(f"{port}-{port + 20}") > port
        with pytest.raises(OSError, match=f"no free port among {port}"):
            find_free_port(str(port))


def fetched(port: int, described: bytes, folder: Path, seconds: float) -> bytes:
    """What a host's aria2c gets of a file within so many seconds from what listens on a port."""
    folder.mkdir()
    (folder / "torrent").write_bytes(described)
    name = torrent.decode_bencode(described)[b"info"][b"name"].decode()
    meeting = Tracker(find_free_port("20000-40000"))
    try:
        meeting.seed_ports[torrent.compute_infohash(described)] = port
        meeting.peers["127.0.0.1"] = TrackedPeer("127.0.0.1")
        words = [
            str(ARIA2C),
            *ARIA2_OPTIONS,
            f"--dir={folder}",
            "--seed-time=0",
            f"--bt-tracker=http://127.0.0.1:{meeting.port}/announce",
            f"--torrent-file={folder / 'torrent'}",
        ]
        running = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        end = time.monotonic() + seconds
        while running.poll() is None and time.monotonic() < end:
            gevent.sleep(0.1)
        running.kill()
        running.wait()
    finally:
        meeting._server.stop()
    # it ends by itself once every chunk was right; wrong ones may be in the file before
    return (folder / name).read_bytes() if running.returncode == 0 else b""


def test_the_controller_gives_what_it_only_reads_to_hosts_that_it_lets_in(tmp_path: Path) -> None:
    content = os.urandom(2 * chunks.CHUNK_BYTES + 5)
    (tmp_path / "image").write_bytes(content)
    (tmp_path / "image").chmod(0o400)
    described = torrent.load_or_create(tmp_path / "image", hashlib.sha256(content).hexdigest())
    seed = Seeder(tmp_path / "image", described, "20000-40000", 0)
    try:
        assert fetched(seed.port, described, tmp_path / "stranger", 5) == b""
        seed.allow("127.0.0.1")
        assert fetched(seed.port, described, tmp_path / "host", 30) == content
    finally:
        sent = seed.stop()
    assert len(content) <= sent < 1.2 * len(content)
    assert find_free_port(str(seed.port)) == seed.port, "nobody listens any more"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["image"]


@contextmanager
def served(file: Path, size: int, described: bytes) -> Iterator[tuple[int, int]]:
    """A host's aria2c that serves a file from its place: its port and its process."""
    port = find_free_port("20000-40000")
    words = [str(file), str(size), str(ARIA2C), str(port), "0", "127.0.0.1", "1"]
    running = subprocess.Popen(
        ["sh", "-c", script_text("swarm"), "swarm", *words, *ARIA2_OPTIONS, *SERVE_OPTIONS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "SSH_CONNECTION": "127.0.0.1 1 127.0.0.1 22"},
    )
    assert running.stdin and running.stdout
    try:
        running.stdin.write(base64.b64encode(described).decode() + "\n")
        running.stdin.flush()
        said = next((line for line in running.stdout if " SEED(" in line), "")
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text()
        assert said, "it did not begin to serve"
        (pid,) = (
            int(child)
            for child in children.split()
            if Path(f"/proc/{child}/exe").resolve() == ARIA2C.resolve()
        )
        yield port, pid
    finally:
        running.stdin.close()  # the run does not need it any more
        running.stdout.close()
        assert running.wait(PATIENCE_S) is not None


def is_running(pid: int) -> bool:
    """Whether a process has not ended; one that only waits for its parent has."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    return False


def opened_for_writing(pid: int, file: Path) -> bool:
    """Whether a process may write to a file that it has open; it must have it open."""
    (descriptor,) = (
        fd for fd in Path(f"/proc/{pid}/fd").iterdir() if os.path.realpath(fd) == str(file)
    )
    flags = Path(f"/proc/{pid}/fdinfo/{descriptor.name}").read_text().split("flags:")[1].split()[0]
    return bool(int(flags, 8) & (os.O_WRONLY | os.O_RDWR))


@pytest.mark.parametrize("is_right", [True, False], ids=["right", "changed since"])
def test_a_host_serves_a_file_from_its_place_and_only_reads_it(
    tmp_path: Path, is_right: bool
) -> None:
    content = os.urandom(2 * chunks.CHUNK_BYTES + 5)
    file, other = tmp_path / "users own", tmp_path / "place"
    file.write_bytes(content)
    os.link(file, other)
    described = torrent.load_or_create(file, hashlib.sha256(content).hexdigest())
    if not is_right:
        content = bytes(len(content))
        file.write_bytes(content)
    before = file.stat()
    with served(other, len(content), described) as (port, pid):
        assert not opened_for_writing(pid, other)
        got = fetched(port, described, tmp_path / "host", PATIENCE_S if is_right else 4)
        assert (got == content) is is_right, "what is wrong is of no use to others"
    after = file.stat()
    assert file.read_bytes() == content and after.st_mtime_ns == before.st_mtime_ns
    assert {path.name for path in tmp_path.iterdir()} == {"users own", "place", "host"}
    end = time.monotonic() + PATIENCE_S
    while is_running(pid):
        assert time.monotonic() < end, "it serves on, although the run does not need it"
        gevent.sleep(0.1)


@pytest.mark.parametrize("change", ["longer", "control"])
def test_a_file_that_aria2_could_write_to_is_not_served(tmp_path: Path, change: str) -> None:
    content = os.urandom(chunks.CHUNK_BYTES)
    file = tmp_path / "file"
    file.write_bytes(content)
    described = torrent.load_or_create(file, hashlib.sha256(content).hexdigest())
    if change == "longer":
        file.write_bytes(content + b"more")
    else:
        (tmp_path / "file.aria2").write_bytes(b"somebody's download")
    held = file.read_bytes()
    with (
        pytest.raises((AssertionError, BrokenPipeError)),
        served(file, len(content), described),
    ):
        pass
    assert file.read_bytes() == held
    assert (tmp_path / "file.aria2").exists() is (change == "control")
