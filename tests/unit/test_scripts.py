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
