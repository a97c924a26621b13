"""A watch as a process: signals, kills at any moment, and what is told and kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlufleet.run.standard_streams import protect_standard_streams
from mlufleet.watch import schedule
from mlufleet.watch.history import load_history
from mlufleet.watch.notices.delivery import Notifier
from mlufleet.watch.notices.receivers import NoticeSettings
from mlufleet.watch.observation import UNREACHABLE
from mlufleet.watch.service import Watch, WatchSettings
from mlufleet.watch.store import Store
from tests.unit import PROJECT
from tests.unit.mlufleet.watch import fake_looks
from tests.unit.mlufleet.watch.notices.robots import listening
from tests.waiting import PATIENCE_S, until

DOWN = {
    "outcome": UNREACHABLE,
    "boot_id": "",
    "failure": {"stage": "connect", "code": "UNREACHABLE", "sentence": "no answer"},
}


def main(world: Path, folder: Path, *words: str) -> int:
    protect_standard_streams()
    command = [sys.executable, "-m", fake_looks.__name__, str(world)]
    store, once = Store(folder), "once" in words
    notifier = None
    if hook := next((word for word in words if word.startswith("http:")), ""):
        receivers = [{"name": "hook", "type": "webhook", "url": hook}]
        settings = NoticeSettings.model_validate({"receivers": receivers, "collect": 0})
        notifier = Notifier(settings, store)
        notifier.start()
    try:
        every_s = 0.5
        if "rarely" in words:
            every_s, schedule.FIRST_PASS_S = 3600, 1
            schedule.MAX_ROUND_S, schedule.CONFIRM_S = 0.2, 2
        return Watch(
            WatchSettings("hosts.py", every_s, 90, command, once), store, notifier=notifier
        ).run()
    finally:
        store.close()


class Watched:
    def __init__(self, folder: Path) -> None:
        self.world = fake_looks.write_world(folder / "world")
        self.state, self.log = folder / "state", folder / "log"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str, output: Path | None = None, **env: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", __name__, str(self.world), str(self.state), *words]
        given = {**os.environ, "PYTHONPATH": str(PROJECT), **env}
        with self.log.open("ab") as log, (output or self.log).open("ab") as out:
            process = subprocess.Popen(
                command, env=given, stdin=subprocess.DEVNULL, stdout=out, stderr=log
            )
        self.processes.append(process)
        return process

    def lines(self, word: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if word in line]

    def wait_for_looks(self, count: int) -> None:
        """So many more looks."""
        before = len(fake_looks.list_looks(self.world))
        until(lambda: len(fake_looks.list_looks(self.world)) >= before + count)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    found = Watched(tmp_path)
    yield found
    print(found.log.read_text() if found.log.exists() else "")
    for process in found.processes:
        process.kill()
        process.wait()


def test_what_two_looks_see_is_told_once_whatever_kills_the_watch(watched: Watched) -> None:
    with listening() as robots:
        watch = check_kills(watched, f"{robots.url}/open")
        # one that a kill has come between to is taken twice, as the same message
        until(lambda: len({one["id"]: one for one in robots.taken.get("open", ())}) == 2)
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(PATIENCE_S) == 0
    messages = {one["id"]: one for one in robots.taken["open"]}.values()
    told = [[one["kind"] for one in message["changes"]] for message in messages]
    assert told == [["opened"], ["resolved"]]


def check_kills(watched: Watched, hook: str) -> subprocess.Popen[bytes]:
    watch = watched.start(hook)
    watched.wait_for_looks(4)
    assert watched.lines(" opened") == []
    fake_looks.write_world(watched.world, seen={"one": DOWN})
    until(lambda: watched.lines("one opened"))
    for _ in range(3):
        watch.send_signal(signal.SIGKILL)
        watch.wait()
        watch = watched.start(hook)
        watched.wait_for_looks(4)
    fake_looks.write_world(watched.world)
    until(lambda: watched.lines("one resolved"))
    assert len(watched.lines(" opened")) == len(watched.lines(" resolved")) == 1
    changes = load_history(watched.state, 0).changes
    kinds = [one.kind for one in changes if one.host == "one" and one.kind != "health"]
    assert kinds == ["opened", "resolved"]
    return watch


def test_hangup_reads_the_inventory_anew_and_a_wrong_one_is_not_used(watched: Watched) -> None:
    watch = watched.start()
    watched.wait_for_looks(2)
    fake_looks.write_world(watched.world, invalid="hosts.py:1: no such release")
    watch.send_signal(signal.SIGHUP)
    until(lambda: watched.lines("not read anew"))
    assert "hosts.py:1: no such release" in watched.lines("not read anew")[0]
    watched.wait_for_looks(2)
    fake_looks.write_world(watched.world, hosts={"three": []})
    watch.send_signal(signal.SIGHUP)
    until(lambda: "three" in fake_looks.list_looks(watched.world))
    watch.send_signal(signal.SIGINT)
    assert watch.wait(PATIENCE_S) == 0


def test_what_is_new_is_looked_at_again_long_before_its_time(watched: Watched) -> None:
    fake_looks.write_world(watched.world, seen={"one": DOWN})
    watch = watched.start("rarely")
    until(lambda: watched.lines("one opened"))
    watch.send_signal(signal.SIGTERM)
    assert watch.wait(PATIENCE_S) == 0
    assert sorted(fake_looks.list_looks(watched.world)) == ["one", "one", "two"]


def test_a_wrong_inventory_at_the_start_ends_it(watched: Watched) -> None:
    fake_looks.write_world(watched.world, invalid="hosts.py:1: no such release")
    assert watched.start().wait(PATIENCE_S) == 3
    assert watched.lines("no such release") == ["hosts.py:1: no such release"]


def test_one_pass_looks_at_each_host_once(watched: Watched) -> None:
    assert watched.start("once").wait(PATIENCE_S) == 0
    assert sorted(fake_looks.list_looks(watched.world)) == ["one", "two"]


def test_one_pass_says_what_it_saw(watched: Watched) -> None:
    fake_looks.write_world(watched.world, seen={"one": DOWN})
    assert watched.start("once").wait(PATIENCE_S) == 0
    (told,) = watched.lines("seen: UNREACHABLE: no answer")
    assert " one " in told and not watched.lines("opened")
    assert watched.start("once").wait(PATIENCE_S) == 0
    assert len(watched.lines("one opened")) == len(watched.lines("seen: ")) == 1


def test_a_signal_does_not_wait_for_a_host_that_hangs(watched: Watched) -> None:
    fake_looks.write_world(watched.world, seen={"one": "hang"})
    watch = watched.start()
    until(lambda: "one" in fake_looks.list_looks(watched.world))
    watch.send_signal(signal.SIGTERM)
    assert watch.wait(PATIENCE_S) == 0


def test_what_a_host_says_cannot_end_the_watch(watched: Watched) -> None:
    failure = {"stage": "connect", "code": "UNREACHABLE", "sentence": "half of \ud83d, \n, \x1b[2J"}
    fake_looks.write_world(watched.world, seen={"one": {**DOWN, "failure": failure}})
    watch = watched.start()
    until(lambda: watched.lines("one opened"))
    assert r"half of ?,; , \x1b[2J" in watched.lines("one opened")[0]
    watch.send_signal(signal.SIGTERM)
    assert watch.wait(PATIENCE_S) == 0


def test_a_full_disk_below_its_output_does_not_end_the_watch(watched: Watched) -> None:
    fake_looks.write_world(watched.world, seen={"one": DOWN, "two": DOWN})
    watch = watched.start(output=Path("/dev/full"))
    watched.wait_for_looks(12)
    watch.send_signal(signal.SIGTERM)
    assert watch.wait(PATIENCE_S) == 0
    (told,) = watched.lines("cannot be printed")
    assert "No space left on device" in told
    changes = load_history(watched.state, 0).changes
    kinds = [one.kind for one in changes if one.host == "two"]
    assert (kinds.count("opened"), kinds.count("resolved")) == (1, 0)


def test_the_service_manager_is_told(watched: Watched, tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(PATIENCE_S)
        manager.bind(str(tmp_path / "notify"))
        watch = watched.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="2000000")
        heard: list[str] = []

        def hear(word: str) -> None:
            while not any(word in text for text in heard):
                heard.append(manager.recv(4096).decode())

        hear("READY=1")
        heard.clear()
        watch.send_signal(signal.SIGHUP)
        for word in ("RELOADING=1", "READY=1", "WATCHDOG=1"):
            hear(word)
        watch.send_signal(signal.SIGTERM)
        hear("STOPPING=1")
        assert watch.wait(PATIENCE_S) == 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
