"""How a host is asked for what this tool left on it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.connectors.util import CommandOutput, OutputLine

from fleet.release.target import ReleaseTarget
from operations.host.context import run_context
from operations.host.scripts import ScriptCommand
from operations.retirement import traces
from operations.retirement.model import RetirementOptions
from tests.unit.operations.stage_helpers import as_spec


@pytest.mark.parametrize("is_dry", [True, False])
def test_a_dry_run_writes_nothing_on_the_host(
    wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch, is_dry: bool
) -> None:
    sent: list[str] = []

    def answer(_: Any, command: ScriptCommand, __: Any) -> tuple[bool, CommandOutput]:
        sent.append(command.get_masked_value())
        return True, CommandOutput([OutputLine("stdout", "@@traces-end")])

    monkeypatch.setattr(traces.connection, "connector_arguments", lambda *_, **__: {})
    monkeypatch.setattr(traces.connection, "run_command", answer)
    host: Any = SimpleNamespace(name="a", state=SimpleNamespace())
    run_context(host).is_read_only = is_dry
    assert traces.find_traces(host, as_spec(wanted).target, RetirementOptions()) == []
    assert ["read_only=yes\n" in text for text in sent] == [is_dry]
