"""A command that is a fork of a process with the tool in it ends as one that a user starts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import preload
from tests.waiting import PATIENCE_S, until

#: a host of TEST-NET-1 (RFC 5737), whose release does not exist: no command connects to it
FLEET = "defaults: {os: ubuntu-18.04, release: x.yml}\nhosts: {a: {ssh_hostname: 192.0.2.1}}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[preload.Server]:
    site = tmp_path_factory.mktemp("site")
    for name in ("deploy.py", "config.py"):
        (site / name).symlink_to(Path(__file__).parents[2] / name)
    (site / "fleet.yml").write_text(FLEET)
    server = preload.Server(site)
    yield server
    server.stop()


@pytest.mark.parametrize(
    "words",
    [
        ("mlufleet", "--version"),
        ("mlufleet", "explain", "NO_SPACE", "--json"),
        ("mlufleet", "no-such-command"),
        ("mlufleet", "inventory", "check", "fleet.yml"),
        ("mlufleet", "deploy", "fleet.yml"),
        ("mlufleet", "deploy", "fleet.yml", "--data", "nonsense"),
        ("mlufleet", "rollout", "start", "no-such-file.py"),
        ("pyinfra", "--version"),
        ("pyinfra", "-y", "fleet.yml", "deploy.py"),
    ],
    ids=" ".join,
)
def test_a_command_ends_and_speaks_as_it_does_for_a_user(
    server: preload.Server, words: tuple[str, ...]
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=server.site,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout or done.stderr
    expected = (done.returncode, done.stdout, done.stderr)
    assert server.run(words, environment, PATIENCE_S) == expected


def test_a_command_that_does_not_end_in_time_is_killed(
    server: preload.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    send_signal = preload.Process.send_signal

    def kill(process: preload.Process, number: int) -> None:
        send_signal(process, number)
        ended.append(process.wait(PATIENCE_S))

    monkeypatch.setattr(preload.Process, "send_signal", kill)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = ("127.0.0.1", "--port", str(silent.getsockname()[1]))
        with pytest.raises(TimeoutError):
            server.run(("pyinfra", *host, "exec", "--", "true"), os.environ, 0.5)
    assert ended == [-signal.SIGKILL]


def test_the_servers_end_with_their_caller(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from tests import preload\n"
        "print(preload.Server(Path(sys.argv[1])).pid, flush=True)\n"
        "os._exit(0)  # as one that is killed"
    )
    words = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout
        group = int(caller.stdout.readline())

    def is_empty() -> bool:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        return False

    until(is_empty, "both servers end")
