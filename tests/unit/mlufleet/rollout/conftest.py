"""Rollouts over scores of hosts on pyinfra's fake connector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit import PROJECT
from tests.unit.conftest import BARE
from tests.waiting import PATIENCE_S

Server = subprocess.Popen[str]
#: what takes a second of each start is imported once; each rollout is a fork of that
SERVER = textwrap.dedent(
    """
    import json, os, sys, traceback
    from gevent import monkey
    monkey.patch_all()
    wait = monkey.get_original("os", "waitpid")
    import gevent, pyinfra.api, pyinfra.connectors.fake
    import mlufleet.rollout.coordinator
    for line in sys.stdin:
        call = json.loads(line)
        child = os.fork()
        if not child:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
            for number, path in enumerate(("/dev/null", "stdout", "stderr")):
                os.dup2(os.open(os.path.join(call["folder"], path), flags), number)
            os.chdir(call["folder"])
            os.environ["OPERATOR"] = call["operator"]
            sys.argv[1:] = call["arguments"]
            try:
                exec(compile(call["program"], "rollout", "exec"), {"__name__": "__main__"})
                status = 0
            except BaseException:
                traceback.print_exc()
                status = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        print(os.waitstatus_to_exitcode(wait(child, 0)[1]), flush=True)
    """
)
INVENTORY = """
_probe = {probe!r}
hosts = [(f"@fake/mlu{{i:03}}", {{
    "fake_responses": {{"@@mlufleet-begin": "garbage" if i % {sick} == 7 else _probe}},
    "fake_delay": 0, "fake_delay_jitter": 0,
    "release": {release!r}, "store": {store!r}, "rack": i % 20,
}}) for i in range({count})]
"""


def probe() -> list[str]:
    lines = [line.replace("|", "\t") for line in BARE if not line.startswith("clock")]
    return ["@@mlufleet-begin", *lines, f"clock\t{int(time.time())}", "@@mlufleet-end"]


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A process that has imported what a rollout needs."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path_factory.mktemp("server"),
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    yield process
    process.communicate(timeout=PATIENCE_S)


def simulate(
    server: Server, site: Path, program: str, arguments: list[str], count: int, operator: str = ""
) -> dict[str, Any]:
    """Run a program over hosts in a process of its own, and return what it printed last.

    Args:
        server: The process that has imported what the program needs.
        site: Its working directory, with the release of the hosts.
        program: The program's text.
        arguments: Its arguments.
        count: Number of hosts in `hosts.py`.
        operator: What the operator answers.
    """
    made = INVENTORY.format(
        probe=probe(),
        release=str(site / "small.yml"),
        count=count,
        store=str(site / "store"),
        sick=250,
    )
    (site / "hosts.py").write_text(made)
    call = {"program": program, "folder": str(site), "operator": operator, "arguments": arguments}
    assert server.stdin and server.stdout
    server.stdin.write(json.dumps(call) + "\n")
    server.stdin.flush()
    assert server.stdout.readline() == "0\n", (site / "stderr").read_text()
    return dict(json.loads((site / "stdout").read_text().splitlines()[-1]))
