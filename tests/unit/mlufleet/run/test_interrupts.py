"""The controller's bad days: full disks, closed pipes, signals, a bare environment."""

from __future__ import annotations

import errno
import os
import pwd
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from click.testing import CliRunner

from fleet.checksum import cache
from fleet.documents import atomic_write
from fleet.errors import InvalidInput
from fleet.release.target import ReleaseTarget
from mlufleet.cli.main import main
from mlufleet.journal import journal
from mlufleet.journal.events import (
    HostsNamed,
    RunEnded,
    StageDone,
    StageStarted,
    TransferDone,
)
from mlufleet.report import derive
from mlufleet.rollout.coordinator import RolloutCoordinator
from mlufleet.run import interrupts, launcher, operator
from mlufleet.run.host_log import HostLog
from mlufleet.run.run import Run
from operations.host import events as host_events
from operations.host.context import RunContext
from tests.journals import read_events
from tests.unit import PROJECT
from tests.waiting import PATIENCE_S, until

ROOT = PROJECT
COMMANDS = [
    ["explain"],
    ["explain", "--markdown"],
    ["--help"],
    ["show", "baichuan-7b"],
    ["check", "hosts.py"],
    ["inventory", "hosts.py"],
    ["status"],
    ["drift"],
    ["report"],
]
EACH = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
broken = [os.dup(1), os.dup(2)]
out = os.open("codes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
from mlufleet.cli.main import main
for words in {COMMANDS!r}:
    os.dup2(broken[0], 1)
    os.dup2(broken[1], 2)
    try:
        main(words)
        code = 0
    except SystemExit as end:
        sys.stdout.flush()
        code = end.code
    except BaseException as error:
        code = repr(error)
    os.write(out, f"{{words[0]}} {{code}}\\n".encode())
"""


def defaults() -> None:
    """As a login shell starts a command, whoever runs the tests."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def python(*words: str, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=PATIENCE_S,
        preexec_fn=defaults,
        **{"env": {**os.environ, "PYTHONPATH": str(ROOT)}, **more},
    )


@pytest.fixture
def project(site: Path, wanted: ReleaseTarget) -> Path:
    """A folder with an inventory and a run, where commands are given."""
    data = {"release": str(site / "small.yml"), "store": str(site / "store")}
    (site / "hosts.py").write_text(f"all = [('a', {data!r})]\n")
    kept = journal.Journal(site / "runs/20260101-000000-1")
    kept.append(HostsNamed(names=["a"]))
    kept.append(RunEnded())
    return site


def test_a_reader_that_goes_away_changes_no_status_and_shows_no_traceback(project: Path) -> None:
    ends = []
    for broken in (False, True):
        reader, writer = os.pipe()
        if broken:
            os.close(reader)
        errors = project / f"errors{broken}"
        with errors.open("w") as stderr:
            output = writer if broken else subprocess.DEVNULL
            python("-c", EACH, cwd=project, stdout=output, stderr=stderr)
        os.close(writer)
        if not broken:
            os.close(reader)
        codes = project / "codes"
        assert "Traceback" not in errors.read_text()
        ends.append(codes.read_text().splitlines())
        codes.unlink()
    assert ends[0] == ends[1] == [f"{words[0]} 0" for words in COMMANDS]


def test_closed_streams_are_no_files_of_the_run(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\nfrom mlufleet.journal import journal, events\n"
        "from mlufleet.run import standard_streams\n"
        "standard_streams.protect_standard_streams()\n"
        "kept = journal.Journal(Path('runs/1'))\nkept.append(events.HostsNamed(names=['a']))\n"
        "import sys\nprint('lost')\nprint('lost', file=sys.stderr)\n"
    )
    words = f'exec {shlex.quote(sys.executable)} -c "$0" <&- >&- 2>&-'
    done = subprocess.run(
        ["sh", "-c", words, program],
        cwd=tmp_path,
        timeout=PATIENCE_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0
    text = (tmp_path / "runs/1/journal.jsonl").read_text()
    assert text.count("\n") == 2 and "lost" not in text


def test_a_disk_that_is_full_for_a_moment_costs_one_event_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = journal.Journal(tmp_path / "1")
    kept.append(StageStarted(host="a", stage="one"))
    write = os.write

    def full(file: int, data: bytes) -> int:
        write(file, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        kept.append(StageStarted(host="a", stage="two"))
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
    kept.append(StageStarted(host="a", stage="three"))
    found = [getattr(event, "stage", None) for event in read_events(tmp_path / "1")]
    assert found == [None, "one", "three"]


def test_a_file_that_may_not_grow_leaves_what_was_there_before(tmp_path: Path) -> None:
    """A limit of the kernel's, as a full disk or a quota is: not a stub."""
    program = (
        "import resource\nfrom pathlib import Path\n"
        "from fleet.documents import atomic_write\nfrom mlufleet.journal import journal, events\n"
        "kept = journal.Journal(Path('runs/1'))\nkept.append(events.HostsNamed(names=['a']))\n"
        "atomic_write.replace_file(Path('x'), 'before')\n"
        "before = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))\n"
        "for call in (lambda: kept.append(events.NoteAdded(text='y' * 9000)),\n"
        "             lambda: atomic_write.replace_file(Path('x'), 'y' * 9000)):\n"
        "    try: call()\n    except OSError as error: print(error.strerror)\n"
        "    else: print('written')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, before)\n"
    )
    done = python("-c", program, cwd=tmp_path, capture_output=True)
    assert done.stdout.splitlines() == ["File too large", "File too large"], done.stderr
    assert (tmp_path / "x").read_text() == "before" and not list(tmp_path.glob("*.part"))
    assert [e.kind for e in read_events(tmp_path / "runs/1")] == ["run", "hosts"]


def test_nothing_more_is_begun_on_any_host_where_the_journal_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(SimpleNamespace(), "1", "deploy")  # type: ignore[arg-type]
    monkeypatch.setattr(run, "folder", tmp_path / "1")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run.journal, "append", full)
    conductor = object.__new__(RolloutCoordinator)
    conductor.scheduler = stopped = SimpleNamespace(stop=lambda why: seen.append(why))  # type: ignore[assignment]
    conductor.stopping = conductor.host_ended = SimpleNamespace(set=lambda: None)  # type: ignore[assignment]
    seen: list[str] = []
    stop = run.context.stop
    stop.callbacks.append(conductor._on_stop_requested)
    run.record_event(StageStarted(host="a", stage="driver"))
    run.record_event(StageStarted(host="b", stage="driver"))
    assert stop.requested and run.interrupted and seen == ["interrupted"] and stopped
    assert "No space left on device" in run.journal_error and stop.reason == run.journal_error


@pytest.mark.parametrize("how", ["a file", "read-only", "full"])
def test_a_run_that_could_keep_no_journal_is_refused_before_the_first_connection(
    project: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.chdir(project)
    if how == "a file":
        monkeypatch.setattr(journal, "RUNS", project / "hosts.py")
    elif how == "read-only":
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    else:
        little = SimpleNamespace(f_blocks=9, f_bavail=1, f_frsize=4096)
        monkeypatch.setattr(os, "statvfs", lambda path: little)
    with pytest.raises(InvalidInput, match="journal and report"):
        launcher.run_deploy("hosts.py", ())


def test_two_runs_of_one_second_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where their processes have one number, as in two containers."""
    monkeypatch.setattr(time, "strftime", lambda form: "20260101-000000")
    monkeypatch.setattr(os, "getpid", lambda: 7)
    names = {journal.new_run_id() for _ in range(200)}
    assert len(names) == 200
    assert all(re.fullmatch(r"20260101-000000-\d{9}", name) for name in names)


def test_a_clock_that_is_set_back_makes_no_time_negative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([5000.0, 5000.0, 4000.0, 3000.0, 9000.0, 1000.0, *[500.0] * 9])
    monkeypatch.setattr(time, "time", lambda: next(clock))
    kept = journal.Journal(tmp_path / "1")
    kept.append(HostsNamed(names=["a"]))
    kept.append(StageStarted(host="a", stage="image"))
    kept.append(TransferDone(host="a", title="x", sent=1, total=1, stage="image", seconds=2.0))
    kept.append(StageDone(host="a", stage="image", changes=["x"], seconds=3.0))
    kept.append(RunEnded())
    found = derive.derive_from_journal(tmp_path / "1").hosts["a"]
    assert found.ahead >= 0 and [stage.seconds for stage in found.stages] == [3.0]


def test_a_killed_process_of_the_same_number_is_in_nobodys_way(tmp_path: Path) -> None:
    journal.Journal(tmp_path / "1").append(HostsNamed(names=["a"]))
    (tmp_path / f".latest-{os.getpid()}").symlink_to("0")
    derive.write_report(tmp_path / "1")
    assert (tmp_path / "latest").readlink() == Path("1")


def test_a_report_that_cannot_be_written_is_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(atomic_write, "replace_file", full)
    done = CliRunner().invoke(main, ["report"])
    assert done.exit_code == 0 and "Read-only file system" in done.output


def test_one_request_to_stop_that_comes_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 0.1, 0.2, 9.0, 9.1, 9.2])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    requests = interrupts.StopRequests()
    told = [
        requests.is_new_request(number)
        for number in (
            signal.SIGTERM,
            signal.SIGTERM,
            signal.SIGHUP,
            signal.SIGHUP,
            signal.SIGINT,
            signal.SIGINT,
        )
    ]
    assert told == [True, False, False, False, True, True]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_steps_end_and_begins_no_more(
    number: signal.Signals,
) -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is let be
    run = Run(SimpleNamespace(), "1", "deploy")  # type: ignore[arg-type]
    run.hosts_recorded = True
    try:
        run._handle_interrupts()
        os.kill(os.getpid(), number)
        assert run.interrupted and run.context.stop.requested
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@pytest.mark.parametrize("has_pool", [True, False])
def test_a_signal_before_any_work_ends_the_run(
    has_pool: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[str] = []
    worker = SimpleNamespace(kill=lambda block: killed.append("worker"))
    state = SimpleNamespace(pool=[worker]) if has_pool else SimpleNamespace()
    monkeypatch.setattr(host_events, "STOP_GRACE_S", 0)
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, lambda number, frame: sys.exit(0))  # as pyinfra has it
    run = Run(state, "1", "deploy")  # type: ignore[arg-type]
    try:
        run._handle_interrupts()
        with pytest.raises(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
        assert run.interrupted and run.context.stop.is_urgent
        until(lambda: gevent.sleep(0.01) or bool(killed) is has_pool)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_a_rollout_outlives_its_terminal_until_the_hosts_at_work_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[str] = []
    conductor = object.__new__(RolloutCoordinator)
    conductor.stop_requests, conductor.signals = 0, interrupts.StopRequests()
    conductor.context = RunContext()
    conductor.stopping = conductor.host_ended = SimpleNamespace(set=lambda: None)  # type: ignore[assignment]
    conductor.scheduler = SimpleNamespace(stop=ended.append, running={"a"})  # type: ignore[assignment]
    work: Any = SimpleNamespace(kill=lambda block: ended.append("killed"))
    conductor.greenlets = {"a": work}
    conductor._on_signal(signal.SIGHUP)
    conductor._on_signal(signal.SIGHUP)  # the shell tells its jobs, and so does the kernel
    assert ended == ["interrupted"] and not conductor.context.stop.requested
    monkeypatch.setattr(interrupts, "DUPLICATE_WINDOW_S", 0)
    monkeypatch.setattr(host_events, "STOP_GRACE_S", 0)
    conductor._on_signal(signal.SIGTERM)
    assert conductor.context.stop.is_urgent
    until(lambda: gevent.sleep(0) or "killed" in ended)
    assert ended == ["interrupted", "interrupted", "killed"] and conductor.context.stop.requested


def test_under_nohup_a_closed_terminal_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    assert signal.SIGHUP not in interrupts.stop_signals()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_only_tells_mlufleet_has_told_pyinfra_as_well(
    project: Path, number: signal.Signals
) -> None:
    stub = project / "stub"
    stub.write_text(
        "#!/bin/sh\ntrap 'echo told >> told; exit 1' HUP TERM\n: > ready\n"
        "n=0; while [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done\n"
    )
    stub.chmod(0o755)
    program = (
        f"import sys\nfrom mlufleet.run import launcher\nsys.executable = {str(stub)!r}\n"
        "launcher.run_deploy('hosts.py', ())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=project,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=defaults,
        start_new_session=True,
    )
    try:
        until(lambda: (project / "ready").exists())
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 1
    finally:
        process.kill()
    assert (project / "told").read_text() == "told\n"


def test_a_user_that_no_file_knows_is_known_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(uid: int) -> Any:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert operator.operator_name().startswith(f"uid{os.getuid()}@")
    assert cache.index_path().parts[:2] == ("runs", ".cache")


def test_a_look_needs_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with launcher._temporary_file() as file:
        file.write(b"x")
        file.seek(0)
        assert file.read() == b"x"


def test_a_folder_with_blanks_and_chinese_letters_is_a_project_as_any(project: Path) -> None:
    moved = project.rename(project.with_name('机房 一号\'s "fleet"'))
    data = {"release": str(moved / "small.yml"), "store": str(moved / "store"), "groups": ["北京"]}
    (moved / "hosts.py").write_text(f"all = [('a', {data!r})]\n", encoding="utf-8")
    bare = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii",
        "XDG_CACHE_HOME": str(moved / "cache"),
    }
    for words in (
        ["-O", "-m", "mlufleet", "check", "hosts.py"],
        ["-m", "mlufleet", "inventory", "hosts.py"],
    ):
        done = python(*words, cwd=moved, env=bare, capture_output=True)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


def test_a_working_folder_that_is_gone_is_told_in_a_sentence(tmp_path: Path) -> None:
    check = f"{shlex.quote(sys.executable)} -m mlufleet inventory check hosts.py"
    words = f"mkdir d && cd d && rmdir ../d && exec {check}"
    done = subprocess.run(
        ["sh", "-c", words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode in (1, 3) and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.startswith("error: ")


def test_a_runs_files_are_read_by_nobody_else_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = tmp_path / "runs/1"
        journal.Journal(folder).append(HostsNamed(names=["a"]))
        log = HostLog(folder, {})
        log.emit(SimpleNamespace(getMessage=lambda: "[a] Connected"))  # type: ignore[arg-type]
        atomic_write.replace_file(folder / "report.json", "{}", private=True)
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 3


def test_a_link_that_somebody_planted_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f"report.json.{os.getpid()}.part").symlink_to(victim)
    atomic_write.replace_file(tmp_path / "report.json", "{}")
    (tmp_path / "1").mkdir()
    (tmp_path / "1/journal.jsonl").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        journal.Journal(tmp_path / "1").append(HostsNamed(names=[]))
    assert victim.read_text() == "mine"


def test_a_lock_is_one_line_of_five_fields_whatever_was_typed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "a\tb\nc\x1b[2J")
    told = [
        operator.operator_name(),
        operator.redact_command(["deploy", "x", "--data", "note=a\tb\nc\x1b[2J"]),
    ]
    assert all(line.isprintable() and "\t" not in line for line in told)
    assert told[0].startswith("a_b_c")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deploy", "x", "--data", "_sudo_password=hunter2 x"], "_sudo_password=***"),
        (["deploy", "x", "--data=API_TOKEN=hunter2"], "--data=API_TOKEN=***"),
        (["pyinfra", "--ssh-password", "hunter2", "x"], "--ssh-password '***' x"),
        (["deploy", "x", "--data", "cards=2"], "cards=2"),
    ],
)
def test_a_lock_and_a_journal_tell_no_secret_of_the_command(words: list[str], said: str) -> None:
    told = operator.redact_command(words)
    assert said in told.replace("'_sudo", "_sudo").replace("'--data", "--data")
    assert "hunter2" not in told
