"""Slurm's prolog and health check, with a host and a controller that are scripts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleet import paths
from tests.waiting import PATIENCE_S

CHECK = paths.FILES_FOLDER / "slurm/check-node.sh"
DROPPED = "CARD_DROPPED 0000:3a:00.0: revision ff"


class Node:
    """A node whose verdicts are given, one for each look; the last one stays."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in {
            "sleep": "exit 0",
            "hostname": "echo mlu01",
            "scontrol": f'case $* in *show*) echo "NodeName=mlu01 State=$(cat {root}/now) A=b" ;; '
            f'*) echo "$*" >> {root}/told ;; esac',
        }.items():
            self.write(f"bin/{name}", f"#!/bin/sh\n{text}\n").chmod(0o755)
        self.write("now", "IDLE\n")

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def says(self, *lines: str) -> None:
        self.write("lines", "".join(f"{line}\n" for line in lines))
        lines_file = self.root / "lines"
        self.write(
            "verdict.sh",
            f"head -n 1 {lines_file}; [ $(wc -l < {lines_file}) = 1 ] || sed -i 1d {lines_file}\n",
        )

    def check(self, *, job: str = "7") -> tuple[int, str]:
        """Run the check, and return its status and what it has told the controller."""
        text = CHECK.read_text().replace("/var/lib/mlufleet", str(self.root))
        text = text.replace("export PATH=", f"export PATH={self.root}/bin:")
        done = subprocess.run(
            ["sh", "-c", text],
            env={"SLURM_JOB_ID": job} if job else {},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        told = self.root / "told"
        return done.returncode, told.read_text().strip() if told.exists() else ""


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def drained(line: str) -> str:
    return f"update nodename=mlu01 state=drain reason=mlufleet {line}"


@pytest.mark.parametrize(
    ("lines", "drains"),
    [
        (["ready"], False),
        (["degraded: SERVE_WRONG poem/1: it is unhealthy"], False),
        ([f"degraded: {DROPPED}"], True),
        ([f"degraded: SERVE_WRONG poem/1: -; {DROPPED}"], True),
        ([f"broken: {DROPPED}"], True),
        (["broken: ENGINE: docker does not answer"], True),
        (["unknown: TIMED_OUT cards: -"], True),
        (["unknown: TIMED_OUT cards: -", "ready"], False),
        (["sh: syntax error"], True),
    ],
)
def test_a_node_that_is_not_ready_is_drained(node: Node, lines: list[str], drains: bool) -> None:
    node.says(*lines)
    line = "unknown: PROBE_FAILED: no verdict" if "syntax" in lines[0] else lines[-1]
    assert node.check() == ((1, drained(line)) if drains else (0, ""))
    if drains:
        (node.root / "told").unlink()
        assert node.check(job="") == (0, drained(line)), "slurmd waits for a check that fails"


def test_a_node_without_a_verdict_takes_no_job(node: Node) -> None:
    status, told = node.check()
    assert status == 1 and "mlufleet unknown: NOT_RECORDED: " in told


def test_the_reason_of_a_node_that_is_drained_already_stays(node: Node) -> None:
    node.says(f"broken: {DROPPED}")
    node.write("now", "IDLE+DRAIN\n")
    assert node.check() == (1, "")
