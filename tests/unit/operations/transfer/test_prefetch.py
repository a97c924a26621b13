"""What comes before its stage: who waits for it, who takes it over, and what ends it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event

from fleet.release.target import ReleaseTarget
from operations import disk_space, stages
from operations.host.context import RunContext, run_context
from operations.host.facts import HostFacts
from operations.stage import HostOptions
from operations.transfer import prefetch, ssh_stream, swarm
from operations.transfer.ssh_stream import TransferProgress
from operations.transfer.upload import Upload
from tests.unit.conftest import BARE, probe
from tests.unit.operations.stage_helpers import as_host, as_spec
from tests.waiting import PATIENCE_S

HOST: Any = SimpleNamespace(name="a", print_prefix="[a] ", connector=None, data={})


@pytest.fixture(autouse=True)
def context() -> RunContext:
    """The context of a run of this test's own."""
    HOST.state = SimpleNamespace()
    return run_context(HOST)


class File:
    """An upload of one file that is whole once somebody says so."""

    def __init__(self, kind: str) -> None:
        self.upload_id = self.title = kind
        self.completed_parts: set[str] = set()
        self.tries = self.under_way = 0
        self.arrives, self.why = Event(), ""

    def fill_parts(self, host: Any, arguments: Any, is_cancelled: Any) -> list[str]:
        self.tries += 1
        with run_context(host).limits.hold_slot(host, "upload ahead"):
            self.under_way += 1
            try:
                self.arrives.wait()
            finally:
                self.under_way -= 1
        if not self.why:
            self.completed_parts.add(f"{self.upload_id}.part")
        return [self.why] if self.why else []


def begin(*wanted: Any, before: tuple[Any, ...] = ()) -> None:
    """Begin with what the host wants now. :param before: what it wanted before it was locked"""
    command = prefetch.StartPrefetch(before, lambda _: wanted)
    assert command.execute(HOST.state, HOST, {})


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[File, File]]:
    """Of a host, both on their way: the first of them moves, and nobody waits for it at the end."""
    monkeypatch.setattr(prefetch.events, "STOP_GRACE_S", 0.1)
    files = File("image"), File("weights")
    begin(*files)
    gevent.sleep(0)
    yield files
    prefetch.prefetches(HOST).end("a")
    gevent.sleep(0)
    assert not any(file.under_way for file in files)


def taken(kind: str) -> set[str]:
    with prefetch.prefetches(HOST).take_over(HOST, kind) as brought:
        return set(brought)


def test_a_stage_waits_for_its_file_and_the_next_one_goes_on(files: tuple[File, File]) -> None:
    image, weights = files
    stage = gevent.spawn(taken, "image")
    gevent.sleep(2 * prefetch.POLL_INTERVAL_S)
    assert not stage.dead and (image.under_way, weights.under_way) == (1, 0)
    image.arrives.set()
    assert stage.get(timeout=PATIENCE_S) == {"image.part"}
    gevent.sleep(0)
    assert (image.tries, weights.under_way) == (1, 1)
    weights.arrives.set()
    assert taken("weights") == {"weights.part"} and weights.tries == 1


def test_a_stage_takes_over_a_file_that_only_waits_for_a_place(context: RunContext) -> None:
    context.limits.set_limit("upload ahead", 0)
    image, weights = File("image"), File("weights")
    begin(image, weights)
    gevent.sleep(0)
    assert len(context.limits.waiting) == 1
    with gevent.Timeout(5):
        assert taken("image") == set() and image.tries == 1
    gevent.sleep(0)
    assert weights.tries == 1, "the next one is on its way"
    prefetch.prefetches(HOST).end("a")
    assert not context.limits.waiting


def test_a_stage_takes_over_a_file_whose_turn_has_not_come(files: tuple[File, File]) -> None:
    image, weights = files
    with gevent.Timeout(5), prefetch.prefetches(HOST).take_over(HOST, "weights") as brought:
        assert brought == set() and image.under_way == weights.under_way == 0


def test_what_goes_wrong_is_left_to_the_stage_and_fails_nobody(
    files: tuple[File, File], context: RunContext
) -> None:
    heard: list[Any] = []
    context.events.listeners.append(heard.append)
    image, weights = files
    image.why = "no room"
    image.arrives.set()
    gevent.sleep(0)
    assert taken("image") == set() and not heard
    gevent.sleep(0)
    assert image.tries == 1 and weights.under_way == 1, "with the stage's own, the way is free"


def test_a_reboot_stops_it_and_it_goes_on_afterwards(files: tuple[File, File]) -> None:
    image, _ = files
    with prefetch.prefetches(HOST).paused(HOST):
        gevent.sleep(0)
        assert image.under_way == 0
    gevent.sleep(0)
    assert (image.under_way, image.tries) == (1, 2)


def test_a_failure_of_the_host_ends_it_for_good(
    files: tuple[File, File], context: RunContext
) -> None:
    image, weights = files
    failure: dict[str, Any] = {"sentence": "", "remedy": "", "tail": []}
    failure |= {"stage": "driver", "code": "TIMED_OUT"}
    with prefetch.prefetches(HOST).paused(HOST):
        context.events.emit("b", "failed", **failure)
        assert "a" in prefetch.prefetches(HOST)
        context.events.emit("a", "failed", **failure)
        assert "a" not in prefetch.prefetches(HOST)
    gevent.sleep(0)
    assert image.under_way == weights.under_way == 0


def test_a_run_that_is_halted_ends_it_at_once(
    files: tuple[File, File], context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefetch.events, "STOP_GRACE_S", 0.01)
    image, weights = files
    context.stop.request()
    gevent.sleep(0.1)
    assert image.under_way == 0
    with prefetch.prefetches(HOST).paused(HOST):
        pass
    gevent.sleep(0)
    assert (image.tries, weights.tries) == (1, 0), "nor does it begin again"


def test_a_block_is_sent_whole_before_the_sender_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "x").write_bytes(bytes(3 * ssh_stream.BLOCK_BYTES))
    sent: list[int] = []

    class Slow(contextlib.AbstractContextManager[Any]):
        def __exit__(self, *_: object) -> None: ...

        def sendall(self, block: memoryview) -> None:
            gevent.sleep(0.2)
            sent.append(len(block))

    monkeypatch.setattr(ssh_stream.connection, "open_stream", lambda *_: Slow())
    size = 3 * ssh_stream.BLOCK_BYTES
    upload = File("image")

    def fill_parts(host: Any, arguments: Any, is_cancelled: Any) -> list[str]:
        whole, progress = [(0, size)], TransferProgress(size)
        return ssh_stream.write_ranges(host, tmp_path / "x", "/x", whole, progress, is_cancelled)

    monkeypatch.setattr(upload, "fill_parts", fill_parts)
    begin(upload)
    gevent.sleep(0.05)
    prefetch.prefetches(HOST).end("a")
    assert sent == [ssh_stream.BLOCK_BYTES]


def test_what_a_killed_run_has_loaded_meanwhile_is_not_sent() -> None:
    begin(before=(File("image"),))
    assert "a" not in prefetch.prefetches(HOST)


def test_a_host_that_was_not_given_anything_has_no_flight() -> None:
    assert taken("image") == set() and "a" not in prefetch.prefetches(HOST)


# an upload


def partial(size: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> tuple[Upload, list[str]]:
    """An upload of three bytes, of which the host says to have some; what is done with it."""
    (tmp_path / "x").write_bytes(b"abc")
    upload = Upload("image", [(tmp_path / "x", "/x", "5" * 64)])
    (part,) = upload.files
    did: list[str] = []

    def receive(host: Any, arguments: Any, phase: str, *_: Any) -> tuple[bool, list[str]]:
        did.append(phase)
        return True, [f"want {part} {size}"] if phase == "begin" else []

    def send(*_: Any) -> list[str]:
        did.append("send")
        return []

    monkeypatch.setattr(upload, "_run_place_files", receive)
    monkeypatch.setattr(upload, "_compare_chunks", lambda *_: did.append("compare") or (0, []))
    monkeypatch.setattr("operations.transfer.upload.write_ranges", send)
    return upload, did


def test_a_part_that_was_brought_is_neither_read_nor_sent_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    upload, did = partial(0, monkeypatch, tmp_path)
    assert upload.fill_parts(HOST, {}) == [] and did == ["begin", "send"], "and nothing is placed"
    due, did = partial(3, monkeypatch, tmp_path)
    assert due._transfer(HOST, {}, upload.completed_parts) == []
    assert did == ["begin", "end"]


def test_a_part_that_a_host_has_lost_again_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    upload, did = partial(2, monkeypatch, tmp_path)
    assert upload._transfer(HOST, {}, set(upload.files)) == []
    assert did == ["begin", "compare", "send", "end"]


def test_a_host_that_is_stopped_in_a_swarm_is_led_back(monkeypatch: pytest.MonkeyPatch) -> None:
    swarms = swarm.Swarms(RunContext())
    for name in "abc":
        swarms.register_demand(name, {"5" * 64})
    monkeypatch.setattr(swarm.Swarm, "start", lambda *_: gevent.sleep(60))
    one: Any = SimpleNamespace(name="a", data={}, connector=SimpleNamespace(client=None))
    job = gevent.spawn(swarms.fill, one, None, "5" * 64, "part", 0, TransferProgress(1))
    gevent.sleep(0)
    job.kill()
    assert swarms.should_use_swarm(one, "5" * 64, 64 << 20)


# what


def look(wanted: ReleaseTarget, state: HostFacts) -> stages.HostPlan:
    spec = as_spec(wanted)
    return stages.HostPlan(spec.target, spec.options, state, stages.find_drift(spec, state))


def test_what_a_bare_host_needs_of_image_and_weights_comes_ahead(
    wanted: ReleaseTarget, bare: HostFacts
) -> None:
    found = look(wanted, bare).prefetchable
    assert [(one.upload_id, one.stage) for one in found] == [
        ("image", "image"),
        ("weights-tiny", "weights"),
    ]


def test_nothing_comes_ahead_of_the_first_that_is_to_do(
    wanted: ReleaseTarget, bare: HostFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = look(wanted, bare)
    monkeypatch.setattr(stages.weights, "list_unplaced", lambda *_: [])
    first = {stage: found.drift[stage] for stage in ("image", "container")}
    alone = stages.HostPlan(as_host(wanted), found.options, bare, {**first})
    assert len(alone.uploads) == 1 and alone.prefetchable == []
    after = stages.HostPlan(as_host(wanted), found.options, bare, {"driver": ["x"], **first})
    assert len(after.prefetchable) == 1


@pytest.mark.parametrize(
    ("source", "in_swarm", "ahead"),
    [("auto", True, False), ("archive", True, True), ("registry", False, False)],
)
def test_the_archive_of_an_image_that_is_pulled_is_sent_only_if_that_fails(
    wanted: ReleaseTarget, bare: HostFacts, source: str, in_swarm: bool, ahead: bool
) -> None:
    registry = f"harbor.example/torch@sha256:{'0' * 64}"
    image = wanted.release.image.model_copy(update={"registry": registry})
    either = replace(wanted, release=wanted.release.model_copy(update={"image": image}))
    spec = as_spec(either, HostOptions(image_source=source))
    found = stages.HostPlan(spec.target, spec.options, bare, stages.find_drift(spec, bare))
    sha = wanted.lock.files["image.tar.gz"].sha256
    assert (sha in found.files) == in_swarm
    assert ("image" in [upload.stage for upload in found.prefetchable]) == ahead
    needs = disk_space.list_needs(spec.target, bare, source)
    assert ("image archive" in {need.label for need in needs}) == in_swarm


def test_what_has_come_of_weights_needs_no_room_again(
    wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the test's weights are smaller than what is left of a full file system
    monkeypatch.setattr(disk_space, "FULL_BELOW_BYTES", 0)
    (file,) = wanted.lock.files_in("weights").values()
    needed = sum(
        n.size_bytes
        for n in disk_space.list_needs(as_host(wanted), probe(*BARE))
        if n.path == "/var/lib/mlufleet"
    )
    free = f"disk|/var/lib/mlufleet|{needed - 1}"
    nothing, some = probe(*BARE, free), probe(*BARE, free, f"part|weights.{file.sha256}.0.part|1")
    short = disk_space.check_free_space(as_host(wanted), nothing)
    assert short and short.code == "NO_SPACE"
    assert disk_space.check_free_space(as_host(wanted), some) is None
