"""What `make` would run, as far as no test can run it: it would remove the lab it runs on."""

from __future__ import annotations

import re
import subprocess

from fleet import paths


def expand(target: str) -> str:
    """Return the commands of a target, without running them."""
    words = ["make", "--dry-run", "--old-file=.venv/ready", target]
    done = subprocess.run(words, cwd=paths.PROJECT_ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_lab_down_removes_the_labs_of_all_lanes_then_that_of_make_lab() -> None:
    makefile = (paths.PROJECT_ROOT / "Makefile").read_text()
    lanes = re.findall(r"^LANES := (.+)$", makefile, re.MULTILINE)[0].split()
    down = "{} .venv/bin/python -m tests.lab down"
    labs = [f"LAB_PREFIX=mlulane-{lane}- LAB_DIR=.lanes/{lane}/.lab" for lane in lanes]
    first, *rest = expand("lab-down").splitlines()
    assert first.split(" && ") == [*(down.format(lab) for lab in labs), ":"]
    assert rest == ["rm -rf .lanes", ".venv/bin/python -m tests.lab down --all"]
