"""The scripts that run on hosts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from operations.scripts import SCRIPTS

#: what one script sets and another uses
KNOWN = "SC2034,SC2154"


def test_the_scripts_are_posix_and_shellcheck_finds_nothing_in_them() -> None:
    """Words that are meant to be split, say, are marked where they stand."""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    words = [shellcheck, "--shell", "sh", "--exclude", KNOWN, *sorted(SCRIPTS.glob("*.sh"))]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_of_a_partial_file_with_holes_only_what_is_there_counts(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    with (tmp_path / "incoming/image.a.0.part").open("wb") as sparse:
        sparse.seek(64 << 20)
        sparse.write(b"end")
    (tmp_path / "incoming/image.b.0.part").write_bytes(b"whole")
    lines = (SCRIPTS / "probe.sh").read_text().splitlines()
    (begin,) = [number for number, line in enumerate(lines) if '"$state/incoming"' in line]
    script = f"state={tmp_path}\n" + "\n".join(lines[begin : begin + 2])
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout
    found = dict(line.split("\t")[1:] for line in said.splitlines())
    assert 3 <= int(found["image.a.0.part"]) < 1 << 20
    assert found["image.b.0.part"] == "5"
