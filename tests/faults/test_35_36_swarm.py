"""35, 36: hosts that give each other a big file, and those that die, crawl or lie meanwhile."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aria2c import ARIA2C

from fleet.checksum import torrent
from tests.lab import engine, traffic, up
from tests.lab import hosts as lab
from tests.runs import LAB, RELEASES, SITE, Done, report_in
from tests.waiting import PATIENCE_S, until

SIX = ("u1604", "u1804", "c7", "u1604-2", "u1804-2", "c7-2")
THREE = SIX[3:]
BIG, SIZE, DEST = 150 << 20, 80 << 20, "/var/lib/mlufleet-big"
PART = "/var/lib/mlufleet/incoming/image.*.part"
#: bytes of it that a host has; it is filled with holes in between
THERE = f"$(( $(stat -c %b {PART} 2>/dev/null || echo 0) * 512 ))"
PORTS = "6881:6999"
UPLOAD = str(Path(__file__).with_name("upload") / "deploy.py")


@dataclass(frozen=True)
class File:
    path: Path
    sha: str

    def words(self, *options: str, hosts: tuple[str, ...] = SIX) -> list[str]:
        data = [
            f"release={RELEASES}/light.yml",
            f"big_file={self.path}",
            f"big_sha={self.sha}",
            f"big_dest={DEST}",
            *options,
        ]
        return [
            *(sys.executable, "-m", "pyinfra", "-y", LAB, UPLOAD),
            *(word for host in hosts for word in ("--limit", host)),
            *(word for one in data for word in ("--data", one)),
        ]

    def begin(self, *options: str, hosts: tuple[str, ...] = SIX) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.words(*options, hosts=hosts),
            cwd=SITE,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def give(self, *options: str, hosts: tuple[str, ...] = SIX) -> Done:
        return ended(self.begin(*options, hosts=hosts))


def ended(run: subprocess.Popen[str]) -> Done:
    output = run.communicate(timeout=PATIENCE_S)[0]
    print(output)
    return Done(run.returncode, output, report_in(output))


@pytest.fixture(scope="module")
def fleet() -> Iterator[None]:
    before = len(lab.found())
    up.up(max(before, len(SIX)))
    yield
    if before < len(SIX):
        up.up(before)


@pytest.fixture
def file(fleet: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[File]:
    """A file that no host has."""
    content = os.urandom(getattr(request, "param", SIZE))
    (tmp_path / "big").write_bytes(content)
    yield File(tmp_path / "big", hashlib.sha256(content).hexdigest())
    for host in SIX:
        lab.run(host, f"pkill -KILL -x aria2c; rm -f {DEST} {PART}", check=False)


def where(path: str, *hosts: str) -> set[str]:
    """What sha256 a file has on hosts; "" for one that has none."""
    return {
        lab.run(host, f"sha256sum < {path} | cut -d' ' -f1", check=False)
        if lab.run(host, f"ls {path}", check=False) == path
        else ""
        for host in hosts
    }


def quiet() -> bool:
    """Nothing of a swarm is left, here or on any host: no process, no port, no scratch."""
    # the controller's end lives in the process of the run
    here = subprocess.run(["pgrep", "-f", UPLOAD], capture_output=True)
    look = "pgrep -x aria2c; ss -Hltn | grep -E ':6[89][0-9][0-9] '; ls /tmp/tmp.*/torrent"
    left = [lab.run(host, f"({look}) 2>/dev/null", check=False) for host in SIX]
    return here.returncode == 1 and not any(left)


def strike(host: str, script: str) -> None:
    """Do something on a host once a fifth of the file is there."""
    wait = f"while [ {THERE} -lt {SIZE // 5} ]; do sleep 0.05; done"
    lab.run(host, f"{wait}; {script}")


def cut_off(host: str, off: bool) -> None:
    """Nobody's swarm can be reached from a host."""
    pid = engine.docker("inspect", "-f", "{{.State.Pid}}", lab.PREFIX + host)
    rule = ["OUTPUT", "-p", "tcp", "--dport", PORTS, "-j", "DROP"]
    subprocess.run(
        ["nsenter", "-t", pid, "-n", "iptables", "-I" if off else "-D", *rule], check=True
    )


@pytest.mark.parametrize("file", [BIG], indirect=True)
def test_six_hosts_have_it_from_each_other_and_the_controller_sends_little(file: File) -> None:
    count = traffic.counted(map(lab.address, SIX))
    # the controller gives as long as the swarm takes: links limit that here, not the processors
    done = file.give("swarm_rate=8", "swarm_seed_rate=8")
    sent = count()
    assert done.status == 0 and where(DEST, *SIX) == {file.sha}
    for host in SIX:
        assert done.host(host)["swarmed"] == BIG and not done.host(host)["notes"]
    # with the client itself, and all that is not the file
    assert BIG < sent < 2.5 * BIG
    said = done.report["seeded"] + sum(done.host(host)["sent"] for host in SIX)
    assert abs(said - sent) < 0.1 * sent, "what the report says is what left this machine"
    until(quiet, seconds=15)
    again = file.give("distribution=swarm", hosts=THREE)
    assert again.status == 0 and sum(again.host(host)["sent"] for host in THREE) == 0
    assert again.report["seeded"] == 0 and quiet()


def test_35_peers_that_die_crawl_or_see_nobody_end_by_ssh_and_the_others_do_not_wait(
    file: File,
) -> None:
    dies, crawls, alone = SIX[:3]
    cut_off(alone, True)
    try:
        run = file.begin("swarm_rate=6", "swarm_seed_rate=6")
        strike(crawls, "pkill -STOP -x aria2c")
        strike(dies, "pkill -KILL -x aria2c")
        done = ended(run)
    finally:
        cut_off(alone, False)
    assert done.status == 0 and where(DEST, *SIX) == {file.sha}
    for host, reason in (
        (dies, "ended with status 137"),
        (crawls, "nothing came for 20 s"),
        (alone, "nothing came in 30 s"),
    ):
        (note,) = done.host(host)["notes"]
        assert reason in note and "the rest came by SSH" in note
        assert reason in done.output
    assert done.host(alone)["swarmed"] == 0 and done.host(alone)["sent"] >= SIZE
    for host in (dies, crawls):
        came = done.host(host)["swarmed"]
        # a fifth was there; what was in pieces that were not complete comes again
        assert SIZE * 3 // 20 < came < SIZE and done.host(host)["sent"] == SIZE - came
    for host in THREE:
        assert done.host(host)["swarmed"] == SIZE
    until(quiet, seconds=15)


def test_36_bytes_that_go_wrong_on_a_peer_stay_there(file: File) -> None:
    liar = THREE[0]
    run = file.begin("swarm_rate=6", "swarm_seed_rate=6", hosts=THREE)
    # what it has verified, and gives to others
    strike(liar, f"dd if=/dev/zero of=$(ls {PART}) bs=1M count=75 conv=notrunc status=none")
    done = ended(run)
    assert done.status == 0 and where(DEST, *THREE) == {file.sha}
    # pieces that were spoilt while they came make it shun whoever gave them, and leave; where all
    # had been checked before, the lock's sum finds them: in both cases they come again by SSH
    (left,) = done.host(liar)["notes"] or [""]
    assert bool(left) != ("damaged files are sent again" in done.output)
    # where little had come when it left, that is all of it, and nothing twice; with the client
    assert SIZE // 10 < done.host(liar)["sent"] <= SIZE + ARIA2C.stat().st_size
    for host in THREE[1:]:
        assert done.host(host)["swarmed"] + done.host(host)["sent"] >= SIZE
    until(quiet, seconds=15)


def test_36_what_a_whole_swarm_agrees_on_is_not_placed_unless_the_lock_says_so(file: File) -> None:
    forged = File(file.path, hashlib.sha256(os.urandom(9)).hexdigest())
    kept = torrent.cache_path(forged.sha)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(torrent.load_or_create(file.path, file.sha))
    try:
        done = forged.give(hosts=THREE)
    finally:
        kept.unlink()
    assert done.status != 0 and where(DEST, *THREE) == {""}
    for host in THREE:
        assert done.host(host)["swarmed"] == SIZE
        assert done.host(host)["failure"]["code"] == "TRANSFER"
    until(quiet, seconds=15)


def test_a_controller_that_is_killed_takes_the_swarm_with_it(file: File) -> None:
    run = file.begin("swarm_rate=4", "swarm_seed_rate=4", hosts=THREE)
    for host in THREE:
        until(lambda host=host: lab.run(host, "pgrep -x aria2c", check=False))
    assert not quiet()
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=PATIENCE_S)
    until(quiet, seconds=20)
