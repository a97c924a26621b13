"""What a command costs that only starts, beside the same command of another commit.

python -m tests.bench.start COMMIT [TIMES] > figures.json
Both run in turn, and so does this checkout in Chinese; CPU of the process, medians.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measured import note
from tests.unit import PROJECT

COMMANDS = (("--version",), ("--help",), ("explain", "UNREACHABLE"))
CODE = "from mlufleet.cli.main import main; main()"


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """A tree of another commit."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = subprocess.run(
            ["git", "archive", commit], cwd=PROJECT, stdout=subprocess.PIPE, check=True
        )
        subprocess.run(["tar", "-x", "-C", scratch], input=archive.stdout, check=True)
        yield Path(scratch)


def cpu(tree: Path, language: str, words: tuple[str, ...]) -> float:
    """Milliseconds of user and system time of one start, with compiled modules."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "MLUFLEET_LANG": language}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *words],
        cwd=tree,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    # not `wait`: only this tells what the process used
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return (used.ru_utime + used.ru_stime) * 1000


def compare(other: Path, words: tuple[str, ...], times: int) -> dict[str, float]:
    """Medians of alternating starts, and of their differences turn by turn."""
    turns = []
    for turn in range(times + 1):
        one = (cpu(other, "en", words), cpu(PROJECT, "en", words), cpu(PROJECT, "zh_CN", words))
        if turn:  # the first one only writes what Python compiles
            turns.append(one)
    before, english, chinese = (statistics.median(column) for column in zip(*turns, strict=True))
    return {
        "before ms": round(before, 1),
        "English ms": round(english, 1),
        "Chinese ms": round(chinese, 1),
        "English ms more": round(statistics.median(b - a for a, b, _c in turns), 1),
        "Chinese ms more": round(statistics.median(c - a for a, _b, c in turns), 1),
        "English ratio": round(statistics.median(b / a for a, b, _c in turns), 3),
        "Chinese ratio": round(statistics.median(c / a for a, _b, c in turns), 3),
    }


def main(commit: str, times: str = "20") -> None:
    figures = {}
    with checkout(commit) as other:
        for words in COMMANDS:
            figures[" ".join(words)] = compare(other, words, int(times))
            note(json.dumps({" ".join(words): figures[" ".join(words)]}))
    print(json.dumps({"times": int(times), "starts": figures}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
