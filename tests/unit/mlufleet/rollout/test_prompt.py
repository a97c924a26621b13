from __future__ import annotations

import os
import pty
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from mlufleet.rollout import prompt


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The operator's end of the terminal that is this process's standard input."""
    ours, theirs = pty.openpty()
    with open(theirs, encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield ours
    os.close(ours)


@pytest.mark.parametrize(
    ("typed", "approved"),
    [(b"y\n", True), (b" YES \n", True), (b"n\n", False), (b"\n", False), (b"\x04", False)],
)
def test_only_yes_approves(terminal: int, typed: bytes, approved: bool) -> None:
    os.write(terminal, typed)
    with gevent.Timeout(20):
        assert prompt.ask_operator("Go on?", Event()) is approved


def test_the_question_is_asked_again_until_it_is_understood(
    terminal: int, capsys: pytest.CaptureFixture[str]
) -> None:
    os.write(terminal, b"perhaps\ny\n")
    with gevent.Timeout(20):
        assert prompt.ask_operator("Go on?", Event()) is True
    assert capsys.readouterr().err.count("Go on? [y/N]: ") == 2


def test_others_work_while_it_waits_and_a_run_that_stops_ends_the_wait(terminal: int) -> None:
    stopping = Event()
    with gevent.Timeout(20):
        asking = gevent.spawn(prompt.ask_operator, "Go on?", stopping)
        gevent.sleep(0)
        assert not asking.ready()
        stopping.set()
        assert asking.get() is False
