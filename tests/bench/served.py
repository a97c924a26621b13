"""What a run costs that changes nothing: of an earlier version, of this one, and on a served host.

python -m tests.bench.served COMMIT [HOST] > figures.json
The earlier version, of the project's own history, and this one run in turn on a host with the small
release. The host is then served and not served in turn, as one host cannot be both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from tests.bench import lab, measured
from tests.bench.measured import Cost
from tests.lab import paths
from tests.runs import LAB, RELEASES, SITE, pyinfra

PLAIN, SERVED = (f"{RELEASES}/light{which}.yml" for which in ("", "-serving"))
BLOCKS, TIMES = 3, 5


def unpack(commit: str, folder: Path) -> Path:
    """The earlier version in a folder, in which it runs on the lab."""
    words = ["git", "-c", f"safe.directory={paths.SOURCE}", "archive", commit]
    archive = subprocess.run(words, cwd=paths.SOURCE, capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    (folder / ".lab").symlink_to(paths.LAB)
    return folder


def make_right(host: str, release: str) -> None:
    """Bring the host to a release."""
    with redirect_stdout(sys.stderr):  # figures alone are to be on standard output
        done = pyinfra("-y", "--limit", host, "--data", f"release={release}")
    assert done.report["exit"] == 0, done.failures()


def measure(host: str, release: str, folder: Path = SITE) -> Cost:
    """What a run of the version in a folder costs that changes nothing."""
    words = [sys.executable, "-m", "pyinfra", "-y", LAB, "deploy.py", "--limit", host]
    before = Path.cwd(), os.environ.get("PYTHONPATH")
    os.chdir(folder)
    os.environ["PYTHONPATH"] = str(folder if folder != SITE else paths.SOURCE)
    try:
        log = lab.FOLDER / "served.log"
        return measured.cost(
            [*words, "--data", f"release={release}"], [host], "1 of 1 hosts needed no change", log
        )
    finally:
        os.chdir(before[0])
        os.environ["PYTHONPATH"] = before[1] or str(paths.SOURCE)


def compare(first: Sequence[Cost], second: Sequence[Cost]) -> dict[str, float]:
    """The second as a multiple of the first: medians of pairs."""
    pairs = list(zip(first, second, strict=True))
    return {
        "wall": round(statistics.median(b.wall / a.wall for a, b in pairs), 3),
        "CPU": round(statistics.median(b.cpu / a.cpu for a, b in pairs), 3),
        "host's CPU": round(statistics.median(b.hosts / a.hosts for a, b in pairs), 3),
        "memory": round(statistics.median(b.memory / a.memory for a, b in pairs), 3),
    }


def main(commit: str, host: str = "u1604") -> None:
    lab.FOLDER.mkdir(parents=True, exist_ok=True)
    runs: dict[str, list[Cost]] = {"earlier": [], "now": [], "plain": [], "served": []}
    with tempfile.TemporaryDirectory() as scratch:
        earlier = unpack(commit, Path(scratch))
        for block in range(BLOCKS):
            measured.note(f"block {block}")
            make_right(host, PLAIN)
            for turn in range(TIMES + 1):  # the first one only warms caches
                pair = measure(host, PLAIN, earlier), measure(host, PLAIN)
                if turn:
                    runs["earlier"].append(pair[0])
                    runs["now"].append(pair[1])
            runs["plain"] += [measure(host, PLAIN) for _ in range(TIMES)]
            make_right(host, SERVED)
            measure(host, SERVED)
            runs["served"] += [measure(host, SERVED) for _ in range(TIMES)]
    make_right(host, PLAIN)
    figures: dict[str, Any] = {
        name: measured.median(costs).rounded() for name, costs in runs.items()
    }
    figures["now, times earlier"] = compare(runs["earlier"], runs["now"])
    figures["served, times plain"] = compare(runs["plain"], runs["served"])
    print(json.dumps({"commit": commit[:7], "times": BLOCKS * TIMES, **figures}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
