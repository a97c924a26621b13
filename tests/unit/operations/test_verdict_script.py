"""What a host says of itself, by its own script on a host that is a folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fleet.errors import FAILURE_TABLE
from fleet.release.target import HostTarget, ReleaseTarget
from mlufleet.watch import tracking
from mlufleet.watch.problems import HostState
from operations import verdict
from operations.host.scripts import script_text
from tests.unit.conftest import DRIVEN, probe
from tests.unit.mlufleet.watch import looks
from tests.unit.shells import POSIX_SHELLS
from tests.waiting import PATIENCE_S, until

CARDS = ("0000:39:00.0", "0000:3a:00.0")
READY, DEGRADED, BROKEN, UNKNOWN = range(4)
FACTS = "the container's facts"
DIGEST = hashlib.sha256(f"{FACTS}\n".encode()).hexdigest()[:16]
#: what the script allows itself, and what it is allowed beside other tests
LIMITS = "LIMIT_CS=170 CHECK_S=1.6 DOCKER_S=1.2"
PATIENT = "LIMIT_CS=3000 CHECK_S=29 DOCKER_S=28"
#: a release whose model is only asked, and one that is served
PLAIN, SERVED = "light:a:light:", "serving:b:poem:0=4650,1=4651"


class Host:
    """A host in its desired state: two cards, a container, and one that serves from two ports."""

    def __init__(self, root: Path) -> None:
        self.root, self.state = root, root / "state"
        for number, address in enumerate(CARDS):
            self.write(f"pci/devices/{address}/vendor", "0xcabc\n")
            self.write(f"pci/devices/{address}/device", "0x0370\n")
            self.revise(address, 1)
            self.write(
                f"driver/{address}/information", "Device name: MLU\nDriver Version: v5.10.10\n"
            )
            self.write(f"driver/{address}/core_state", "CN_RUNNING\n")
            for kind in ("dev", "ipcm"):
                self.node(f"{kind}{number}")
        self.write("pci/devices/0000:00:1f.0/vendor", "0x8086\n")
        self.node("ctl")
        for name, key in (("light", "a"), ("serving", "b")):
            self.write(f"state/stamps/{key}/container-name", f"{name}\n")
            self.write(f"state/stamps/{key}/container", f"spec {DIGEST}\n")
            self.contain(name)
        self.write("state/serve/b/definition.json", '{"digest": "d1", "version": 1}\n')
        for number in (0, 1):
            self.serve(number)
        self.write("proc/77/net/tcp", " 0: 00000000:4650 0 0A x\n 1: 00000000:4651 0 0A x\n")
        self.tool("id", "echo 0")
        self.tool(
            "docker",
            f"for name; do :; done; cd {root}/docker\n"
            'cat "$name" || { echo Error: No such container >&2; exit 1; }',
        )
        self.place()

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def node(self, name: str) -> None:
        (self.root / "dev").mkdir(exist_ok=True)
        (self.root / f"dev/cambricon_{name}").symlink_to("/dev/null")

    def revise(self, address: str, revision: int) -> None:
        config = bytes(8) + bytes([revision]) + bytes(55)
        (self.root / f"pci/devices/{address}/config").write_bytes(config)

    def contain(
        self, name: str, running: str = "true", paused: str = "false", spec: str = "spec"
    ) -> None:
        line = f'{running}\t{paused}\t77\tmap[mlufleet.spec:{spec}]\t""'
        self.write(f"docker/{name}", f"@container\t{line}\n{FACTS}\n")

    def serve(self, number: int, state: str = "ready", code: str = "-", reason: str = "-") -> None:
        line = f"d1\t{state}\t9\t1\t2.5\t0\t5\t{code}\t{reason}\n"
        self.write(f"proc/77/root/run/mlufleet-serve/{number}", line)

    def tool(self, name: str, text: str) -> None:
        self.write(f"bin/{name}", f"#!/bin/sh\n{text}\n").chmod(0o755)

    def place(
        self, boot: str = "BOOT=$(booted)", limits: str = PATIENT, releases: str = PLAIN
    ) -> None:
        text = script_text("verdict").replace(LIMITS, limits)
        for path, other in (
            ("/var/lib/mlufleet", "state"),
            ("/sys/bus/pci", "pci"),
            ("/proc/driver/cambricon/mlus", "driver"),
            ("/dev/cambricon_", "dev/cambricon_"),
            ("/proc/$pid", "proc/$pid"),
            ("/run/mlufleet-verdict", "verdict"),
        ):
            text = text.replace(path, f"{self.root}/{other}")
        common, _, own = text.partition("# verdict.sh")
        values = f"DRIVER=5.10.10 CARDS='{' '.join(CARDS)}' FACTS=template RELEASES='{releases}'\n"
        self.write("state/verdict.sh", f"{values}{common}{boot}\n# verdict.sh{own}")

    def start(self, shell: Sequence[str], *, with_script: bool = True) -> subprocess.Popen[str]:
        (self.root / "tmp").mkdir(exist_ok=True)
        return subprocess.Popen(
            [*shell, self.state / "verdict.sh"] if with_script else shell,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                "PATH": f"{self.root}/bin:{os.environ['PATH']}",
                "TMPDIR": str(self.root / "tmp"),
            },
        )

    def ask(self, shell: Sequence[str] = ("sh",)) -> tuple[int, str]:
        began = time.monotonic()
        with self.start(shell) as call:
            said, errors = call.communicate(timeout=PATIENCE_S)
        self.seconds = time.monotonic() - began
        assert errors == "" and said.count("\n") == 1
        return call.returncode, said.strip()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("shell", POSIX_SHELLS, ids=" ".join)
def test_a_host_that_is_right_is_ready_in_every_shell(host: Host, shell: list[str]) -> None:
    host.place(releases=f"{PLAIN} {SERVED}")
    assert host.ask(shell) == (READY, "ready")
    host.tool("docker", "echo Cannot connect >&2; exit 1")
    assert host.ask(shell) == (BROKEN, "broken: ENGINE: docker does not answer")
    host.place()
    host.revise(CARDS[1], 0xFF)
    problems = f"CARD_DROPPED {CARDS[1]}: revision ff; ENGINE: docker does not answer"
    assert host.ask(shell) == (BROKEN, f"broken: {problems}")


def unload(host: Host) -> None:
    shutil.rmtree(host.root / "driver")
    shutil.rmtree(host.root / "dev")


#: what is wrong -> status, and the beginning of the line behind its word
FAULTS: dict[str, tuple[Callable[[Host], object], int, str]] = {
    "gone": (
        lambda host: shutil.rmtree(host.root / f"pci/devices/{CARDS[1]}"),
        BROKEN,
        f"CARDS_MISSING {CARDS[1]}: ",
    ),
    "dropped": (lambda host: host.revise(CARDS[0], 0xFF), BROKEN, f"CARD_DROPPED {CARDS[0]}: "),
    "unhealthy": (
        lambda host: host.write(f"driver/{CARDS[1]}/core_state", "CN_BOOTERR\n"),
        BROKEN,
        f"CARD_UNHEALTHY {CARDS[1]}: CN_BOOTERR",
    ),
    "unloaded": (unload, BROKEN, "DRIVER_NOT_PROVED: no driver is loaded"),
    "refused": (
        lambda host: shutil.rmtree(host.root / f"driver/{CARDS[1]}"),
        BROKEN,
        f"CARD_UNHEALTHY {CARDS[1]}: no driver runs it",
    ),
    "other driver": (
        lambda host: host.write(f"driver/{CARDS[0]}/information", "Driver Version: v5.10.22\n"),
        BROKEN,
        "DRIVER_NOT_PROVED: driver 5.10.22 runs, and 5.10.10 was proved",
    ),
    "node": (
        lambda host: (host.root / "dev/cambricon_ipcm1").unlink(),
        BROKEN,
        "DRIVER_NOT_PROVED: there is no ",
    ),
    "stopped": (lambda host: host.contain("light", "false"), BROKEN, "CONTAINER light: "),
    "paused": (lambda host: host.contain("light", paused="true"), BROKEN, "CONTAINER light: "),
    "removed": (lambda host: (host.root / "docker/light").unlink(), BROKEN, "CONTAINER light: "),
    "foreign": (lambda host: host.contain("light", spec="-"), BROKEN, "CONTAINER light: "),
    "settings": (
        lambda host: host.write("state/stamps/a/container", "spec 0123456789abcdef\n"),
        BROKEN,
        "CONTAINER light: ",
    ),
    "boot": (lambda host: host.place("BOOT=another"), DEGRADED, "SMOKE_ANSWER light: "),
    "one server": (
        lambda host: host.serve(1, "unhealthy", "SERVE_WRONG", "it says 杜甫\t\x1b[31m"),
        DEGRADED,
        "SERVE_WRONG poem/1: it is unhealthy: it says 杜甫",
    ),
    "all servers": (
        lambda host: [host.serve(0, "failed", "SERVE_CARD"), host.serve(1, "stopped")],
        BROKEN,
        "SERVE_CARD poem/0: it is failed: -; SERVE poem/1: it is stopped: -",
    ),
    "servers on their way": (
        lambda host: [host.serve(0, "failed", "SERVE_CARD"), host.serve(1, "loading")],
        DEGRADED,
        "SERVE_CARD poem/0: it is failed: -; SERVE poem/1: it is loading: -",
    ),
    "a card of a host that serves": (
        lambda host: host.revise(CARDS[1], 0xFF),
        DEGRADED,
        f"CARD_DROPPED {CARDS[1]}: revision ff",
    ),
    "the container of servers": (
        lambda host: host.contain("serving", "false"),
        BROKEN,
        "CONTAINER serving: it does not run",
    ),
    "no definition": (
        lambda host: (host.state / "serve/b/definition.json").unlink(),
        BROKEN,
        "SERVE poem/0: it was not started; ",
    ),
    "silent port": (
        lambda host: host.write("proc/77/net/tcp", " 0: 00000000:4650 0 0A x\n"),
        DEGRADED,
        "SERVE poem/1: nothing listens on its port",
    ),
    "engine": (
        lambda host: host.tool("docker", "echo Cannot connect to the daemon >&2; exit 1"),
        BROKEN,
        "ENGINE: docker does not answer",
    ),
    "no engine": (
        lambda host: host.tool("docker", "echo docker: No such file or directory; exit 127"),
        BROKEN,
        "ENGINE: docker is not there",
    ),
    "silent engine": (
        lambda host: [
            host.tool("docker", "exec sleep 60"),
            host.place(limits=PATIENT.replace("28", "0.1")),
        ],
        UNKNOWN,
        "ENGINE light: docker does not answer in time",
    ),
    "locked": (
        lambda host: [
            host.write("state/lock", "run1\tann@ops\t2026\t600\tdeploy\n"),
            host.revise(CARDS[0], 0xFF),
        ],
        UNKNOWN,
        "LOCKED: run run1 of ann@ops works on this host",
    ),
    "not root": (lambda host: host.tool("id", "echo 1000"), UNKNOWN, "SUDO: "),
    "not placed": (
        lambda host: host.write("state/verdict.sh", script_text("verdict")),
        UNKNOWN,
        "NOT_RECORDED: ",
    ),
}
SERVING_FAULTS = {fault for fault in FAULTS if "server" in fault or "serves" in fault}
SERVING_FAULTS |= {"no definition", "silent port"}
WORDS = {DEGRADED: "degraded", BROKEN: "broken", UNKNOWN: "unknown"}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_named_by_its_code(host: Host, fault: str) -> None:
    inflict, expected, words = FAULTS[fault]
    if fault in SERVING_FAULTS:
        host.place(releases=SERVED)
    inflict(host)
    if fault in ("not root", "not placed") and os.geteuid() != 0:
        host.tool("id", f"echo {0 if fault == 'not placed' else 1000}")
    status, line = host.ask()
    assert (status, line.split(":")[0]) == (expected, WORDS[expected]), line
    said = line.partition(": ")[2]
    assert said.startswith(words), line
    assert line.isprintable()
    codes = [problem.split(":")[0].split()[0] for problem in said.split("; ")]
    assert set(codes) <= set(FAILURE_TABLE)


def test_a_card_that_does_not_let_itself_be_read_is_unknown_and_the_rest_is_told(
    host: Host,
) -> None:
    core = host.root / f"driver/{CARDS[0]}/core_state"
    core.unlink()
    os.mkfifo(core)
    host.contain("light", "false")
    host.place(limits=LIMITS.replace("170", "3000"))
    status, line = host.ask()
    assert status in (BROKEN, UNKNOWN), "the other checks may have been too slow as well"
    assert "TIMED_OUT cards: it did not end in time" in line
    assert host.seconds < 20


def test_a_check_that_no_signal_ends_is_left_behind_once(host: Host) -> None:
    log = host.root / "log"
    host.tool(
        "timeout",
        'shift 3; case $* in *cards*) ;; *) exec "$@" ;; esac\n'
        f"echo >> {log}; while [ ! -e {host.root}/free ]; do sleep 0.1; done",
    )
    host.place(limits=LIMITS)
    try:
        for _ in range(2):
            status, line = host.ask()
            assert status == UNKNOWN and "TIMED_OUT cards: it did not end in time" in line
            assert host.seconds < 20, "it waited for the check"
        assert log.read_text() == "\n", "another one was started"
    finally:
        (host.root / "free").touch()
    (host.root / "bin/timeout").unlink()
    host.place()
    end = time.monotonic() + PATIENCE_S
    while (found := host.ask()) != (READY, "ready"):
        assert time.monotonic() < end, found


def list_left(host: Host) -> list[str]:
    """What calls have left behind."""
    return [
        path.name
        for folder in (host.root, host.state)
        for path in folder.glob("verdict*")
        if path.name != "verdict.sh"
    ]


@pytest.mark.parametrize("shell", POSIX_SHELLS, ids=" ".join)
def test_a_signal_ends_it_with_a_line_and_without_a_trace(host: Host, shell: list[str]) -> None:
    host.tool("docker", "exec sleep 60")
    for number in (signal.SIGTERM, signal.SIGKILL):
        with host.start(shell) as call:
            until(lambda: list_left(host))
            call.send_signal(number)
            said = call.communicate(timeout=PATIENCE_S)[0]
        if number == signal.SIGTERM:
            assert (call.returncode, said.split(":")[0]) == (UNKNOWN, "unknown")
            assert said.count("\n") == 1
            assert list_left(host) == []
    assert list_left(host)
    # the next call cleans up behind one that was killed, and leaves the folders of others alone
    host.tool("docker", "exit 1")
    with host.start(["sh", "-c", ": verdict.sh; sleep 60; :"], with_script=False) as other:
        theirs = host.root / f"verdict.{other.pid}.abcdef"
        theirs.mkdir()
        assert host.ask(shell)[0] == BROKEN
        assert list_left(host) == [theirs.name]
        other.kill()
    host.ask(shell)
    assert list_left(host) == []


@pytest.mark.parametrize("whose", ["its own", "of a call that was killed"])
def test_a_check_that_writes_while_its_folder_is_removed_is_not_heard(
    host: Host, whose: str
) -> None:
    """As rm meets it: a file came between its list of the folder and the folder's removal."""
    first = host.root / "first"
    if whose != "its own":
        (host.root / "verdict.999999999.abcdef").mkdir()
    host.tool(
        "rm",
        f'[ -e {first} ] && exec /bin/rm "$@"\n: > {first}\n'
        'for folder; do :; done\n: > "$folder/late"\n'
        "echo rm: cannot remove: Directory not empty >&2; exit 1",
    )
    assert host.ask() == (READY, "ready")
    assert first.exists() and list_left(host) == []


@pytest.mark.parametrize("rooms", [1, 2, 3])
def test_it_finds_room_for_its_files_or_says_that_there_is_none(host: Host, rooms: int) -> None:
    """The folder of the first choice cannot be written, then is full, as /dev/full."""
    script = host.state / "verdict.sh"
    text = script.read_text().replace(f"{host.root}/verdict ", "/proc/verdict ", 1)
    if rooms > 1:
        text = text.replace('> "$work/room"', '> "${full:=/dev/full}"', 1).replace(
            "  discard \"$work\"\n  work=''\n", "  discard \"$work\"\n  work='' full=$TMPDIR/room\n"
        )
    if rooms > 2:
        text = text.replace("full=$TMPDIR/room", "full=/dev/full")
    script.write_text(text)
    assert rooms == 1 or "full=" in text
    expected = (READY, "ready") if rooms < 3 else (UNKNOWN, "unknown: NO_SPACE: ")
    status, line = host.ask()
    assert status == expected[0] and line.startswith(expected[1])
    assert list_left(host) == [] and os.listdir(host.root / "tmp") in ([], ["room"])


@pytest.mark.parametrize("shell", POSIX_SHELLS, ids=" ".join)
def test_what_a_check_could_not_write_is_never_taken_for_nothing(
    host: Host, shell: list[str]
) -> None:
    script = host.state / "verdict.sh"
    script.write_text(script.read_text().replace('sh "$0" "$@" >', 'sh "$0" "$@" >/dev/full; : >'))
    host.revise(CARDS[0], 0xFF)
    status, line = host.ask(shell)
    assert status == UNKNOWN and "NO_SPACE cards: " in line


def test_two_calls_at_once_do_not_meet(host: Host) -> None:
    calls = [host.start(["sh"]) for _ in range(4)]
    for call in calls:
        assert call.communicate(timeout=PATIENCE_S) == ("ready\n", "")
        assert call.returncode == READY
    assert list_left(host) == []


@pytest.mark.parametrize(
    "inflict",
    [unload, lambda host: host.revise(CARDS[0], 0xFF), FAULTS["unhealthy"][0]],
    ids=["unloaded", "dropped", "unhealthy"],
)
def test_what_is_down_because_of_a_card_or_the_driver_is_no_problem_of_its_own(
    host: Host, inflict: Callable[[Host], object]
) -> None:
    host.contain("light", "false")
    inflict(host)
    status, line = host.ask()
    assert status == BROKEN and line.count(";") == 0 and "CONTAINER" not in line


def test_a_lock_that_nobody_holds_any_more_is_none(host: Host) -> None:
    lock = host.write("state/lock", "run1\tann@ops\t2026\t600\tdeploy\n")
    os.utime(lock, (time.time() - 700,) * 2)
    assert host.ask() == (READY, "ready")


def test_a_release_that_a_run_has_taken_from_the_host_is_not_missed(host: Host) -> None:
    (host.root / "docker/light").unlink()
    (host.state / "stamps/a/container-name").unlink()
    assert host.ask() == (READY, "ready")


def test_a_virtual_function_is_no_card_that_is_missed(host: Host) -> None:
    host.write("pci/devices/0000:39:00.1/vendor", "0xcabc\n")
    host.write("pci/devices/0000:39:00.1/device", "0x0371\n")
    assert host.ask() == (READY, "ready")


def test_what_a_warning_of_docker_says_is_not_read_as_an_answer(host: Host) -> None:
    docker = (host.root / "bin/docker").read_text().partition("\n")[2]
    host.tool("docker", f"echo 'WARNING: something' >&2\n{docker}")
    assert host.ask() == (READY, "ready")


def test_what_is_placed_names_what_was_proved(wanted: ReleaseTarget) -> None:
    text = verdict.build_script(HostTarget((wanted,), wanted.store), probe(*DRIVEN))
    assignments = text[: text.index("\n# ")].splitlines()
    assert assignments[0] == "DRIVER=5.10.10"
    assert assignments[1] == f"CARDS='{' '.join(CARDS)}'"
    assert assignments[-1] == "RELEASES=torch:-:small:"
    assert LIMITS in text


@pytest.mark.parametrize("is_dropped", [False, True], ids=["cards", "dropped"])
@pytest.mark.parametrize(
    "servers",
    [
        (("ready", ""), ("ready", "")),
        (("ready", ""), ("unhealthy", "SERVE_WRONG")),
        (("unhealthy", "SERVE_SILENT"), ("failed", "SERVE_CARD")),
        (("stopped", ""), ("failed", "SERVE_LOAD")),
        (("failed", "SERVE_CRASHED"), ("loading", "")),
    ],
    ids=repr,
)
def test_the_watch_judges_the_same_host_alike(
    host: Host, servers: tuple[tuple[str, str], ...], is_dropped: bool
) -> None:
    """But for a server that is loading: the watch waits for it, and no job should meet it."""
    host.place(releases=SERVED)
    for number, (state, code) in enumerate(servers):
        host.serve(number, state, code or "-")
    cards = dict(looks.CARDS)
    if is_dropped:
        host.revise(CARDS[1], 0xFF)
        cards[CARDS[1]] = "dropped"
    endpoints = [
        looks.endpoint(state, code, name=str(number), cards=[number])
        for number, (state, code) in enumerate(servers)
    ]
    known = HostState()
    for at in (1.0, 2.0):
        seen = looks.look(at, cards=cards, endpoints=endpoints)
        known, _ = tracking.track(known, seen)
    found = {one.problem.code for one in known.open_problems}
    status, line = host.ask()
    said = line.partition(": ")[2]
    codes = {problem.split(":")[0].split()[0] for problem in said.split("; ") if problem}
    if ("loading", "") in servers:
        codes.discard("SERVE")
        assert known.health in ("broken", "degraded") and status in (DEGRADED, BROKEN)
    else:
        assert known.health == {READY: "ok", **WORDS}[status]
    assert codes == found
