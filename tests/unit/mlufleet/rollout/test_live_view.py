from __future__ import annotations

import io

from rich.console import Console

from mlufleet.report.derive import STATUSES
from mlufleet.rollout.live_view import LiveView


def drawn(view: LiveView, height: int) -> list[str]:
    view.console = Console(file=io.StringIO(), width=80, height=height)
    page = Console(file=io.StringIO(), width=80, height=height)
    page.print(view.render())
    assert isinstance(page.file, io.StringIO)
    return page.file.getvalue().splitlines()


def test_the_table_of_a_big_fleet_fits_a_small_terminal() -> None:
    view = LiveView()
    names = [f"mlu{i:03}" for i in range(500)]
    view.console = Console(file=io.StringIO(), width=80)
    view._on_event("", "survey", {"hosts": 500})
    view._on_event(
        "",
        "scheduled",
        {"order": names, "broken": 0, "total": 500, "window": 100, "max_fail": 50, "canaries": []},
    )
    for place, name in enumerate(names[:200]):
        view._on_event(name, "begin", {"canary": False})
        view._on_event(name, "stage", {"stage": "image" if place % 2 else "driver"})
        view._on_event(name, "step", {"stage": "image", "title": "loading [the] image " * 9})
    for name in names[:100]:
        view._on_event(name, "done", {"passed": True})
    view._on_event("", "progress", {"hosts": 9, "line": "5 of 10 MB, 1.0 MB/s, 5 s left"})
    lines = drawn(view, 24)
    assert lines[2] == "files to 9 hosts: 5 of 10 MB, 1.0 MB/s, 5 s left"
    view._on_event("", "progress", {"hosts": 0, "line": ""})
    lines = drawn(view, 24)
    assert len(lines) <= 24 and all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("100 of 500 done, 100 changed, 100 at work, about ")
    assert lines[1].split() == ["driver", "50", "image", "50"]
    assert lines[-1] == "… and 82 more"


def test_plain_lines_say_what_failed_and_what_to_do() -> None:
    view = LiveView()
    view.console = Console(file=io.StringIO(), width=80)
    view._on_event(
        "",
        "scheduled",
        {"order": ["a"], "broken": 0, "total": 1, "window": 1, "max_fail": 0, "canaries": ["a"]},
    )
    view._on_event("a", "begin", {"canary": True})
    view._on_event(
        "a", "failed", {"code": "ENGINE", "sentence": "it [is] down", "remedy": "start it"}
    )
    view._on_event("a", "done", {"passed": False})
    assert isinstance(view.console.file, io.StringIO)
    said = view.console.file.getvalue()
    for line in (
        "canaries: a",
        "a: begins (canary)",
        "a: ENGINE: it [is] down",
        "a:   remedy: start it",
        "a: failed (1 of 1 done, 1 failed)",
    ):
        assert line in said, said
    assert "\x1b" not in said


def test_hosts_are_counted_by_the_reports_own_words() -> None:
    seen = LiveView().progress
    told = (("a", "failed", "CARD_BUSY"), ("b", "unreachable", "UNREACHABLE"), ("c", "failed", "X"))
    for host, kind, code in told:
        seen.update(host, kind, {"code": code})
        seen.update(host, "done", {"passed": False})
    assert seen.ended == {"skipped": 1, "unreachable": 1, "failed": 1}
    assert set(seen.ended) <= set(STATUSES)
