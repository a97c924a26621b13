"""What a command cost this machine: wall time, CPU, peak memory; medians of alternating runs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench import lab


@dataclass(frozen=True)
class Cost:
    wall: float
    #: of the command and all it started, seconds
    cpu: float
    #: of the largest of its processes, MiB
    memory: float
    #: of the hosts, seconds
    hosts: float

    def rounded(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(self).items()}


def cost(words: Sequence[str], names: Sequence[str], expected: str, log: Path) -> Cost:
    """Run a command.

    :param names: hosts whose CPU is counted as well
    :param expected: what its output has to say
    :raises RuntimeError: it does not
    """
    before, began = lab.spent(list(names)), time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output)
        # not `wait`: only this tells what the process and its children used
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if process.returncode or expected not in log.read_text():
        raise RuntimeError(f"{' '.join(words)}: {process.returncode}\n{log.read_text()[-3000:]}")
    return Cost(
        wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, lab.spent(list(names)) - before
    )


def median(costs: Sequence[Cost]) -> Cost:
    columns = zip(*(asdict(one).values() for one in costs), strict=True)
    return Cost(*(statistics.median(column) for column in columns))


def note(text: str) -> None:
    """Tell of progress without getting into the figures on standard output."""
    print(text, file=sys.stderr, flush=True)
