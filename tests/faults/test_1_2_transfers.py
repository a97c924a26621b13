"""1, 2: an upload is cut, or a bit of it flips: what is there and right is not sent again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from fleet.checksum.chunks import CHUNK_BYTES
from tests.faults.big import FORGET, HOST, INCOMING, Big, deploy_light
from tests.lab import hosts as lab
from tests.lab import traffic
from tests.runs import Done, begin, report_in
from tests.waiting import PATIENCE_S

#: of the archive's padding, and MiB/s of the connection: some seconds
PADDING, RATE = 64 << 20, 16
#: bytes that may be between the two ends when a connection is cut
UNDERWAY = 24 << 20
#: more bytes than the smoke test's own files have, which a host may lack
OTHERS = 1 << 16


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Big:
    deploy_light()
    return Big.made(tmp_path_factory.mktemp("big"), PADDING)


@pytest.fixture
def big(release: Big) -> Iterator[Big]:
    """On a host that has neither its image nor a part of it."""
    lab.run(HOST, FORGET, check=False)
    with traffic.slow(RATE, HOST):
        yield release
    lab.run(HOST, FORGET, check=False)


def part() -> str:
    return lab.run(HOST, f"ls {INCOMING}/*.part")


def at_sixty_percent(big: Big, then: str) -> None:
    """Wait on the host itself for this much of the upload, then do something there at once."""
    size = f"$(stat -c %s {INCOMING}/image.*.part 2>/dev/null || echo 0)"
    wait = f'while [ "{size}" -lt {big.size * 6 // 10} ]; do sleep 0.01; done'
    lab.run(HOST, f"{wait}; {then}")


def hold(big: Big) -> None:
    """The upload stands still at sixty percent: its writer does not write."""
    at_sixty_percent(big, "pkill -STOP -x dd")


def killed_at_sixty_percent(big: Big) -> None:
    """The controller dies in the middle of an upload, and the host's end of it as well."""
    run = begin("--limit", HOST, *big.options)
    hold(big)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate(timeout=PATIENCE_S)
    lab.run(HOST, "pkill -KILL -x dd")
    there = int(lab.run(HOST, f"stat -c %s {part()}"))
    assert big.size * 0.6 <= there < big.size * 0.8
    assert "light-v1.tar" not in lab.run(HOST, "ls /var/lib/mlufleet/artifacts", check=False)


def flip(chunk: int) -> None:
    """One bit in the middle of a chunk."""
    middle = chunk * CHUNK_BYTES + CHUNK_BYTES // 2
    old = int(lab.run(HOST, f"od -An -tu1 -j{middle} -N1 {part()}"))
    lab.run(
        HOST,
        f"printf '\\{old ^ 1:03o}' | dd of={part()} bs=1 seek={middle} conv=notrunc status=none",
    )


def is_right(done: Done) -> None:
    assert done.status == 0 and done.statuses()[HOST] == "changed"
    assert lab.run(HOST, f"ls {INCOMING}") == ""


def test_1_a_connection_that_is_cut_comes_back_and_goes_on_where_it_was(big: Big) -> None:
    run = begin("--limit", HOST, *big.options)
    # the sessions, not the daemon that has to let the next one in
    at_sixty_percent(big, "pkill -KILL -f '^sshd: root'")
    output = run.communicate(timeout=PATIENCE_S)[0]
    assert run.returncode == 0, output
    assert "connection lost" in output and "bytes are there and correct" in output
    done = Done(0, output, report_in(output))
    is_right(done)
    # more than all of it: the connection was cut, and bytes were on their way
    assert big.size < done.host(HOST)["sent"] <= big.size + CHUNK_BYTES + UNDERWAY


def test_1_a_run_after_a_killed_controller_goes_on_where_it_was(big: Big) -> None:
    killed_at_sixty_percent(big)
    done = big.deploy()
    is_right(done)
    assert 0 < done.host(HOST)["sent"] <= big.size * 0.4 + CHUNK_BYTES


def test_2_a_bit_that_flips_in_a_partial_file_costs_one_chunk(big: Big) -> None:
    killed_at_sixty_percent(big)
    whole = int(lab.run(HOST, f"stat -c %s {part()}")) // CHUNK_BYTES * CHUNK_BYTES
    flip(3)
    done = big.deploy()
    is_right(done)
    assert 0 <= done.host(HOST)["sent"] - (big.size - whole + CHUNK_BYTES) < OTHERS


def test_2_a_bit_that_flips_after_it_arrived_costs_one_chunk(big: Big) -> None:
    run = begin("--limit", HOST, *big.options)
    hold(big)
    flip(3)
    lab.run(HOST, "pkill -CONT -x dd")
    output = run.communicate(timeout=PATIENCE_S)[0]
    assert run.returncode == 0, output
    assert "damaged files are sent again" in output
    done = Done(0, output, report_in(output))
    is_right(done)
    assert 0 <= done.host(HOST)["sent"] - (big.size + CHUNK_BYTES) < OTHERS


def test_2_a_chunk_that_breaks_twice_is_named_and_the_next_run_sends_only_it(big: Big) -> None:
    run = begin("--limit", HOST, *big.options)
    hold(big)
    # a disk that gives back another byte there than was written, however often
    write = f"printf x | dd of={part()} bs=1 seek={3 * CHUNK_BYTES + 7} conv=notrunc status=none"
    lab.run(
        HOST,
        "touch /run/breaks; (while [ -f /run/breaks ]; do "
        f"{write}; sleep 0.01; done) > /dev/null 2>&1 & pkill -CONT -x dd",
    )
    try:
        output = run.communicate(timeout=PATIENCE_S)[0]
    finally:
        lab.run(HOST, "rm /run/breaks")
    failure = report_in(output)["hosts"][HOST]["failure"]
    assert run.returncode == 2 and failure["code"] == "TRANSFER" and failure["stage"] == "image"
    count = -(-big.size // CHUNK_BYTES)
    assert (
        f"light-v1.tar: chunk 4 of {count} "
        f"(bytes {3 * CHUNK_BYTES:,} to {4 * CHUNK_BYTES:,}) arrived" in (failure["sentence"])
    )
    assert "light-v1.tar" not in lab.run(HOST, "ls /var/lib/mlufleet/artifacts", check=False)
    done = big.deploy()
    is_right(done)
    assert 0 <= done.host(HOST)["sent"] - CHUNK_BYTES < OTHERS


def test_1_partial_files_that_nothing_asks_for_go_and_others_stay(big: Big) -> None:
    old, older = f"image.{'a' * 64}.0.part", f"weights-x.{'b' * 64}.0.part"
    recent = f"weights-x.{'c' * 64}.0.part"
    lab.run(HOST, f"cd {INCOMING} && touch {old} {recent} && touch -d '8 days ago' {older}")
    done = big.deploy()
    assert done.status == 0
    assert lab.run(HOST, f"ls {INCOMING}") == recent
    for name in (old, older):
        assert f"removed a partial file that nothing asks for: {name}" in done.output
