"""How tests enter a host: as processes of this machine where the host's are, else by docker."""

from __future__ import annotations

import os

import pytest

from tests.lab import engine, hosts


@pytest.mark.parametrize("shown", ["0 abc", f"{os.getpid()} abc"])
def test_a_host_whose_processes_are_not_here_is_entered_by_docker(
    monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    """Off, or with an engine on another machine, whose process has this one's number."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(engine, "docker", lambda *_arguments: shown)
    assert hosts.enter("nowhere", "true") == ["docker", "exec", "-i", "mlulab-nowhere", "true"]


def test_only_root_enters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert hosts.enter("nowhere", "true")[0] == "docker"
