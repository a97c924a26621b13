"""Two thousand hosts on a terminal of eighty columns: what happened to how many, in a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from fleet.inventory.ranges import expand_pattern
from mlufleet.cli import health
from mlufleet.journal import events, journal
from mlufleet.report import host_ranges, terminal, wide_output
from mlufleet.report.model import Report, parse_report
from mlufleet.rollout import status as rollout_status
from mlufleet.rollout.live_view import LiveView
from operations.host.events import EventBus
from tests.reports import fleet

MANY = 2000


def big(size: int = MANY) -> dict[str, Any]:
    report = fleet(size, window=200)
    report["seeded"] = 0
    for host in report["hosts"].values():
        host.update(sent=0, models=dict.fromkeys(host["cards"], "MLU370-X8"))
    return report


@cache
def read_big(size: int = MANY, rename: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Report:
    """The same report as it is read, which takes longer than to show it; tests only show it."""
    return parse_report(rename(big(size)))


def failed(host: str, sentence: str, remedy: str) -> events.HostFailed:
    return events.HostFailed(
        host=host, stage="driver", code="ENGINE", sentence=sentence, remedy=remedy, tail=[]
    )


def printed(monkeypatch: pytest.MonkeyPatch, width: int, show: Any, *said: Any, **how: Any) -> str:
    stream = io.StringIO()
    for module in (terminal, health):
        monkeypatch.setattr(
            module,
            "make_console",
            lambda err=False: Console(file=stream, width=width, highlight=False, **how),
        )
    show(*said)
    return stream.getvalue()


def list_rows(said: str) -> list[str]:
    """The lines of the summary's table: only they have two blanks after a word."""
    return list(takewhile(re.compile(r"\S.*\S  ").match, said.splitlines()[2:]))


def in_chinese(report: dict[str, Any]) -> dict[str, Any]:
    """The same fleet, with names and words that are two cells wide."""
    hosts = report["hosts"].items()
    return {**report, "hosts": {name.replace("mlu", "算力节点"): host for name, host in hosts}}


@pytest.fixture(params=["en", "zh_CN"])
def in_language(
    request: pytest.FixtureRequest,
    speak: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    speak(request.param)
    monkeypatch.setenv("COLUMNS", "80")  # sentences are broken where a terminal ends
    return str(request.param)


@pytest.mark.usefixtures("in_language")
@pytest.mark.parametrize("size", [1, 3, 12, 60, 2000])
@pytest.mark.parametrize("rename", [dict, in_chinese])
def test_a_host_has_one_line_and_no_line_is_wider_than_the_terminal(
    size: int,
    rename: Callable[[dict[str, Any]], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    report = read_big(size, rename)
    said = printed(monkeypatch, 80, terminal.print_summary, report, Path("runs/r"))
    broken = [line for line in said.splitlines() if cell_len(line) > 80]
    assert all("`" in line or line.startswith("  ") for line in broken)
    rows, names = list_rows(said), list(report.hosts)
    ends = {cell_len(line.rstrip()[: line.index(line.split()[1])]) for line in rows if size < 24}
    assert len(ends) <= 1, "a wide name moves the columns after it"
    if size <= host_ranges.MAX_LISTED_HOSTS:
        assert sorted(line.split()[0] for line in rows) == sorted(names)
    else:
        assert len(rows) < 15 and len(said.splitlines()) < 80


def test_what_failed_comes_first_and_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = printed(monkeypatch, 80, terminal.print_summary, read_big(3), Path("runs/r"))
    assert [line.split()[:3] for line in list_rows(said)] == [
        ["mlu003", "failed", "DRIVER_INSTALL"],
        ["mlu001", "changed", "12"],
        ["mlu002", "changed", "12"],
    ]
    whole = " ".join(said.split())
    assert "mlu003: DRIVER_INSTALL: the driver does not build on kernel 5.4.0-189-generic" in whole
    assert "  remedy: read the host's build log; `mlufleet explain DRIVER_INSTALL`\n" in said
    assert "0 of 3 hosts needed no change\nreport: runs/r/report.json\n" in said


@pytest.mark.parametrize("width", [20, 80])
def test_a_page_for_two_thousand_hosts(
    width: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = printed(monkeypatch, width, terminal.print_summary, read_big(), tmp_path)
    assert len(said.splitlines()) < 80 and "\x1b" not in said
    assert "DRIVER_INSTALL: the driver does not build" in said
    assert said.count("read the host's build log") == 1
    assert "24 of 2000 hosts needed no change\nreport: " in said


def test_wide_has_a_line_with_all_columns_for_each_host(monkeypatch: pytest.MonkeyPatch) -> None:
    report = big(60)
    read = parse_report(report)
    said = printed(monkeypatch, 80, terminal.print_summary, read, Path("runs/r"))
    assert "all columns and notes: `mlufleet run report 20261124-101500-4711 --wide`" in said
    monkeypatch.setenv(wide_output.WIDE_VARIABLE, "1")
    said = printed(monkeypatch, 80, terminal.print_summary, read, Path("runs/r"))
    lines = {line.split()[0]: line for line in list_rows(said)}
    for name, host in report["hosts"].items():
        assert host["status"] in lines[name] and (host["answer"] or "") in lines[name]
        assert f"{host['versions'].get('driver', '')}" in lines[name]
    assert "critical path: " in said and "--wide" not in said


def test_of_columns_without_room_the_least_important_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heads = {
        width: printed(monkeypatch, width, terminal.print_summary, read_big(5), Path("r"))
        .splitlines()[1]
        .split()
        for width in (24, 30, 50, 60, 70, 100)
    }
    every = ["host", "status", "result", "seconds", "driver", "cards", "answer"]
    assert heads[24] == every[:2] and heads[100] == every
    for narrow, wide in pairwise(heads.values()):
        assert set(narrow) <= set(wide)


def test_doctor_and_locks_of_many_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(monkeypatch, 80, health.print_health, read_big())
    lines = said.splitlines()
    assert len(lines) < 100 and "healthy" in said and "UNREACHABLE" in said
    rows = list(takewhile(lambda line: ": " not in line, lines))
    assert len(rows) < 12 and max(map(len, rows)) <= 80
    report = big()
    for name in list(report["hosts"])[100:103]:
        report["hosts"][name]["lock"] = {
            "operator": "eve",
            "run": "r9",
            "since": "s",
            "age": 1,
            "lease": 20,
            "why": name,
        }
    lines = health.describe_locks(parse_report(report))
    assert len(lines) < 12 and sum("held by eve" in line for line in lines) == 3
    assert any(line.endswith(": free") and "hosts)" in line for line in lines)


def test_no_color_and_a_pipe_have_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    show = terminal.print_summary
    coloured = printed(monkeypatch, 80, show, read_big(3), tmp_path, force_terminal=True)
    assert "\x1b[3" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    plain = printed(monkeypatch, 80, show, read_big(3), tmp_path, force_terminal=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", plain)


def test_status_and_drift_of_many_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "RUNS", tmp_path)
    # os.fsync is what a disk takes its time for: 2000 events of a test need none
    monkeypatch.setattr("os.fsync", lambda _: None)
    kept = journal.Journal(tmp_path / "20260101-000000-1")
    kept.append(events.HostsNamed(names=[f"mlu{n:04}" for n in range(1, MANY + 1)]))
    for number in range(1, MANY + 1):
        versions = {"driver": "5"}
        drift = {"driver": ["install driver 5"]} if number % 2 else {}
        host = f"mlu{number:04}"
        kept.append(
            events.HostObserved(host=host, needs=list(drift), drift=drift, versions=versions)
        )
        if number % 100 == 0:
            kept.append(failed(host, f"it is down ({number})", "r"))
    status = list(rollout_status.status_lines("latest"))
    assert len(status) < 40 and status[0].endswith("2000 hosts: 20 failed, 980 ok, 1000 skipped")
    drift_lines = list(rollout_status.drift_lines("latest"))
    assert len(drift_lines) == 2
    assert any(line.endswith("(1000 hosts): driver: install driver 5") for line in drift_lines)


def test_a_rollout_of_many_hosts_is_told_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    view, stream = LiveView(EventBus()), io.StringIO()
    view.console = Console(file=stream, width=80)
    order = [f"mlu{number:04}" for number in range(MANY)]
    view.on_event(events.ProbingStarted(hosts=MANY))
    view.on_event(
        events.HostsScheduled(order=order, total=MANY, window=100, max_fail=50, canaries=order[:20])
    )
    for place, name in enumerate(order):
        view.on_event(events.HostStarted(host=name, canary=place < 20))
        view.on_event(events.StageDone(host=name, stage="driver", changes=["x"], seconds=1))
        if place % 10 == 0:
            view.on_event(failed(name, "down", "start"))
        view.on_event(events.HostDone(host=name, passed=place % 10 != 0))
    said = stream.getvalue().splitlines()
    assert len(said) < 100
    assert said[2] == "canaries: mlu[0000-0019]"
    assert sum("ENGINE: down" in line for line in said) == 3
    assert "2000 of 2000 done, 1800 changed, 200 failed" in said[-1]


@given(
    st.sets(st.from_regex(r"\A[a-z]{1,3}(0?[0-9]{1,2})?(-x)?\Z"), min_size=1, max_size=60),
)
def test_ranges_are_those_of_inventories(chosen: set[str]) -> None:
    said = host_ranges.format_ranges(chosen, limit=1000)
    parts = re.split(r", (?![^\[]*\])", said)
    assert {one.name for part in parts for one in expand_pattern(part)} == chosen


def test_names_beyond_some_are_counted() -> None:
    assert (
        host_ranges.format_ranges(f"mlu{n}" for n in (1, 2, 3, 9, 10, 11, 20)) == "mlu[1-3,9-11,20]"
    )
    assert host_ranges.format_ranges(f"mlu{n:03}" for n in (98, 99, 100, 101)) == "mlu[098-101]"
    assert host_ranges.format_ranges(["b", "a", "mlu1", "a0"]) == "a, a0, b, mlu1"
    assert (
        host_ranges.format_ranges((f"h{n}" for n in range(0, 100, 2)), limit=3)
        == "h[0,2,4] and 47 more"
    )
    assert (
        host_ranges.format_hosts(["a"]) == "a"
        and host_ranges.format_hosts(["a1", "a2"]) == "a[1-2] (2 hosts)"
    )
