"""The lock of a host, judged by the host's own script: here on the controller, in a folder."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.host.scripts import read_script, script_text
from tests.waiting import PATIENCE_S, until

Process = subprocess.Popen[str]


class Host:
    """A folder that is the state of a host."""

    def __init__(self, folder: Path) -> None:
        self.lock = folder / "lock"
        self.script = script_text("lock").replace("/var/lib/mlufleet", str(folder))
        # a lease is judged after a beat and two seconds: shorter beats, shorter waits
        self.script = re.sub(r"^BEAT=5$", "BEAT=1", self.script, count=1, flags=re.M)
        self.begun: list[Process] = []

    def begin(self, *arguments: str) -> Process:
        words = ["sh", "-c", self.script, "lock", *arguments]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.begun.append(process)
        return process

    def acquire(self, run: str) -> Process:
        return self.begin("acquire", run, f"{run}@here", "deploy", "20")

    def beaten(self, run: str) -> Process:
        """The lock in the hands of a run that has just given a sign of life."""
        assert self.acquire(run).wait(PATIENCE_S) == 0
        beat = self.begin("beat", run)
        sign(beat)
        return beat


def sign(beat: Process) -> None:
    assert beat.stdin and beat.stdout
    beat.stdin.write("\n")
    beat.stdin.flush()
    assert beat.stdout.readline() == "beat\n"


def hang_up(beat: Process) -> None:
    assert beat.stdin
    beat.stdin.close()
    assert beat.wait(PATIENCE_S) == 0


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    yield host
    for process in host.begun:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def test_what_a_dying_holder_still_does_to_its_lock_is_no_sign_of_life(host: Host) -> None:
    beat = host.beaten("one")
    contender = host.acquire("two")
    time.sleep(1.5)  # it has looked at the lock
    hang_up(beat)
    said, _ = contender.communicate(timeout=PATIENCE_S)
    assert contender.returncode == 0 and set(said.split()) == {"@@waiting"}
    assert host.lock.read_text().startswith("two\t")
    assert "took over the lock held by one@here" in (host.lock.parent / "audit.log").read_text()


def test_who_waits_for_a_lock_does_not_take_it_for_a_controller_that_is_gone(host: Host) -> None:
    beat = host.beaten("one")
    orphan = host.acquire("two")
    time.sleep(1.5)
    assert orphan.stdout
    orphan.stdout.close()
    hang_up(beat)
    assert orphan.wait(PATIENCE_S) != 0
    assert host.lock.read_text().startswith("one\t")
    assert host.acquire("three").wait(PATIENCE_S) == 0


def test_a_holder_one_of_whose_connections_has_ended_is_alive(host: Host) -> None:
    old, new = host.beaten("one"), host.begin("beat", "one")
    hang_up(old)
    contender = host.acquire("two")
    time.sleep(1.5)
    sign(new)
    said, _ = contender.communicate(timeout=PATIENCE_S)
    assert contender.returncode == 1 and "@@code LOCKED" in said and "held by one@here" in said
    assert host.lock.read_text().startswith("one\t")


def test_a_lock_that_was_taken_away_gets_no_sign_of_life_from_who_had_it(host: Host) -> None:
    beat = host.beaten("one")
    assert host.begin("break", "me@here").wait(PATIENCE_S) == 0
    hang_up(beat)
    assert not host.lock.exists()
    taken = host.acquire("two")
    assert taken.communicate(timeout=PATIENCE_S)[0] == "" and taken.returncode == 0


def test_a_lock_that_cannot_be_written_is_not_had(host: Host) -> None:
    (host.lock.parent / "lock.part").symlink_to("/dev/full")
    taken = host.acquire("one")
    said, _ = taken.communicate(timeout=PATIENCE_S)
    assert taken.returncode == 1 and "lock cannot be written" in str(said)
    assert not host.lock.exists()
    (host.lock.parent / "lock.part").unlink()
    host.lock.mkdir()
    assert host.acquire("one").wait(PATIENCE_S) == 1, "a folder of that name is no lock"


def test_a_stamp_that_cannot_be_written_leaves_the_one_that_is_there(tmp_path: Path) -> None:
    script = script_text("stamp").replace("/var/lib/mlufleet", str(tmp_path))
    for value, full in (("one", False), ("two", True)):
        if full:
            (tmp_path / "stamps/.good.part").symlink_to("/dev/full")
        done = subprocess.run(
            ["sh", "-c", script, "stamp", "good", value], capture_output=True, text=True
        )
        assert ("No space left on device" in done.stderr) == full == bool(done.returncode)
    assert (tmp_path / "stamps/good").read_text() == "one\n"


@pytest.mark.parametrize("part", ["body", "stdin", "main"])
def test_the_half_of_a_step_is_not_run(tmp_path: Path, part: str) -> None:
    (tmp_path / "lock").write_text("run1\tme\n")
    mkdir = tmp_path / "mkdir"
    full = f'case $2 in *.new) ln -s /dev/full "$2/{part}" ;; esac'
    mkdir.write_text(f'#!/bin/sh\n/bin/mkdir "$@" && {full}\n')
    mkdir.chmod(0o755)
    whole = script_text("job").replace("/var/lib/mlufleet", str(tmp_path))
    words = ["x", "60", "given", f"touch {tmp_path}/ran", "a step"]
    done = subprocess.run(
        ["sh", "-c", f"WHO='run1\tme\tstage\tstep'\n{whole}", "job", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert done.returncode == 1 and "jobs/x cannot be written" in done.stdout
    assert "No space left on device" in done.stderr
    assert not (tmp_path / "jobs/x").exists() and not (tmp_path / "ran").exists()


def test_who_waits_for_a_dead_runs_step_ends_with_its_own_controller(host: Host) -> None:
    job = host.lock.parent / "jobs/one-1"
    job.mkdir(parents=True)
    step = subprocess.Popen(["sh", "-c", "read -r _", f"{job}/main"], stdin=subprocess.PIPE)
    booted = subprocess.run(
        ["sh", "-c", read_script("lib/common") + "booted"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name, said in {"pid": str(step.pid), "boot": booted, "deadline": "9" * 12}.items():
        (job / name).write_text(said)
    try:
        contender = host.acquire("two")
        until(host.lock.exists)
        assert contender.stdout
        contender.stdout.close()
        assert contender.wait(PATIENCE_S) != 0 and step.poll() is None
    finally:
        step.communicate()
