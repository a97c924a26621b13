"""`mlufleet verdict` passes on what a host says, and believes nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet.release import host_paths
from mlufleet.cli import host_verdict
from mlufleet.cli.host_verdict import VerdictStatus, read_verdict
from mlufleet.cli.main import main


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["verdict", *words])
    return done.exit_code, done.output.strip()


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (0, "ready\n", VerdictStatus.READY),
        (1, "degraded: SERVE a/0: it is loading\n", VerdictStatus.DEGRADED),
        (2, "broken: ENGINE: docker does not answer\n", VerdictStatus.BROKEN),
        (3, "unknown: LOCKED: run 1 works on this host\n", VerdictStatus.UNKNOWN),
        (0, "broken: ENGINE: docker does not answer\n", VerdictStatus.UNKNOWN),
        (2, "ready\n", VerdictStatus.UNKNOWN),
        (0, "Welcome\nready\n", VerdictStatus.UNKNOWN),
        (0, "", VerdictStatus.UNKNOWN),
        (127, "sh: not found\n", VerdictStatus.UNKNOWN),
    ],
)
def test_only_a_line_that_goes_with_its_status_is_believed(
    status: int, text: str, expected: VerdictStatus
) -> None:
    assert read_verdict(status, text).status == expected


@pytest.mark.parametrize(
    ("script", "status", "line"),
    [
        ("echo ready", 0, "ready"),
        ("echo 'degraded: SERVE a/0: it is loading'; exit 1", 1, "degraded: SERVE a/0"),
        ("exit 2", 3, "unknown: NOT_RECORDED: "),
        (r"printf 'broken: CARD_DROPPED \377\n'; exit 2", 2, "broken: CARD_DROPPED \ufffd"),
        (None, 3, "unknown: NOT_RECORDED: "),
    ],
)
def test_this_machine_is_asked_without_an_inventory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, status: int, line: str
) -> None:
    monkeypatch.setattr(host_paths, "STATE_FOLDER", str(tmp_path))
    if script:
        (tmp_path / "verdict.sh").write_text(f"{script}\n")
    found, said = run("--local")
    assert found == status and said.startswith(line)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("fleet.py",),
        ("fleet.py", "mlu01", "--local"),
        ("--local", "fleet.py"),
    ],
)
def test_either_a_host_of_an_inventory_or_this_machine_is_asked(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, ["verdict", *words])
    assert done.exit_code == 3 and "--local" in done.output


@pytest.mark.parametrize("words", [("--locl",), ("fleet.py", "mlu01", "mlu02")])
def test_a_misspelt_command_is_no_verdict_on_the_host(words: tuple[str, ...]) -> None:
    found, said = run(*words)
    assert found == VerdictStatus.UNKNOWN and "Error: " in said


def test_an_error_of_this_program_is_no_verdict_on_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise PermissionError(13, "Permission denied", "/var/lib/mlufleet")

    monkeypatch.setattr(host_verdict, "ask_here", fail)
    found, said = run("--local")
    assert found == VerdictStatus.UNKNOWN and said.startswith("unknown: INTERNAL: ")
