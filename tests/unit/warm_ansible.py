"""Ansible's own `ansible-inventory`, without the second that its imports take at every start.

One process imports Ansible, then forks for each command. What runs is Ansible's code with the
command's own arguments, environment and folder, in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S

SERVER = """\
import json, os, sys, traceback
from ansible.cli.inventory import main

for line in sys.stdin:
    call = json.loads(line)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for number, path in enumerate(call["output"], 1):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            os.chdir(call["folder"])
            os.environ.clear()
            os.environ.update(call["environment"])
            status = main(call["words"])
        except SystemExit as end:
            status = end.code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status or 0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


def _settings(environment: dict[str, str]) -> dict[str, str]:
    """Return what Ansible reads from the environment when it is imported."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(("ANSIBLE_", "LC_", "LANG")) or name == "COLUMNS"
    }


class WarmAnsible:
    """Stands in for `subprocess.run`, of `ansible-inventory` only.

    Args:
        folder: For the output of commands.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_cold = subprocess.run
        self.server: subprocess.Popen[str] | None = None
        self.settings: dict[str, str] = {}

    def run(self, words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        environment = options.get("env") or dict(os.environ)
        if Path(words[0]).name != "ansible-inventory":
            return self.run_cold(words, **options)
        if Path("ansible.cfg").exists():
            return self.run_cold(words, **options)
        if self.settings != _settings(environment):
            self.end()
        if self.server is None:
            self.settings = _settings(environment)
            self.server = subprocess.Popen(
                [sys.executable, "-c", SERVER],
                env=environment,
                cwd=self.folder,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        output = [self.folder / "stdout", self.folder / "stderr"]
        call = {
            "words": words,
            "environment": environment,
            "folder": os.getcwd(),
            "output": [str(path) for path in output],
        }
        assert self.server.stdin and self.server.stdout
        self.server.stdin.write(json.dumps(call) + "\n")
        self.server.stdin.flush()
        status = int(self.server.stdout.readline())
        stdout, stderr = (path.read_text() for path in output)
        return subprocess.CompletedProcess(words, status, stdout, stderr)

    def end(self) -> None:
        if self.server is not None:
            self.server.communicate(timeout=PATIENCE_S)
            self.server = None


@contextmanager
def warm_ansible(folder: Path) -> Iterator[WarmAnsible]:
    """Start the process at the first command, and end it."""
    warm = WarmAnsible(folder)
    try:
        yield warm
    finally:
        warm.end()
