"""Runs the tool on the lab as a user does, and reads the report it leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fleet.release import files as release_files
from fleet.release import lockfile
from tests import preload
from tests.lab import hosts as lab
from tests.lab import paths

SITE = paths.PROJECT
LAB = "inventories/lab.py"
RELEASES = ".lab/releases"
#: options for the release on the newer driver, and what says which one runs the cards
NEWER = ("--data", f"release={RELEASES}/baichuan-7b-lab-newer.yml")
LOADED = "sed -n 's/^Driver Version: v//p' /proc/driver/cambricon/mlus/*/information | sort -u"
HOSTS = {"u1604": 1, "u1804": 4, "c7": 2}  # name -> cards
WORK = "/data/github/dev-env-ubuntu/pytorch1.9/baichuan"
CONTAINER = "container-pytorch-v1.13.0-torch1.9-ubuntu18.04-py37-mlufleet"
#: the model's own process on a host, not the shells that wait for it
MODEL_PROCESS = "'^python .*inference[.]py'"
#: no run on the lab may take longer, seconds
LIMIT = 1500
#: whether commands are forks of a process that has imported the tool: tests/preload.py
PRELOADED = "MLULAB_PRELOAD" in os.environ


@dataclass
class Done:
    status: int
    output: str
    report: dict[str, Any]

    def host(self, name: str) -> dict[str, Any]:
        return dict(self.report["hosts"][name])

    def statuses(self) -> dict[str, str]:
        return {name: host["status"] for name, host in self.report["hosts"].items()}

    def failures(self) -> dict[str, str]:
        """What each host that failed failed with, as a test's message shows it."""
        return {
            name: f"{failure['stage']}: {failure['code']} {failure['sentence']}"
            for name, host in self.report["hosts"].items()
            if (failure := host["failure"])
        }

    def changed(self, name: str) -> list[str]:
        """Names of the stages that changed something on a host."""
        return [s["stage"] for s in self.host(name)["stages"] if s["changes"]]


def call(*words: str, language: str = "") -> Done:
    if PRELOADED and not language:
        status, *said = preloaded().run(words, os.environ, LIMIT)
    else:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=SITE,
            env={**os.environ, **({"MLUFLEET_LANG": language} if language else {})},
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        status, said = done.returncode, [done.stdout, done.stderr]
    output = "".join(said)
    print(output)
    return Done(status, output, report_in(output))


@cache
def preloaded() -> preload.Server:
    """What runs the commands of this session."""
    return preload.Server(SITE)


def report_in(output: str) -> dict[str, Any]:
    """The report that a run's output names: runs/latest may be of another that ended meanwhile."""
    where = re.search(r"(?:report: |报告：)(runs/\S+/report.json)", output)
    report: dict[str, Any] = json.loads((SITE / where[1]).read_text()) if where else {"hosts": {}}
    return report


def pyinfra(*options: str, inventory: str = LAB, language: str = "") -> Done:
    return call("pyinfra", inventory, "deploy.py", *options, language=language)


def mlufleet(*words: str) -> Done:
    return call("mlufleet", *words)


def begin(*options: str, inventory: str = LAB) -> subprocess.Popen[str]:
    """A run of deploy.py that goes on while the test does something to it."""
    return start("deploy", inventory, *options)


def start(*words: str, stdin: int | None = None) -> subprocess.Popen[str]:
    """A command of `mlufleet` that goes on while the test does something to it."""
    words = (sys.executable, "-m", "mlufleet", *words)
    return subprocess.Popen(
        words,
        cwd=SITE,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(run: subprocess.Popen[str], text: str) -> str:
    """What a command that goes on has printed, up to the line that has this text."""
    assert run.stdout is not None
    lines = []
    for line in run.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"it never said {text!r}:\n{''.join(lines)}")


def wait_for_rest(host: str) -> str:
    """A host's listing once nothing is being written any more (docker ends its own work late)."""
    before, same = lab.listing(host), 0
    for _ in range(60):
        time.sleep(1)
        now = lab.listing(host)
        same = same + 1 if now == before else 0
        if same == 4:
            return now
        before = now
    raise AssertionError(f"{host} does not come to rest")


def wait_on(host: str, script: str, seconds: float = 120) -> None:
    """Wait on a host itself until a script succeeds there, which costs less than to ask often."""
    loop = f"until {{ {script}\n}} >/dev/null 2>&1; do sleep 0.1; done"
    lab.run(host, f"timeout {seconds:.0f} sh", given=loop, timeout=seconds + 30)


def refused(host: str, code: str, *options: str, inventory: str = LAB) -> dict[str, Any]:
    """A run in which this host fails with this code and a remedy. Returns the failure."""
    done = mlufleet("deploy", inventory, "--limit", host, *options)
    assert done.status in (2, 4)
    failure: dict[str, Any] = done.host(host)["failure"]
    assert failure["code"] == code, failure
    assert failure["remedy"] and failure["remedy"] in done.output
    return failure


def with_more(folder: Path, more: str) -> str:
    """The lab's release with more to it, locked, in a folder. The option's value."""
    path = folder / "other.yml"
    ours = (SITE / RELEASES / "baichuan-7b-lab.yml").resolve()
    path.write_text(f"extends: {ours}\nname: other\n{more}")
    assert mlufleet("lock", str(path), "--store", str(paths.STORE), "--quiet").status == 0
    return f"release={path}"


def with_unproved(folder: Path, more: str) -> str:
    """As :func:`with_more`, but with a lock of an earlier version, which proved nothing of it."""
    ours = (SITE / RELEASES / "baichuan-7b-lab.yml").resolve()
    path = folder / "unproved.yml"
    path.write_text(f"extends: {ours}\nname: other\n{more}")
    changes = {"release": release_files.load_release(path).digest}
    lockfile.write(lockfile.load(ours).model_copy(update=changes), lockfile.lock_path(path))
    return f"release={path}"


def ends_right(host: str, *options: str) -> Done:
    """After the fault is lifted, one run ends right with no manual step, and a look agrees."""
    done = mlufleet("deploy", LAB, "--limit", host, *options)
    assert done.status == 0 and done.statuses()[host] in ("ok", "changed")
    assert mlufleet("doctor", LAB, "--limit", host, *options).status == 0
    return done


def needed_later(request: pytest.FixtureRequest) -> bool:
    """Whether a test after those of a module relies on the lab's own release on its hosts.

    Where none does, a host is left as it is: to take the model back there costs most of a minute,
    and every session puts right what an earlier one has left.
    """
    items = request.session.items
    last = max(place for place, item in enumerate(items) if item.path == request.path)
    return any("provisioned" in getattr(item, "fixturenames", ()) for item in items[last + 1 :])


def wait_for_step(host: str, step: str) -> None:
    """Wait until a step, known by a word of its title, runs on a host for the run that holds it."""
    # what a power cut left has no status either, but no process; and a run that was interrupted may
    # have left a job that still runs
    running = (
        'run=$(cut -f1 ../lock) && for job in *; do [ "$(cut -f1 "$job/who")" = "$run" ] && '
        'grep -qs "$job/main" "/proc/$(cat "$job/pid")/cmdline" && cut -f4 "$job/who"; done'
    )
    wait_on(host, f"cd /var/lib/mlufleet/jobs && {{ {running}; }} | grep -q {step}")
