"""What an upload does about files that lie on the host already."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.checksum import chunks
from operations.host.context import run_context
from operations.host.events import TransferDone
from operations.transfer import reuse, ssh_stream
from operations.transfer.reuse import FoundFile, NeededFile, Search
from operations.transfer.upload import Upload
from tests.unit.shells import POSIX_SHELLS
from tests.waiting import PATIENCE_S, until

SIZE = reuse.MIN_BYTES


class Transfer:
    """An upload of two files to a host that lacks them; what was asked of the host, in order."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: Collection[str], size: int
    ) -> None:
        names = ("a", "b")
        for name in names:
            (tmp_path / name).write_bytes(name.encode() * size)
        self.upload = Upload(
            "weights x", [(tmp_path / name, f"/data/{name}", name * 64) for name in names]
        )
        self.part = {dest[-1]: part for part, (_, dest, _) in self.upload.files.items()}
        self.host: Any = SimpleNamespace(
            name="h", print_prefix="", state=SimpleNamespace(), data=SimpleNamespace()
        )
        self.did: list[Any] = []
        self.events: list[Any] = []
        run_context(self.host).events.listeners.append(self.events.append)

        def place(_host: Any, _arguments: Any, phase: str, parts: Any = None) -> Any:
            self.did.append((phase, sorted(parts)) if phase == "end" else phase)
            return True, [f"want {part} 0" for part in self.part.values() if phase == "begin"]

        def search(_host: Any, _arguments: Any, needed: list[NeededFile], *_: str) -> Search:
            self.did.append("search")
            found = {f.part: FoundFile("copy", "", f"/ftp{f.dest}") for f in needed}
            return Search({part: found[part] for part in found if self.name(part) in there})

        def send(_host: Any, _arguments: Any, parts: dict[str, int], **_: Any) -> list[str]:
            self.did.append(("send", sorted(map(self.name, parts))))
            return []

        monkeypatch.setattr(self.upload, "_run_place_files", place)
        monkeypatch.setattr(self.upload, "_send_missing", send)
        monkeypatch.setattr(reuse, "search_host", search)
        monkeypatch.setattr("operations.transfer.upload.audit_identity", lambda *_: "")

    def name(self, part: str) -> str:
        return self.upload.files[part][1][-1]


@pytest.fixture
def transfer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: Any) -> Transfer:
    return Transfer(monkeypatch, tmp_path, *request.param)


@pytest.mark.parametrize("transfer", [("a", SIZE)], indirect=True)
def test_a_host_is_searched_before_anything_is_sent(transfer: Transfer) -> None:
    assert transfer.upload._transfer(transfer.host, {}) == []
    assert transfer.did == ["begin", "search", ("send", ["b"]), ("end", [transfer.part["b"]])]
    (event,) = (event for event in transfer.events if isinstance(event, TransferDone))
    assert (event.sent, event.reused, event.total) == (0, SIZE, SIZE)
    assert event.found == ["/ftp/data/a"]


@pytest.mark.parametrize("transfer", [("ab", SIZE)], indirect=True)
def test_what_is_sent_ahead_is_searched_for_as_well(transfer: Transfer) -> None:
    assert transfer.upload.fill_parts(transfer.host, {}) == []
    assert transfer.did == ["begin", "search", ("send", [])]


@pytest.mark.parametrize("transfer", [("", SIZE)], indirect=True)
def test_what_was_sent_ahead_is_not_searched_for_again(transfer: Transfer) -> None:
    transfer.upload.searches_host = True
    done = set(transfer.part.values())
    sizes = {part: SIZE for part in done}
    transfer.upload._begin = lambda *_: (sizes, [])  # type: ignore[method-assign]
    assert transfer.upload._transfer(transfer.host, {}, done) == []
    assert transfer.did == [("send", []), ("end", sorted(done))]


@pytest.mark.parametrize("transfer", [("ab", SIZE // 2 - 1)], indirect=True)
def test_for_little_nobody_is_searched(transfer: Transfer) -> None:
    assert transfer.upload._transfer(transfer.host, {}) == []
    assert "search" not in transfer.did and not transfer.events


@pytest.mark.parametrize("shell", POSIX_SHELLS, ids=" ".join)
def test_a_writer_fills_the_ranges_and_leaves_what_is_between_them(
    shell: list[str], tmp_path: Path
) -> None:
    chunk, size = chunks.CHUNK_BYTES, 7 * chunks.CHUNK_BYTES + 5
    ranges = [(0, 2 * chunk), (4 * chunk, 5 * chunk), (6 * chunk, size)]
    content, part = os.urandom(size), tmp_path / "it's a part"
    part.write_bytes(bytes(6 * chunk))
    sent = b"".join(content[begin:end] for begin, end in ranges)
    command = ssh_stream.write_command(str(part), ranges)
    # bytes come in any pieces
    with subprocess.Popen([*shell, "-c", command], stdin=subprocess.PIPE) as writer:
        assert writer.stdin
        for at in range(0, len(sent), 333_333):
            writer.stdin.write(sent[at : at + 333_333])
            writer.stdin.flush()
    assert writer.returncode == 0
    expected = bytearray(size)
    for begin, end in ranges:
        expected[begin:end] = content[begin:end]
    assert part.read_bytes() == expected


def test_a_writer_of_many_ranges_ends_at_the_first_that_fails(tmp_path: Path) -> None:
    chunk = chunks.CHUNK_BYTES
    ranges = [(at * chunk, (at + 1) * chunk) for at in range(0, 1 << 18, 2)]
    batch = ranges[-ssh_stream.RANGES_PER_WRITER :]
    command = ssh_stream.write_command(str(tmp_path / "none" / "part"), batch)
    assert len(command) < 128 << 10, "one argument of a program is not longer"
    done = subprocess.run(["sh", "-c", command], input=b"x", capture_output=True)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1


class Writer(AbstractContextManager["Writer"]):
    """The channel of a command that runs here instead of on a host."""

    def __init__(self, command: str) -> None:
        self.process = subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE)
        self.status_event = SimpleNamespace(
            wait=lambda _seconds: self.process.wait(PATIENCE_S) == 0
        )

    def __exit__(self, *_: object) -> None:
        self.process.wait(PATIENCE_S)

    def sendall(self, block: memoryview) -> None:
        assert self.process.stdin
        self.process.stdin.write(block)

    def shutdown_write(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def recv_exit_status(self) -> int:
        return self.process.returncode


def test_of_many_ranges_each_comes_to_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chunk, size = chunks.CHUNK_BYTES, 10 * chunks.CHUNK_BYTES + 5
    ranges = [(at * chunk, min((at + 1) * chunk, size)) for at in range(0, 11, 2)]
    content, part = os.urandom(size), tmp_path / "part"
    (tmp_path / "file").write_bytes(content)
    part.write_bytes(bytes(size))
    commands: list[str] = []

    def open_stream(_host: Any, command: str) -> Writer:
        commands.append(command)
        return Writer(command)

    monkeypatch.setattr(ssh_stream, "RANGES_PER_WRITER", 4)
    monkeypatch.setattr(ssh_stream.connection, "open_stream", open_stream)
    monkeypatch.setattr(ssh_stream.connection, "is_lost", lambda *_: False)
    progress = ssh_stream.TransferProgress(size)
    host: Any = SimpleNamespace(name="a")
    problem = ssh_stream.write_ranges(host, tmp_path / "file", str(part), ranges, progress)
    assert problem == [] and len(commands) == 2
    expected = bytearray(size)
    for begin, end in ranges:
        expected[begin:end] = content[begin:end]
    assert part.read_bytes() == expected
    assert progress.sent == sum(end - begin for begin, end in ranges)


def test_a_writer_whose_input_ends_makes_no_file_that_was_removed(tmp_path: Path) -> None:
    chunk, part = chunks.CHUNK_BYTES, tmp_path / "part"
    command = ssh_stream.write_command(str(part), [(0, chunk), (2 * chunk, 3 * chunk)])
    with subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE) as writer:
        until(part.exists)
        part.unlink()
    assert writer.returncode == 1 and not part.exists()
