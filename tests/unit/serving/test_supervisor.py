"""The supervisor in a process of its own, with real servers."""

from __future__ import annotations

import ast
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.unit.serving.conftest import (
    SERVING,
    Container,
    build_definition,
    client,
    lives,
    start_container,
    supervisor_starts,
)
from tests.waiting import until

LOSSY_SUPERVISOR = Path(__file__).with_name("lossy_supervisor.py")


@pytest.mark.parametrize(
    "name",
    [
        *("client", "client_http", "client_questions"),
        *("supervisor", "supervisor_instance", "supervisor_output"),
        *("supervisor_processes", "supervisor_server", "supervisor_starts"),
    ],
)
def test_the_syntax_is_that_of_python_3_6(name: str) -> None:
    ast.parse((SERVING / f"{name}.py").read_text(), feature_version=(3, 6))


def test_it_waits_without_a_definition_and_ends_on_sigterm(container: Container) -> None:
    container.process.send_signal(signal.SIGHUP)
    until(lambda: (container.folder).exists(), "folder")
    assert list(container.state_folder.glob("[0-9]*")) == []
    assert container.end() == 0


def test_it_is_ready_only_after_the_first_answer(container: Container, tmp_path: Path) -> None:
    loaded = tmp_path / "loaded"
    container.place(build_definition(["loads", "--until", str(loaded)]))
    loading = container.wait_for("loading")
    assert (loading.ready_s, loading.answered, loading.code) == (-1, 0, "-")
    loaded.touch()
    ready = container.wait_for("ready")
    assert ready.digest == "d1" and ready.pid and ready.restarts == 0
    assert ready.ready_s > 0 and ready.answered >= ready.started > time.time() - 120
    assert f"begins {ready.pid}\n" in container.log
    cold = json.loads((container.state_folder / ".0.json").read_text())
    assert cold["cold_first_token_s"] > 0 and cold["digest"] == "d1"


def test_output_of_several_servers_is_told_apart(container: Container) -> None:
    container.place(build_definition([], []))
    for name in "01":
        pid = container.wait_for("ready", name).pid
        assert f"[{name}] begins {pid}\n" in container.log


def test_a_killed_server_is_started_again(container: Container) -> None:
    container.place(build_definition(["has-children"]))
    first = container.wait_for("ready")
    children = [line for line in container.log.splitlines() if line.startswith("children")]
    pids = [int(word) for word in children[0].split()[1:]]
    assert all(map(lives, pids))
    os.kill(first.pid, signal.SIGKILL)
    again = container.wait_for("ready", restarts=1)
    assert again.pid != first.pid and again.code == "-"
    assert not any(map(lives, pids))
    assert "SERVE_CRASHED: killed by signal 9" in container.log


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("exits", "SERVE_CRASHED", "exit status 1: begins"),
        ("out-of-memory", "SERVE_CARD", "MLU out of memory"),
        ("status-500", "SERVE_WRONG", "status 500"),
        ("garbage", "SERVE_WRONG", "no JSON object"),
        ("other-words", "SERVE_WRONG", "'我是'"),
        ("drops", "SERVE_SILENT", "POST /v1/chat/completions"),
        ("cut-stream", "SERVE_SILENT", "POST /v1/chat/completions (stream)"),
        ("prints-fault status-500", "SERVE_CARD", "CNRT error: no device"),
    ],
)
def test_it_gives_up_and_says_why(
    container: Container, fault: str, code: str, words: str, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    definition = build_definition([*fault.split(), "--until", str(mended)], starts_limit=2)
    container.place(definition)
    failed = container.wait_for("failed")
    assert (failed.code, failed.restarts, failed.pid) == (code, 1, 0)
    assert words in failed.reason and len(failed.reason) <= 300
    mended.touch()
    container.process.send_signal(signal.SIGHUP)
    assert container.wait_for("ready").code == "-"


@pytest.mark.parametrize(
    ("fault", "code", "starts"),
    [
        # whatever is started again answers the same
        ("other-words", "SERVE_WRONG", 2),
        ("garbage", "SERVE_WRONG", 2),
        ("garbage-models", "SERVE_WRONG", 2),
        # it may do better at the next start
        ("status-500", "SERVE_WRONG", 4),
        ("drops", "SERVE_SILENT", 4),
    ],
)
def test_a_server_is_started_again_if_that_may_help(
    container: Container, fault: str, code: str, starts: int
) -> None:
    container.place(build_definition([fault], starts_limit=4))
    failed = container.wait_for("failed")
    assert (failed.code, failed.restarts + 1) == (code, starts)


def test_a_server_that_was_right_once_may_be_so_again(container: Container, tmp_path: Path) -> None:
    honest = tmp_path / "honest"
    honest.touch()
    definition = build_definition(["other-words", "--until", str(honest)], starts_limit=4)
    container.place(definition)
    container.wait_for("ready")
    honest.unlink()
    failed = container.wait_for("failed")
    assert (failed.code, failed.restarts) == ("SERVE_WRONG", 3)


def test_starts_count_from_the_last_time_that_it_was_ready_for_long(container: Container) -> None:
    container.place(build_definition([], starts_limit=2, steady_after=0))
    for restarts in range(3):
        line = container.wait_for("ready", restarts=restarts)
        until(lambda n=restarts: container.log.count("ready after") == n + 1, "it is told")
        # it has been looked at once more since, which is when the count begins again
        until(lambda was=line.answered: is_asked_again(container, was), "another answer")
        os.kill(line.pid, signal.SIGKILL)


def is_asked_again(container: Container, answered: int) -> bool:
    line = container.read()
    return line is not None and line.answered > answered


def test_a_server_that_does_not_become_ready(container: Container) -> None:
    container.place(build_definition(["other-model"], load_timeout=3, starts_limit=1))
    failed = container.wait_for("failed")
    assert failed.code == "SERVE_LOAD" and "lists other, not small" in failed.reason


@pytest.mark.parametrize("fault", ["hangs", "hangs-streaming", "drips"])
def test_a_server_that_hangs_is_not_ready(container: Container, fault: str) -> None:
    container.place(build_definition([fault], answer_timeout=0.5, starts_limit=1))
    failed = container.wait_for("failed")
    assert failed.code == "SERVE_SILENT" and "within 0.5 s" in failed.reason


@pytest.mark.parametrize(
    ("fault", "code"),
    [("hangs", "SERVE_SILENT"), ("garbage", "SERVE_WRONG"), ("garbage-models", "SERVE_WRONG")],
)
def test_a_server_that_fails_later_is_started_again(
    container: Container, fault: str, code: str, tmp_path: Path
) -> None:
    # honest while there is the file, and a liar once it is gone
    honest = tmp_path / "honest"
    honest.touch()
    definition = build_definition([fault, "--until", str(honest)], answer_timeout=2)
    container.place(definition)
    first = container.wait_for("ready")
    honest.unlink()
    until(lambda: (line := container.read()) and line.code == code, code)
    honest.touch()
    again = until(
        lambda: (line := container.read()) and line.state == "ready" and line.code == "-" and line,
        "ready again",
    )
    assert again.pid != first.pid and again.restarts >= 1


def test_the_ready_path_is_asked_however_often_the_question_is_due(
    container: Container, tmp_path: Path
) -> None:
    honest = tmp_path / "honest"
    honest.touch()
    faults = ["garbage-models", "--until", str(honest)]
    container.place(build_definition(faults, check_every=0.01))
    container.wait_for("ready")
    honest.unlink()
    until(lambda: (line := container.read()) and line.code == "SERVE_WRONG", "SERVE_WRONG")


def test_a_busy_server_lives(container: Container, tmp_path: Path) -> None:
    free = tmp_path / "free"
    free.touch()
    container.place(build_definition(["busy", "--until", str(free)], check_every=0.05))
    ready = container.wait_for("ready")
    free.unlink()
    time.sleep(0.5)  # several questions
    line = container.read()
    assert line and (line.state, line.pid, line.restarts) == ("ready", ready.pid, 0)


def test_a_late_model_list_is_no_failure_while_an_answer_may_take(
    container: Container, tmp_path: Path
) -> None:
    free = tmp_path / "free"
    free.touch()
    definition = build_definition(
        ["silent-models", "--until", str(free)], ready_timeout=0.05, check_every=600
    )
    container.place(definition)
    ready = container.wait_for("ready")
    free.unlink()
    time.sleep(1)  # several looks
    line = container.read()
    assert line and (line.state, line.pid) == ("ready", ready.pid)


def test_another_definition_replaces_the_servers(container: Container) -> None:
    container.place(build_definition([], []))
    old = [container.wait_for("ready", name) for name in "01"]
    container.place(build_definition([], digest="d2"))
    new = container.wait_for("ready", digest="d2")
    assert not any(lives(line.pid) for line in old) and lives(new.pid)
    assert container.read("1") is None


def test_the_same_definition_changes_nothing(container: Container) -> None:
    definition = build_definition([])
    container.place(definition)
    pid = container.wait_for("ready").pid
    container.place(definition)
    container.place({"version": 7})
    until(lambda: "version 1 is needed" in container.log, "the complaint")
    line = container.read()
    assert line and (line.pid, line.restarts) == (pid, 0) and lives(pid)


def test_without_its_definition_a_server_is_drained(container: Container) -> None:
    container.place(build_definition([]))
    pid = container.wait_for("ready").pid
    container.remove()
    stopped = container.wait_for("stopped")
    assert (stopped.pid, stopped.code) == (0, "-") and not lives(pid)
    container.place(build_definition([]))
    assert container.wait_for("ready").pid != pid


def test_sigterm_ends_a_server_that_ignores_it(container: Container) -> None:
    container.place(build_definition(["ignores-sigterm", "has-children"], drain_timeout=0.2))
    pid = container.wait_for("ready").pid
    assert container.end() == 0
    assert not lives(pid)
    line = container.read()
    assert line and line.state == "stopped"


def test_sigterm_does_not_wait_for_a_question(container: Container) -> None:
    container.place(build_definition(["hangs"], answer_timeout=3600))
    container.wait_for("loading")
    assert container.end() == 0


def test_an_orphan_that_has_ended_is_reaped(container: Container) -> None:
    container.place(build_definition(["has-orphan"]))
    container.wait_for("ready")
    orphan = next(line for line in container.log.splitlines() if line.startswith("orphan"))
    until(lambda: not Path(f"/proc/{orphan.split()[1]}").exists(), "no zombie is left")


@pytest.mark.parametrize("more", [[], ["slow-models"]])  # it comes while the ready path is asked
def test_a_fault_that_is_printed_brings_the_question_forward(
    container: Container, tmp_path: Path, more: list[str]
) -> None:
    honest = tmp_path / "honest"
    honest.touch()
    faults = ["prints-fault", "status-500", *more, "--until", str(honest)]
    definition = build_definition(faults, check_every=3600)
    container.place(definition)
    first = container.wait_for("ready")
    honest.unlink()
    address = client.Address("127.0.0.1", definition["instances"][0]["port"])
    time.sleep(0.5 if more else 0)  # the ready path is asked every 0.1 s
    with pytest.raises(client.CheckFailure):  # as a user
        client.ask(definition, address, 30)
    until(lambda: "SERVE_CARD" in container.log, "the fault is told")
    honest.touch()
    assert until(
        lambda: (line := container.read()) and line.state == "ready" and line.restarts, "again"
    )
    assert not lives(first.pid)


def test_a_server_gets_its_words_and_the_key_file_in_any_locale(container: Container) -> None:
    # without the file, a server that is slow to tell its words is ended before
    key = container.folder / "key"
    key.write_text("secret")
    container.place(build_definition(["tells", "问：{question}"], key_file=str(key)))
    told = until(
        lambda: [line for line in container.log.splitlines() if line.startswith(str(key))],
        "its words",
    )[0]
    assert told.endswith(" tells 问：{question}")


def test_a_process_that_not_even_sigkill_ends_is_told(tmp_path: Path) -> None:
    arrive = tmp_path / "arrive"
    with start_container(tmp_path, LOSSY_SUPERVISOR, str(arrive)) as container:
        container.place(build_definition(["status-500"], kill_timeout=0.2, drain_timeout=0.1))
        stuck = container.wait_for("unhealthy", code="SERVE_STUCK")
        assert stuck.restarts == 0 and lives(stuck.pid)
        lost = {line for line in container.log.splitlines() if line.startswith("lost: ")}
        assert lost == {f"lost: {int(signal.SIGTERM)}", f"lost: {int(signal.SIGKILL)}"}
        arrive.touch()
        assert container.end() == 0
        assert not lives(stuck.pid)


def test_a_command_that_is_not_there(container: Container) -> None:
    definition = build_definition([], starts_limit=1)
    definition["instances"][0]["command"] = ["/no/such/program"]
    container.place(definition)
    failed = container.wait_for("failed")
    assert failed.code == "SERVE_CRASHED" and "/no/such/program" in failed.reason


def test_it_says_when_it_has_tried_again(container: Container, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    definition = build_definition(["exits", "--until", str(mended)], starts_limit=1)
    container.place({**definition, "backoff_first": 60})
    told = container.state_folder / ".retries"
    until(lambda: told.exists() and told.read_text() == "1\n", "it has seen the definition")
    for restarts in range(3):
        container.wait_for("failed", restarts=restarts)
        container.process.send_signal(signal.SIGHUP)
        until(lambda n=restarts + 2: told.read_text() == f"{n}\n", "the supervisor reacts")
        line = container.read()
        # what was given up before is not said any more
        assert line and (line.state, line.restarts) != ("failed", restarts)


def test_a_retry_counts_starts_anew_before_it_gives_up(tmp_path: Path) -> None:
    state = sys.modules["supervisor_output"].State(str(tmp_path), "0", "d1")
    count = supervisor_starts.StartCount({"starts_limit": 2, "wrong_limit": 2}, state)
    count.starts = 2
    count.retry()
    assert not count.gives_up() and state.state == "loading"
    count.starts = 2
    assert count.gives_up() and state.state == "failed"
    count.retry()
    assert (tmp_path / "0").read_text().split("\t")[1] == "loading"
