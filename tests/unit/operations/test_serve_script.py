"""The script that defines, awaits, drains and asks a host's servers, with a stub docker."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from operations.host.scripts import script_text
from tests.waiting import PATIENCE_S

#: a docker whose one container, torch, has a process unless the file `pid` is gone; `silent` makes
#: it say nothing
DOCKER = """#!/bin/sh
cd {root} || exit 1
echo "$*" >> calls
[ ! -e silent ] || {{ echo "Cannot connect to the Docker daemon" >&2; exit 1; }}
case $1 in
  inspect)
    [ -e pid ] || {{ echo "Error: No such container: torch" >&2; exit 1; }}
    case $* in
      *State.Pid*) cat pid ;;
      *State.Running*) [ "$(cat pid)" != 0 ] && echo true || echo false ;;
      *Mounts*) cat mount ;;
      *Labels*) echo "map[mlufleet.spec:1]" ;;
    esac ;;
  logs) echo "a line of the server" ;;
  run) cat ../proof ;;
  rm) rm -f pid ;;
esac
"""
#: in place of the signal to the supervisor, which does what is in the file `hup`
KILL = """
kill() {{
  echo "kill $*" >> {root}/calls
  [ ! -e {root}/hup ] || (cd {root} && . ./hup)
}}
"""
#: a line of the supervisor: digest, state, pid, started, seconds, restarts, answered, code, reason
LINE = "{} {} 7 1760000000 3.5 {} 1760000009 {} {}"


class Served:
    """A host with a container that serves."""

    def __init__(self, root: Path) -> None:
        self.engine, self.state, self.folder = root / "bin", root / "state", root / "state/serve"
        self.told = root / "proc/42/root/run/mlufleet-serve"
        for folder in (self.engine, self.folder, self.told, self.state / "stamps"):
            folder.mkdir(parents=True)
        self.root = root
        (self.engine / "pid").write_text("42\n")
        (self.engine / "docker").write_text(DOCKER.format(root=self.engine))
        (self.engine / "docker").chmod(0o755)

    def tell(
        self, name: str, state: str, *more: str, digest: str = "d1", restarts: int = 0
    ) -> None:
        code, reason = (*more, "-", "-")[:2]
        words = LINE.format(digest, state, restarts, code, "{}").split()
        (self.told / name).write_text("\t".join(words).format(reason) + "\n")

    def define(self, *ports: int) -> None:
        definition = {"digest": "d1", "instances": [{"port": port} for port in ports]}
        (self.folder / "definition.json").write_text(json.dumps(definition) + "\n")

    def on_signal(self, commands: str) -> None:
        """What the supervisor does when it is told something."""
        (self.engine / "hup").write_text(commands)

    def run(self, *words: str, script: str = "serve", stdin: str = "") -> tuple[int, list[str]]:
        text = script_text(script).replace("/var/lib/mlufleet", str(self.state))
        text = KILL.format(root=self.engine) + text.replace("/proc/$pid", f"{self.root}/proc/$pid")
        text = text.replace("/proc/${pid:-0}", f"{self.root}/proc/${{pid:-0}}")
        done = subprocess.run(
            ["sh", "-c", text, script, *words],
            env={"PATH": f"{self.engine}:/usr/bin:/bin"},
            input=stdin,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
        )
        return done.returncode, done.stdout.splitlines()

    @property
    def calls(self) -> list[str]:
        return (self.engine / "calls").read_text().splitlines()


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


@pytest.fixture
def later() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Do something while a script waits."""
    timers: list[threading.Timer] = []

    def begin(action: Callable[[], object]) -> None:
        timers.append(threading.Timer(0.3, action))
        timers[-1].start()

    yield begin
    for timer in timers:
        timer.join()


def test_the_key_is_roots_alone_and_goes_with_an_empty_line(served: Served) -> None:
    assert served.run("key", str(served.folder), stdin="geheim\n")[0] == 0
    key = served.folder / "key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("geheim\n", 0o600)
    assert served.folder.stat().st_mode & 0o777 == 0o700
    assert served.run("key", str(served.folder), stdin="\n")[0] == 0
    assert not key.exists()


def test_a_definition_is_put_whole_and_the_supervisor_told(served: Served) -> None:
    words = ("put", "torch", str(served.folder), '{"digest": "d1"}')
    assert served.run(*words) == (0, [])
    definition = served.folder / "definition.json"
    assert definition.read_text() == '{"digest": "d1"}\n'
    assert definition.stat().st_mode & 0o777 == 0o600
    assert "kill -HUP 42" in served.calls
    (served.engine / "silent").touch()
    assert served.run(*words)[0] == 1


def test_servers_are_awaited_until_all_are_ready(
    served: Served, later: Callable[[Callable[[], object]], None]
) -> None:
    served.tell("0", "ready")
    served.tell("1", "failed", "SERVE_CRASHED", "of before", digest="d0")
    later(lambda: served.tell("1", "ready"))
    status, said = served.run("await", "torch", "d1", "2", "60")
    assert (status, said[-1]) == (0, "instances: 0 ready 1 ready ")


def test_a_server_that_was_given_up_is_not_awaited(served: Served) -> None:
    served.tell("0", "failed", "SERVE_CARD", "no memory")
    status, said = served.run("await", "torch", "d1", "1", "60")
    assert status == 1 and "a line of the server" in said
    assert said[-2:] == ["@@code SERVE_CARD", "instance 0 is not started any more: no memory"]


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (("loading",), "SERVE_LOAD"),
        (("loading", "SERVE_LOAD", "lists"), "SERVE_LOAD"),
        (("unhealthy", "SERVE_WRONG", "no"), "SERVE_WRONG"),
        ((), "SERVE_LOAD"),
    ],
)
def test_a_server_that_is_not_ready_in_time_says_why(
    served: Served, told: tuple[str, ...], code: str
) -> None:
    if told:
        served.tell("0", *told)
    status, said = served.run("await", "torch", "d1", "1", "0")
    assert status == 1 and said[-2] == f"@@code {code}" and "after 0 s" in said[-1]
    assert all(word in said[-1] for word in told)


def test_running_requests_are_waited_for(
    served: Served, later: Callable[[Callable[[], object]], None]
) -> None:
    served.define(8000, 8001)
    served.tell("0", "failed", "SERVE_CRASHED")
    served.tell("1", "draining")
    later(lambda: served.tell("1", "stopped"))
    assert served.run("drain", "torch", str(served.folder), "60") == (0, [])
    assert not (served.folder / "definition.json").exists()
    assert "kill -HUP 42" in served.calls


def test_a_server_that_does_not_end_is_told(served: Served) -> None:
    served.tell("0", "draining")
    status, said = served.run("drain", "torch", str(served.folder), "0")
    assert status == 1 and said[0] == "@@code SERVE_STUCK" and "draining" in said[1]


@pytest.mark.parametrize("how", ["drain", "replace"])
def test_an_engine_that_does_not_answer_does_not_mean_stopped(served: Served, how: str) -> None:
    served.define(8000)
    served.tell("0", "ready")
    (served.engine / "silent").touch()
    status, said = served.run(how, "torch", str(served.folder), "60")
    assert status == 1 and said[0] == "@@code ENGINE" and "Cannot connect" in said[1]


def test_an_engine_that_ceases_to_answer_does_not_mean_stopped(served: Served) -> None:
    served.define(8000)
    served.tell("0", "ready")
    served.on_signal("touch silent\n")
    status, said = served.run("drain", "torch", str(served.folder), "60")
    assert status == 1 and said[0] == "@@code ENGINE"


@pytest.mark.parametrize("pid", [None, "0"])
def test_where_no_container_runs_nothing_has_to_end(served: Served, pid: str | None) -> None:
    served.define(8000)
    served.tell("0", "ready")
    (served.engine / "pid").unlink()
    if pid:
        (served.engine / "pid").write_text(pid)
    assert served.run("drain", "torch", str(served.folder), "60") == (0, [])
    assert not (served.folder / "definition.json").exists()
    assert not any(call.startswith("kill") for call in served.calls)


def test_what_runs_in_the_container_is_unknown_while_it_is_replaced(served: Served) -> None:
    stamp = served.state / "stamps/serve-files"
    for how, there in (("drain", True), ("replace", False)):
        stamp.write_text("d1\n")
        assert served.run(how, "torch", str(served.folder), "60")[0] == 0
        assert stamp.exists() == there


def test_a_retry_ends_when_nothing_says_any_more_that_it_was_given_up(served: Served) -> None:
    served.define(8000)
    served.tell("0", "failed", "SERVE_CRASHED", "of before")
    (served.told / ".retries").write_text("1\n")
    # the supervisor takes its time; it has read the signal long before it acts
    act = f"sleep 0.5; printf 'd1\\tloading\\n' > {served.told}/0; echo 2 > {served.told}/.retries"
    served.on_signal(f"({act}) >/dev/null 2>&1 &\n")
    assert served.run("retry", "torch") == (0, [])
    assert (served.told / "0").read_text().startswith("d1\tloading")


def test_a_retry_of_a_container_that_does_not_run_fails(served: Served) -> None:
    (served.engine / "pid").write_text("0\n")
    status, said = served.run("retry", "torch")
    assert status == 1 and "kill -HUP 0" not in served.calls, said


def test_the_proof_begins_with_what_the_supervisor_measured(served: Served) -> None:
    (served.root / "proof").write_text('{"ok": true}\n')
    served.tell("0", "ready")
    (served.told / ".0.json").write_text('{"cold_first_token_s": 1.5}\n')
    words = ("prove", "sha256:1", "/bin/python", str(served.folder), "http://127.0.0.1:1", "torch")
    for key in ("", "geheim\n"):
        if key:
            (served.folder / "key").write_text(key)
        status, said = served.run(*words, "0")
        assert status == 0
        results = [json.loads(line) for line in said]
        assert results == [{"ready_s": 3.5}, {"cold_first_token_s": 1.5}, {"ok": True}]
        (run,) = [call for call in served.calls if call.startswith("run ")][-1:]
        assert ("--key-file /etc/mlufleet-serve/key" in run) == bool(key)
        assert "geheim" not in run and "--network host" in run and "--cap-drop ALL" in run


def test_a_container_that_goes_leaves_neither_key_nor_definition(served: Served) -> None:
    for how, program in (("remove", True), ("retire", False)):
        (served.engine / "pid").write_text("42\n")
        (served.engine / "mount").write_text(f"{served.folder}\n")
        served.folder.mkdir(exist_ok=True)
        served.define(8000)
        for name in ("key", "supervisor.py"):
            (served.folder / name).write_text("x\n")
        assert served.run(how, "torch", script="container")[0] == 0
        assert not (served.folder / "key").exists()
        assert not (served.folder / "definition.json").exists()
        assert (served.folder / "supervisor.py").exists() == program


def test_nothing_is_removed_that_is_mounted_from_elsewhere(served: Served) -> None:
    elsewhere = served.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "key").write_text("x\n")
    (served.engine / "mount").write_text(f"{elsewhere}\n")
    assert served.run("remove", "torch", script="container")[0] == 0
    assert (elsewhere / "key").exists()


def test_what_was_served_is_forgotten_but_not_what_another_release_serves(served: Served) -> None:
    other = served.folder / "other"
    other.mkdir()
    for path in (served.folder / "key", served.folder / "client.py", other / "key"):
        path.write_text("x\n")
    served.define(8000)
    for stamp in ("serve", "serve-files", "serve-figures-0", "smoke"):
        (served.state / "stamps" / stamp).write_text("x\n")
    assert served.run("forget", str(served.folder)) == (0, [])
    assert [path.name for path in served.folder.iterdir()] == ["other"]
    assert (other / "key").exists()
    assert [path.name for path in (served.state / "stamps").iterdir()] == ["smoke"]
