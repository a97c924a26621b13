"""Signals that a terminal or a service manager sends to every process of a watch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from fleet.release.target import ReleaseTarget
from tests.unit import PROJECT, sshd
from tests.waiting import PATIENCE_S, until


@pytest.fixture
def clone(site: Path, wanted: ReleaseTarget, tmp_path: Path) -> Iterator[Path]:
    """A folder with an inventory of a host that accepts connections and says nothing."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in ("deploy.py", "files", "config.py"):
        (folder / name).symlink_to(PROJECT / name)
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(sshd.listening(sshd.silent))
            for name in ("silent", "closed", "stranger")
        }
        hosts = sshd.host_data(folder, site, ports)
        (folder / "hosts.py").write_text(f"some = {[('silent', hosts['silent'])]!r}\n")
        yield folder


def children(pid: int) -> list[int]:
    """All processes below one, the lowest first."""
    with suppress(OSError):
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [one for child in map(int, found) for one in (*children(child), child)]
    return []


def depth(pid: int) -> int:
    return len(children(pid))


@pytest.mark.parametrize(
    ("words", "moment", "how", "status"),
    [
        # the look process has just begun, and its own signals are not set up yet
        ((), 1, "every process", 0),
        # a look is running
        ((), 2, "every process", 0),
        (("--once",), 2, "terminal", 130),
    ],
)
def test_they_end_all_of_it_quietly(
    clone: Path, words: tuple[str, ...], moment: int, how: str, status: int
) -> None:
    command = [sys.executable, "-m", "mlufleet", "watch", "hosts.py", "--every", "10s"]
    command += ["--listen", "off", *words]
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "SSH_AUTH_SOCK": ""}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        cwd=clone,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
    ) as watch:
        try:
            until(lambda: depth(watch.pid) == moment)
            others = children(watch.pid)
            if how == "terminal":
                os.killpg(watch.pid, signal.SIGINT)
            else:  # those below first: what that does must not look like a fault to those above
                for pid in (*others, watch.pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
            said = watch.communicate(timeout=PATIENCE_S)
        finally:
            watch.kill()
    assert (watch.returncode, said) == (status, ("", ""))
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in others))
