"""The copy of a host's audit log, which the host forgets afterwards."""

from __future__ import annotations

import base64
import shlex
from pathlib import Path
from typing import Any, cast

import pytest
from pyinfra.api import Host
from pyinfra.connectors.util import CommandOutput, OutputLine

from operations.host.scripts import ScriptCommand
from operations.retirement import audit_log

HOST = cast(Host, None)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> bytearray:
    """The log of a host, of which one command reads four bytes, and all of them sixteen."""
    content = bytearray()

    def read(_: Host, command: ScriptCommand, __: Any) -> tuple[bool, CommandOutput]:
        offset, size = map(int, shlex.split(command.get_masked_value())[-2:])
        text = base64.b64encode(content[offset : offset + size]).decode()
        lines = ("@@begin", text, "@@end")
        return True, CommandOutput([OutputLine("stdout", line) for line in lines])

    monkeypatch.setattr(audit_log, "_BLOCK_BYTES", 4)
    monkeypatch.setattr(audit_log, "_MAX_BYTES", 16)
    monkeypatch.setattr(audit_log.connection, "run_command", read)
    return content


@pytest.mark.parametrize("size", [0, 3, 4, 9, 15])
def test_the_whole_log_is_fetched_block_by_block(log: bytearray, tmp_path: Path, size: int) -> None:
    log += bytes(range(size))
    path = tmp_path / "audit" / "a.log"
    assert audit_log.FetchAuditLog(path).run(HOST, {}) is None
    assert path.read_bytes() == bytes(log)


def test_a_log_that_is_too_large_is_not_cut(log: bytearray, tmp_path: Path) -> None:
    log += bytes(17)
    failure = audit_log.FetchAuditLog(tmp_path / "a.log").run(HOST, {})
    assert failure and failure.code == "NOT_RETIRED"
    assert not (tmp_path / "a.log").exists()


def test_a_log_that_was_fetched_before_stays(log: bytearray, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"before")
    assert audit_log.FetchAuditLog(tmp_path / "a.log").run(HOST, {}) is None
    assert (tmp_path / "a.log").read_bytes() == b"before"
