"""pip without its start, which is most of what a call of it costs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet.gather import pip_index
from fleet.proof import pip_resolver

BEGIN = [sys.executable, "-I", "-S", "-c"]


class ForkedPip:
    """What stands for `subprocess` where pip is called: another call is made as always."""

    DEVNULL, TimeoutExpired = subprocess.DEVNULL, subprocess.TimeoutExpired

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def run(
        self, command: list[str], cwd: Path, env: Mapping[str, str], **options: Any
    ) -> subprocess.CompletedProcess[str]:
        if command[: len(BEGIN)] != BEGIN:
            return subprocess.run(command, cwd=cwd, env=env, **options)
        program, *arguments = command[len(BEGIN) :]
        call = {"program": program, "arguments": arguments, "folder": str(cwd)}
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps({**call, "environment": dict(env)}) + "\n")
        self._server.stdin.flush()
        answer = json.loads(self._server.stdout.readline())
        return subprocess.CompletedProcess(
            command, answer["status"], answer["output"], answer["errors"]
        )


@pytest.fixture(scope="session")
def pip_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    specification = importlib.util.find_spec("pip")
    assert specification and specification.origin
    folder = tmp_path_factory.mktemp("pip")
    (folder / "pip").symlink_to(Path(specification.origin).parent)
    command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("pip_server.py"))]
    with subprocess.Popen(
        [*command, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield server
        assert server.stdin
        server.stdin.close()


@pytest.fixture
def forked_pip(pip_server: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of pip begin in a process that has imported it; each is still one of its own."""
    for module in (pip_resolver, pip_index):
        monkeypatch.setattr(module, "subprocess", ForkedPip(pip_server))
