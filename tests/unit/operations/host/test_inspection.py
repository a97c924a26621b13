"""What a host answers to a script that only looks at it."""

from __future__ import annotations

from typing import cast

import pytest
from pyinfra.api import Host
from pyinfra.connectors.util import CommandOutput, OutputLine

from operations.host import inspection

HOST = cast(Host, None)


def ask(monkeypatch: pytest.MonkeyPatch, ok: bool, *lines: str) -> list[list[str]]:
    output = CommandOutput([OutputLine("stdout", line) for line in lines])
    monkeypatch.setattr(inspection.connection, "connector_arguments", lambda _: {})
    monkeypatch.setattr(inspection.connection, "run_command", lambda *_: (ok, output))
    return inspection.ask_host(HOST, "inspect-clones", "/data/model")


def test_records_are_what_is_marked_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["Welcome", "@@fact\t/data/model\t\troot", "@@end"]
    assert ask(monkeypatch, True, *lines) == [["/data/model", "", "root"]]


@pytest.mark.parametrize(
    ("ok", "lines", "code"),
    [
        (True, ["@@fact\t/data/model\t\troot"], "PROBE_FAILED"),
        (False, ["@@fact\t/data/model\t\troot", "@@end"], "PROBE_FAILED"),
        (False, ["@@code TIMED_OUT", "the host did not end it within 180 s"], "TIMED_OUT"),
    ],
)
def test_an_answer_without_end_is_none(
    monkeypatch: pytest.MonkeyPatch, ok: bool, lines: list[str], code: str
) -> None:
    with pytest.raises(inspection.InspectionFailed) as caught:
        ask(monkeypatch, ok, *lines)
    assert caught.value.failure.code == code
