"""When a file comes by a swarm, and when a host leaves it."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.queue
import pytest

from fleet.checksum import torrent
from operations.host.context import RunContext
from operations.host.events import BytesSeeded
from operations.transfer import aria2, swarm
from operations.transfer.aria2 import Aria2Peer, LeftSwarm
from operations.transfer.ssh_stream import TransferProgress
from operations.transfer.tracker import TrackedPeer
from tests.waiting import PATIENCE_S

SHA, MIB = "5" * 64, 1 << 20


@pytest.fixture
def context() -> RunContext:
    return RunContext()


@pytest.fixture
def swarms(context: RunContext) -> swarm.Swarms:
    return context.service(swarm.Swarms)


def host(name: str = "a", **data: Any) -> Any:
    connector = SimpleNamespace(client=None)
    return SimpleNamespace(name=name, data=data, connector=connector, state=SimpleNamespace())


def wanted_by(swarms: swarm.Swarms, *names: str) -> None:
    for name in names:
        swarms.register_demand(name, {SHA})


@pytest.mark.parametrize(
    ("hosts", "data", "mib", "chosen"),
    [
        (3, {}, 64, True),
        (2, {}, 64, False),
        (3, {}, 63, False),
        (2, {"swarm_hosts": 2}, 64, True),
        (3, {"swarm_size": 100}, 64, False),
        (1, {"distribution": "swarm"}, 64, True),
        (1, {"distribution": "swarm"}, 63, False),
        (9, {"distribution": "ssh"}, 999, False),
    ],
)
def test_many_hosts_and_a_big_file_make_a_swarm(
    swarms: swarm.Swarms, hosts: int, data: dict[str, Any], mib: int, chosen: bool
) -> None:
    wanted_by(swarms, *"abcdefghi"[:hosts])
    assert swarms.should_use_swarm(host(**data), SHA, mib * MIB) is chosen


def test_without_ssh_or_a_run_that_wants_it_there_is_no_swarm(swarms: swarm.Swarms) -> None:
    assert not swarms.should_use_swarm(host(distribution="swarm"), SHA, 64 * MIB)
    wanted_by(swarms, "a", "b", "c")
    local = SimpleNamespace(name="a", data={}, connector=SimpleNamespace())
    assert not swarms.should_use_swarm(local, SHA, 64 * MIB)  # type: ignore[arg-type]


def test_a_host_that_left_a_swarm_is_not_led_back(swarms: swarm.Swarms) -> None:
    wanted_by(swarms, "a", "b", "c")
    swarms.excluded.add(("a", SHA))
    assert not swarms.should_use_swarm(host("a"), SHA, 64 * MIB)
    assert swarms.should_use_swarm(host("b"), SHA, 64 * MIB)


class Told:
    """What a swarm holds, and whether it was told to end."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    def stop(self) -> int:
        self.closed += 1
        return 7


def test_who_is_served_gives_on_until_nobody_wants_the_file(
    context: RunContext, swarms: swarm.Swarms
) -> None:
    heard: list[Any] = []
    context.events.listeners.append(heard.append)
    wanted_by(swarms, "a", "b", "c")
    seed, gives = Told(), Told()
    swarms.by_checksum[SHA].seeder = seed  # type: ignore[assignment]
    swarms.by_checksum[SHA].peers["a"] = gives  # type: ignore[assignment]
    swarms.host_done("a", SHA)
    swarms.host_done("a", SHA)
    assert (seed.closed, gives.closed) == (0, 0)
    context.events.emit(
        "b", "failed", stage="image", code="TRANSFER", sentence="", remedy="", tail=[]
    )
    assert SHA in swarms.by_checksum and not gives.closed
    swarms.leave("c")
    assert (seed.closed, gives.closed) == (1, 1) and not swarms.by_checksum
    assert heard[-1] == BytesSeeded(sha256=SHA, sent=7)
    swarms.host_done("c", SHA)


@pytest.mark.parametrize(("hosts", "is_made"), [("ab", False), ("abc", True)])
def test_torrents_are_made_before_they_are_needed(
    swarms: swarm.Swarms, tmp_path: Path, hosts: str, is_made: bool
) -> None:
    local = tmp_path / "image"
    local.write_bytes(content := os.urandom(9))
    files = {hashlib.sha256(content).hexdigest(): local, "6" * 64: tmp_path / "missing"}
    for name in hosts:
        swarms.register_demand(name, files)
        swarms.prepare(host(name, swarm_size=0), files)
    made = swarms.by_checksum[next(iter(files))]
    if is_made:
        with gevent.Timeout(PATIENCE_S):
            while not made.torrent:
                gevent.sleep(0.01)
    gevent.sleep(0.05)
    assert bool(made.torrent) is is_made and not swarms.by_checksum["6" * 64].torrent


def test_what_goes_wrong_in_a_swarm_is_a_reason_to_leave_it(
    swarms: swarm.Swarms, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_port(*_: object) -> None:
        raise OSError("no free port")

    wanted_by(swarms, "a", "b", "c")
    monkeypatch.setattr(swarm.Swarm, "start", no_port)
    said = swarms.fill(host(), None, SHA, "part", 0, TransferProgress(1))  # type: ignore[arg-type]
    assert said == "OSError: no free port"
    assert not swarms.should_use_swarm(host(), SHA, 64 * MIB)


@pytest.mark.parametrize(
    ("others", "data", "gives"),
    [
        ("bc", {}, True),  # three with itself
        ("b", {}, False),
        ("b", {"distribution": "swarm"}, True),
        ("bcdefg", {"distribution": "ssh"}, False),
        ("", {"distribution": "swarm"}, False),  # to nobody
    ],
)
def test_a_host_that_has_a_file_gives_it_where_enough_hosts_share_it(
    swarms: swarm.Swarms, others: str, data: dict[str, Any], gives: bool
) -> None:
    wanted_by(swarms, "a", *others)
    swarms.host_done("a", SHA)
    assert swarms.should_seed(host("a", **data), SHA, 64 * MIB) is gives


def test_a_seed_counts_and_serves_once_until_the_swarm_ends(
    swarms: swarm.Swarms, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    closed: list[str] = []
    began: list[str] = []

    def start(seed: Any, of: swarm.Swarm, local: Any, path: str) -> Any:
        began.append(path)
        of.peers[seed.name] = SimpleNamespace(  # type: ignore[assignment]
            is_complete=True,
            close=lambda: closed.append(seed.name),
            wait_until_serving=lambda: None,
        )
        return of.peers[seed.name]

    monkeypatch.setattr(swarms, "_start_peer", start)
    monkeypatch.setattr(swarm.gevent, "spawn", lambda call, *given: call(*given))
    a = host("a")
    a.print_prefix = ""
    wanted_by(swarms, "a", "b", "c")
    swarms.host_done("a", SHA)
    swarms.seed(a, tmp_path, SHA, "/data/models/x", lambda: "")
    assert not began and not swarms.should_seed(a, SHA, 64 * MIB)
    swarms.by_checksum[SHA].accept_offers()  # another one asks for it
    assert began == ["/data/models/x"]
    assert swarms.should_use_swarm(host("b"), SHA, 64 * MIB), "with it they are three"
    swarms.host_done("b", SHA)
    assert not closed
    swarms.host_done("c", SHA)
    assert closed == ["a"]


def test_a_host_on_which_no_client_can_be_placed_is_no_seed(
    swarms: swarm.Swarms,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(swarm.gevent, "spawn", lambda call, *given: call(*given))

    def place_client() -> str:
        raise ValueError("no such place")

    a = host("a")
    a.print_prefix = ""
    wanted_by(swarms, "a", "b", "c")
    swarms.host_done("a", SHA)
    swarms.by_checksum[SHA].is_asked = True
    with caplog.at_level(logging.INFO, logger="pyinfra"):
        swarms.seed(a, tmp_path, SHA, "/data/models/x", place_client)
    assert not swarms.by_checksum[SHA].seeds
    assert "PROBE_FAILED" in caplog.text and "no such place" in caplog.text


def test_a_seed_that_starts_too_late_leaves_nothing_behind(
    swarms: swarm.Swarms, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    stopped: list[str] = []

    def start(seed: Any, of: swarm.Swarm, local: Any, path: str) -> Any:
        swarms.host_done("b", SHA)  # the last one that needs it
        monkeypatch.setattr(of, "stop", lambda: stopped.append("again"))
        return SimpleNamespace(wait_until_serving=lambda: None)

    monkeypatch.setattr(swarms, "_start_peer", start)
    monkeypatch.setattr(swarm.gevent, "spawn", lambda call, *given: call(*given))
    a = host("a")
    a.print_prefix = ""
    wanted_by(swarms, "b")
    swarms.by_checksum[SHA].is_asked = True
    swarms.seed(a, tmp_path, SHA, "/data/models/x", lambda: "")
    assert stopped == ["again"] and not swarms.by_checksum


# one host's aria2c


def test_nobody_is_told_of_a_host_whose_client_was_killed(
    swarms: swarm.Swarms, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    local, output = tmp_path / "file", gevent.queue.Queue[bytes]()
    local.write_bytes(b"x" * 99)
    sha = hashlib.sha256(local.read_bytes()).hexdigest()
    tracked, other = TrackedPeer("10.0.0.2"), TrackedPeer("10.0.0.3")
    tracker = SimpleNamespace(peers={tracked.address: tracked}, port=1)
    channel = SimpleNamespace(recv=lambda _size: output.get(), sendall=len, close=len)
    monkeypatch.setattr(aria2.connection, "open_stream", lambda *_: channel)
    swarms.register_demand("a", {sha})
    one = swarms.by_checksum[sha]
    monkeypatch.setattr(one, "start", lambda *_: tracker)
    one.load_torrent(local)
    infohash = torrent.compute_infohash(one.torrent)
    output.put(b"address 10.0.0.2 10.0.0.1\n")
    swarms._start_peer(host("a"), one, local, "part")
    tracked.ports[infohash] = other.ports[infohash] = 7000
    tracked.links[infohash], other.links[infohash] = [other], [tracked]

    output.put(b"")
    gevent.sleep(0)
    assert infohash not in tracked.ports and other.links[infohash] == []


class Clock:
    """Time passes when a peer waits, and its host says the next line then."""

    def __init__(self, one: Aria2Peer, lines: Iterator[str]) -> None:
        self.one, self.lines, self.now = one, lines, 0.0

    def next(self) -> None:
        self.now += 1
        self.one._parse_line(next(self.lines))


def joined(monkeypatch: pytest.MonkeyPatch, lines: Iterator[str], rate: int = 0) -> Aria2Peer:
    channel = SimpleNamespace(makefile=lambda mode: iter(()), close=lambda: None)
    monkeypatch.setattr(aria2.connection, "open_stream", lambda *_: channel)
    monkeypatch.setattr(aria2.gevent, "spawn", lambda *_: None)
    one = Aria2Peer(host(), "p", 99 * MIB, "aria2c", "6881", rate, "", 1)
    clock = Clock(one, lines)
    monkeypatch.setattr(aria2, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(one, "_wait_for_output", clock.next)
    return one


def at(mib: float, more: str = "") -> str:
    return f"[#16b6d4 {int(mib * MIB)}B/{99 * MIB}B(1%) CN:1 SD:1 DL:0B]{more}"


SEEDS = "[#fa3882 SEED(0.0) CN:1 SD:0 UL:48B(150B)]"


def test_what_comes_is_counted_without_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = [at(0, "[Checksum:#16b6d4 1B/2B(50%)]")] * 100
    one = joined(monkeypatch, iter([*checked, at(10), at(30), SEEDS]))
    meter = TransferProgress(99 * MIB)
    one.wait_until_complete(meter, there=50, size=99 * MIB)
    assert one.is_complete and meter.swarmed == 89 * MIB


def test_a_host_that_gets_nothing_leaves_and_says_whom_it_could_not_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = joined(monkeypatch, iter(["address 10.0.0.2 10.0.0.1", *[at(0)] * 99]))
    assert one.wait_for_addresses() == ("10.0.0.2", "10.0.0.1")
    with pytest.raises(LeftSwarm, match=r"nothing came in 30 s: can it reach 10\.0\.0\.1, and "):
        one.wait_until_complete(TransferProgress(99 * MIB), 0, 99 * MIB)


def test_a_swarm_that_stands_still_is_left_with_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    one, meter = joined(monkeypatch, iter([at(5), *[at(9)] * 99])), TransferProgress(99 * MIB)
    with pytest.raises(LeftSwarm, match="nothing came for 20 s"):
        one.wait_until_complete(meter, 0, 99 * MIB)
    assert meter.swarmed == 9 * MIB


@pytest.mark.parametrize(("rate", "slow"), [(0, True), (1, False), (8, True)])
def test_a_swarm_that_crawls_is_left_unless_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, rate: int, slow: bool
) -> None:
    lines = iter([*(at(second / 2) for second in range(1, 90)), SEEDS])
    one = joined(monkeypatch, lines, rate)
    if slow:
        with pytest.raises(LeftSwarm, match=r"0\.5 MB/s over \d+ s is too slow"):
            one.wait_until_complete(TransferProgress(1), 0, 99 * MIB)
    else:
        one.wait_until_complete(TransferProgress(1), 0, 99 * MIB)
        assert one.is_complete


def test_the_end_of_a_hosts_client_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = [
        "FILE: /x",
        "-----",
        "[ERROR] Checksum error detected. file=x",
        "env: aria2c: Permission denied",
        "aria2c ended with status 126",
    ]
    one = joined(monkeypatch, iter(()))
    for line in said:
        one._parse_line(line)
    one._has_ended = True
    with pytest.raises(LeftSwarm) as stranded:
        one.wait_until_complete(TransferProgress(1), 0, 1)
    assert str(stranded.value) == "env: aria2c: Permission denied; aria2c ended with status 126"


def test_a_host_without_an_ipv4_address_cannot_be_in_a_swarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = joined(monkeypatch, iter(["address fd00::1 fd00::2"]))
    with pytest.raises(LeftSwarm, match="fd00::1 is not an IPv4 address"):
        one.wait_for_addresses()
