"""The script that asks a host's engine, with a stub in docker's place."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from operations.host.scripts import script_text

#: knows its version and two containers, and answers each further question as {0} says
DOCKER = """#!/bin/sh
case $1 in
  version) echo 20.10.24 ;;
  ps) printf '1f1f\\n2a2a\\n' ;;
  inspect) {0} ;;
  *) exit 1 ;;
esac
"""


def ask(folder: Path, answer: str) -> tuple[int, list[str]]:
    """The status of the script and what it printed."""
    (folder / "docker").write_text(DOCKER.format(answer))
    (folder / "docker").chmod(0o755)
    text = script_text("inspect-engine").replace("/var/lib/mlufleet", str(folder / "state"))
    done = subprocess.run(
        ["sh", "-c", text, "inspect-engine", "/usr/bin/python", "sha256:77"],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert not (folder / "state").exists()
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("answer", ["exit 1", "exit 124", "echo 'no such field' >&2; exit 64"])
def test_an_engine_that_describes_nothing_is_not_empty(tmp_path: Path, answer: str) -> None:
    status, lines = ask(tmp_path, answer)
    assert status == 1 and "@@end" not in lines


def test_a_container_that_has_gone_meanwhile_is_no_failure(tmp_path: Path) -> None:
    status, lines = ask(tmp_path, "echo \"$5\" | grep '^@@fact' | cut -c1-17; exit 1")
    assert (status, lines[0], lines[-1]) == (0, "@@fact\tcontainer\t", "@@end")
