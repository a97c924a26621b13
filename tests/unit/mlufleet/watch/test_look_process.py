"""The look process over real SSH connections: one good host, and one of each bad kind."""

from __future__ import annotations

import ast
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fleet.release.target import ReleaseTarget
from mlufleet.watch.look_messages import Observed, RoundEnded
from mlufleet.watch.observation import SEEN, UNPROBED, UNREACHABLE
from tests.looks import looking
from tests.unit import PROJECT, sshd
from tests.waiting import PATIENCE_S, until

SUDO = """#!/bin/sh
while case "${1-}" in -*) true ;; *) false ;; esac do shift; done
exec "$@"
"""
ID = "#!/bin/sh\necho 0\n"
#: the project's own, with less patience
CONFIG = f"""\
from mlufleet.connect import settings
from operations.host import probe

settings.LOGIN_TIMEOUT_S, settings.RETRY_DELAYS_S = 25, ()
exec(open({str(PROJECT / "config.py")!r}).read())
"""
#: what each bad host is seen as
BAD = {
    "changed": (UNREACHABLE, "HOST_KEY_CHANGED"),
    "unknown": (UNREACHABLE, "HOST_KEY_UNKNOWN"),
    "stranger": (UNREACHABLE, "AUTH"),
    "closed": (UNREACHABLE, "UNREACHABLE"),
    "silent": (UNREACHABLE, "UNREACHABLE"),
    "nologin": (UNPROBED, "PROBE_FAILED"),
    "closes": (UNPROBED, "CONNECTION_LOST"),
}


@pytest.fixture
def clone(site: Path, wanted: ReleaseTarget, tmp_path: Path) -> Iterator[Path]:
    """A folder in which the look process starts, with an inventory `hosts.py`."""
    folder = tmp_path / "a clone"
    (folder / "tools").mkdir(parents=True)
    for name in ("deploy.py", "files"):
        (folder / name).symlink_to(PROJECT / name)
    (folder / "config.py").write_text(CONFIG)
    for name, script in {"sudo": SUDO, "id": ID}.items():
        (folder / "tools" / name).write_text(script)
        (folder / "tools" / name).chmod(0o755)
    serve = {name: sshd.ssh(name, folder / "tools") for name in ("good", "twin", "hung", *BAD)}
    serve["silent"] = sshd.silent
    with ExitStack() as stack:
        ports = {name: stack.enter_context(sshd.listening(how)) for name, how in serve.items()}
        hosts = sshd.host_data(folder, site, ports)
        (folder / "hosts.py").write_text(f"some = {list(hosts.items())!r}\n")
        yield folder


def wait_for_child(pid: int) -> int:
    """The only child of a process."""
    (child,) = until(lambda: Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return int(child)


def test_each_host_is_seen_with_the_code_of_a_run(clone: Path) -> None:
    with looking(clone) as looks:
        assert (
            list(looks.ready.hosts) == ["good", "twin", "hung", *BAD] and looks.ready.limit_s > 60
        )
        seen = looks.look("good", *BAD)
        codes = {
            name: (one.outcome, one.failure.code if one.failure else "")
            for name, one in seen.items()
        }
        assert {name: codes[name] for name in BAD} == BAD
        good = seen["good"]
        assert good.outcome == SEEN and good.boot_id and good.observed
        # this machine has no cards: what a run would refuse it for
        assert good.failure and good.failure.stage == "preflight"
        assert good.began <= good.ended <= time.time()

        # another name of the same machine, also if it is looked at in another round
        for name in ("twin", "good"):
            failure = looks.look(name)[name].failure
            assert failure and failure.code == "DUPLICATE_HOST"

        # one that hangs holds up no other, and is killed alone
        looks.ask("hung")
        child = wait_for_child(looks.process.pid)
        looks.ask("good")
        for expected in (Observed, RoundEnded):
            message = looks.read()
            assert isinstance(message, expected) and message.number == 5
        os.kill(child, signal.SIGKILL)
        assert looks.read() == RoundEnded(4, reason="signal 9")
    assert not (clone / "runs").exists()


def test_a_wrong_inventory_is_refused_before_any_look(clone: Path) -> None:
    (clone / "hosts.py").write_text("some = [('one', {'release': 'nothing'})]\n")
    command = [sys.executable, "-m", "mlufleet.watch.look_process", "hosts.py"]
    done = subprocess.run(
        command,
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 3 and done.stdout == b"" and b"hosts.py: one: " in done.stderr


def test_the_command_looks_tells_and_shows(clone: Path) -> None:
    hosts = (clone / "hosts.py").read_text().removeprefix("some = ")
    chosen = [host for host in ast.literal_eval(hosts) if host[0] in ("good", "closed")]
    (clone / "hosts.py").write_text(f"some = {chosen!r}\n")
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "SSH_AUTH_SOCK": ""}
    command = [sys.executable, "-m", "mlufleet", "watch", "hosts.py"]
    once = subprocess.run(
        [*command, "--once"], cwd=clone, env=env, stdin=subprocess.DEVNULL, timeout=PATIENCE_S
    )
    assert once.returncode == 2 and not (clone / "runs").exists()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command += ["--every", "10s", "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(
        command, cwd=clone, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as watch:
        try:
            assert watch.stdout
            told = ""
            while "closed opened: UNREACHABLE" not in told:  # with the look before it, two
                told = watch.stdout.readline().decode()
                assert told, "the watch has ended"
            for path, text in {
                "/metrics": "\nmlufleet_problem_open{",
                "/healthz": "ok",
                "/": "closed",
            }.items():
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S
                ) as page:
                    assert text in page.read().decode(), path
            second = subprocess.run(
                command, cwd=clone, env=env, capture_output=True, timeout=PATIENCE_S
            )
            assert second.returncode == 3 and f"process {watch.pid} of" in second.stderr.decode()
            watch.terminate()
            assert watch.wait(PATIENCE_S) == 0
        finally:
            watch.kill()
