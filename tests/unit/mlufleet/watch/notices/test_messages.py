"""A message has a line per change, counts for many hosts, and nothing that was over before."""

from __future__ import annotations

from mlufleet.watch.notices.forms import cut_lines
from mlufleet.watch.notices.messages import compose_message, drop_brief
from mlufleet.watch.notices.receivers import TOLD_KINDS, NoticeSettings
from mlufleet.watch.problems import Change, Problem

SETTINGS = NoticeSettings.model_construct(receivers=())


def change(host: str, kind: str, code: str = "ENGINE", at: float = 100.0) -> Change:
    return Change(at, host, kind, Problem(code, "", "docker is gone", "Start it."), at - 10)


def compose(*changes: Change) -> list[str]:
    message = compose_message(list(enumerate(changes, 7)), TOLD_KINDS, SETTINGS)
    return message.text.split("\n") if message else []


def test_few_hosts_have_a_line_each_and_problems_come_first() -> None:
    title, *lines = compose(change("b", "resolved"), change("a", "opened"))
    assert title == "mlu-fleet: 1 new problem, 1 resolved problem on 2 hosts"
    assert [line[0] for line in lines] == ["✕", "✓"]
    assert "docker is gone" in lines[0] and "Start it." in lines[0] and "10 s" in lines[1]


def test_many_hosts_have_a_line_for_each_code() -> None:
    title, *lines = compose(
        *(change(f"mlu{n}", "opened") for n in range(1, 9)), change("x", "opened", "NO_SPACE")
    )
    assert "9 new problems on 9 hosts" in title
    assert lines[0].startswith("✕ ENGINE, opened: mlu[1-8]") and len(lines) == 2


def test_what_broke_and_was_right_again_meanwhile_is_not_told() -> None:
    opened, resolved = change("a", "opened"), change("a", "resolved", at=160)
    other = change("b", "resolved")
    assert drop_brief([opened, resolved, other]) == [other]
    assert drop_brief([resolved, opened]) == [resolved, opened]
    assert compose(opened, resolved) == []


def test_only_the_kinds_that_a_receiver_wants() -> None:
    changes = [(1, change("a", "rebooted", "REBOOTED")), (2, change("a", "health"))]
    assert compose_message(changes, ("opened",), SETTINGS) is None
    message = compose_message(changes, TOLD_KINDS, SETTINGS)
    assert message is not None and [one.kind for one in message.changes] == ["rebooted"]


def test_lines_are_cut_between_characters() -> None:
    lines = ["标题", *("一行" * 20 for _ in range(50))]
    assert len(cut_lines(lines, 1000).encode()) <= 1000
    assert cut_lines(lines, 1000).endswith("more lines")
    assert len(cut_lines(["很长" * 500], 100).encode()) <= 100
    assert cut_lines(["a", "b"], 100) == "a\nb"
