"""A job's standard input through a pipe: in no file, and whole."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.host.scripts import script_text
from tests.waiting import PATIENCE_S, until

WHO = "run-1\toperator\tstage\ttitle"
#: takes two lines, and waits for no end of its input
BODY = 'IFS= read -r first; IFS= read -r second; echo "got $first, $second"'


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "lock").write_text(WHO)
    # systemd of this machine, if it has one, is no test's subject
    (tmp_path / "systemd-run").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "systemd-run").chmod(0o755)
    yield tmp_path


def begin(state: Path) -> subprocess.Popen[str]:
    text = script_text("job").replace("/var/lib/mlufleet", str(state))
    return subprocess.Popen(
        ["sh", "-c", f"WHO='{WHO}'\n{text}", "job", "run-1-1", "60", "@@pipe", BODY, "name"],
        env={"PATH": f"{state}:{os.environ['PATH']}"},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_lines_reach_the_job_and_no_file(state: Path) -> None:
    job = begin(state)
    output = job.communicate("one $x\nse'cret\n.\n", timeout=PATIENCE_S)[0]
    assert job.returncode == 0 and output.splitlines() == ["got one $x, se'cret"]
    files = [path for path in state.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name != "log" and "cret" in path.read_text()]


def test_a_connection_that_was_lost_between_them_gives_them_again(state: Path) -> None:
    cut = begin(state)
    assert cut.stdin
    cut.stdin.write("one\nse")
    cut.stdin.close()
    until((state / "jobs/run-1-1/pid").exists, "the job begins")
    cut.kill()
    cut.wait(PATIENCE_S)
    assert not (state / "jobs/run-1-1/status").exists()
    again = begin(state)
    output = again.communicate("one\ntwo\n.\n", timeout=PATIENCE_S)[0]
    assert again.returncode == 0 and output.splitlines() == ["got one, two"]


def test_a_sleep_that_knows_no_fractions_is_not_heard(state: Path) -> None:
    (state / "sleep").write_text(
        '#!/bin/sh\ncase $1 in *.*) echo "invalid $1" >&2; exit 1 ;; esac\n'
    )
    (state / "sleep").chmod(0o755)
    job = begin(state)
    output = job.communicate("one\ntwo\n.\n", timeout=PATIENCE_S)[0]
    assert job.returncode == 0 and output.splitlines() == ["got one, two"]
