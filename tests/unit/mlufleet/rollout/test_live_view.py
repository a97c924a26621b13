from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console

from fleet.language import CHINESE
from mlufleet.journal import events
from mlufleet.report.model import STATUSES
from mlufleet.rollout.live_view import ActiveHost, LiveView, RolloutProgress
from operations.host.events import EventBus


def drawn(view: LiveView, height: int) -> list[str]:
    view.console = Console(file=io.StringIO(), width=80, height=height)
    page = Console(file=io.StringIO(), width=80, height=height)
    page.print(view.render())
    assert isinstance(page.file, io.StringIO)
    return page.file.getvalue().splitlines()


def test_the_table_of_a_big_fleet_fits_a_small_terminal() -> None:
    view = LiveView(EventBus())
    names = [f"mlu{i:03}" for i in range(500)]
    view.console = Console(file=io.StringIO(), width=80)
    view.on_event(events.ProbingStarted(hosts=500))
    view.on_event(
        events.HostsScheduled(order=names, total=500, window=100, max_fail=50, canaries=[])
    )
    for place, name in enumerate(names[:200]):
        view.on_event(events.HostStarted(host=name, canary=False))
        stage = "image" if place % 2 else "driver"
        view.on_event(events.StageStarted(host=name, stage=stage))
        title = "loading [the] image " * 9
        view.on_event(events.StepStarted(host=name, stage=stage, title=title))
    for name in names[:100]:
        view.on_event(events.HostDone(host=name, passed=True))
    line = "5 of 10 MB, 1.0 MB/s, 5 s left"
    view.on_event(events.TransfersProgressed(hosts=9, line=line))
    lines = drawn(view, 24)
    assert lines[2] == "files to 9 hosts: 5 of 10 MB, 1.0 MB/s, 5 s left"
    view.on_event(events.TransfersProgressed(hosts=0, line=""))
    lines = drawn(view, 24)
    assert len(lines) <= 24 and all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("100 of 500 done, 100 changed, 100 at work, about ")
    assert lines[1].split() == ["driver", "50", "image", "50"]
    assert lines[-1] == "… and 82 more"


@pytest.mark.parametrize(
    ("name", "begin"),
    [("en", "1200 of 2000 done, 5 failed, "), (CHINESE, "已完成 1200/2000")],
)
def test_the_state_of_all_hosts_has_one_line(
    name: str, begin: str, speak: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(name)
    progress = RolloutProgress()
    progress.planned, progress.work_began, progress.began = 2000, 0.0, 0.0
    monkeypatch.setattr("time.monotonic", lambda: 86_399.0)
    progress.ended.update(changed=1180, failed=5, skipped=5, unreachable=5)
    progress.ended["rolled back"] = 5
    progress.active_hosts = {f"mlu{number}": ActiveHost(0.0) for number in range(200)}
    whole, line = progress.live_line(500), progress.live_line(80)
    assert cell_len(whole) > 80 >= cell_len(line)
    assert line.startswith(begin) and cell_len(progress.live_line(10)) < 30


def test_names_of_stages_are_the_same_in_every_language(speak: Callable[[str], None]) -> None:
    speak(CHINESE)
    view = LiveView(EventBus())
    view.console = Console(file=io.StringIO(), width=80)
    for place, stage in enumerate(("driver", "engine", "sources", "image")):
        view.on_event(events.HostStarted(host=f"mlu{place}", canary=False))
        view.on_event(events.StageStarted(host=f"mlu{place}", stage=stage))
    assert drawn(view, 24)[1].split()[::2] == ["driver", "engine", "sources", "image"]


def test_plain_lines_say_what_failed_and_what_to_do() -> None:
    view = LiveView(EventBus())
    view.console = Console(file=io.StringIO(), width=80)
    view.on_event(events.HostsScheduled(order=["a"], total=1, window=1, max_fail=0, canaries=["a"]))
    view.on_event(events.HostStarted(host="a", canary=True))
    failure = {"code": "ENGINE", "sentence": "it [is] down", "remedy": "start it", "tail": []}
    view.on_event(events.HostFailed(host="a", stage="driver", **failure))
    view.on_event(events.HostDone(host="a", passed=False))
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


def test_it_says_which_host_waits_for_endpoints_and_why_a_rollout_stops_for_them() -> None:
    view = LiveView(EventBus())
    view.console = Console(file=io.StringIO(), width=80)
    view.on_event(events.ServingCounted(ready=4, needed=3, of=4, before={"a": 4}))
    view.on_event(events.ServingCounted(host="a", ready=4, needed=3, of=4))
    view.on_event(
        events.ServingCounted(host="b", ready=2, needed=3, of=4, held=True, silent=["c", "d"])
    )
    view.on_event(events.ServingStopped(sentence="2 [of] 4", remedy="look"))
    assert isinstance(view.console.file, io.StringIO)
    assert view.console.file.getvalue().splitlines() == [
        "endpoints: 4 of 4 ready, 3 needed",
        "endpoints: 2 of 4 ready, 3 needed, b waits; no answer from c, d",
        "stopped to keep endpoints ready: 2 [of] 4",
        "  remedy: look",
    ]
    assert "endpoints: 2 of 4 ready, 3 needed, b waits" in drawn(view, 24)


def test_hosts_are_counted_by_the_reports_own_words() -> None:
    seen = LiveView(EventBus()).progress
    failures = (
        (events.HostFailed, "CARD_BUSY"),
        (events.HostUnreachable, "UNREACHABLE"),
        (events.HostFailed, "ENGINE"),
    )
    texts = {"stage": "", "sentence": "", "remedy": "", "tail": []}
    for host, (event_type, code) in zip("abc", failures, strict=True):
        seen.update(event_type(host=host, code=code, **texts))
        seen.update(events.HostDone(host=host, passed=False))
    assert seen.ended == {"skipped": 1, "unreachable": 1, "failed": 1}
    assert set(seen.ended) <= set(STATUSES)


def test_no_live_table_is_drawn_while_the_operator_is_asked() -> None:
    view = LiveView(EventBus(), "retirement")
    view.console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with view:
        live = view._live
        assert live and live.is_started
        view.on_event(events.OperatorAsked(question="Retire 1 host?"))
        assert not live.is_started
        view.on_event(events.OperatorAnswered(approved=True))
        assert live.is_started
    assert not live.is_started


def test_a_host_that_ended_is_called_after_what_was_done_to_it() -> None:
    for kind, status in (
        ("rollout", "changed"),
        ("adoption", "adopted"),
        ("retirement", "retired"),
    ):
        seen = LiveView(EventBus(), kind).progress
        seen.update(events.HostDone(host="a", passed=True))
        assert seen.ended == {status: 1}


def test_wide_characters_fit_the_terminal_and_none_is_cut_in_half() -> None:
    view = LiveView(EventBus())
    view.console = Console(file=io.StringIO(), width=80)
    names = [f"算力节点-{number:02}" for number in range(3)] + ["mlu04"]
    view.on_event(events.ProbingStarted(hosts=4))
    view.on_event(events.HostsScheduled(order=names, total=4, window=4, max_fail=1, canaries=[]))
    for name in names:
        view.on_event(events.HostStarted(host=name, canary=False))
        view.on_event(events.StageStarted(host=name, stage="image"))
        view.on_event(events.StepStarted(host=name, stage="image", title="加载镜像文件" * 12))
    lines = drawn(view, 24)
    assert all(cell_len(line) <= 80 for line in lines)
    rows = [line for line in lines if "加载" in line]
    assert [row.split()[0] for row in rows] == names
    assert len({cell_len(row[: row.index("image")]) for row in rows}) == 1
    assert len({cell_len(row[: row.rindex("0 s")]) for row in rows}) == 1
