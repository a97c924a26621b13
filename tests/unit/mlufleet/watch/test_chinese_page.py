"""Status page and report in Chinese: no message lacks its values, and data stay what they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from fleet import language
from fleet.language import CHINESE
from mlufleet.report import html
from mlufleet.report.model import parse_report
from mlufleet.watch.operator_lines import format_change
from mlufleet.watch.problems import SEEN_ONCE, Change, Problem
from mlufleet.watch.status_page import render_status_page
from tests import watched
from tests.reports import fleet
from tests.unit.seen_page import Seen


@pytest.fixture(autouse=True)
def chinese(speak: Callable[[str], None]) -> None:
    speak(CHINESE)


def list_pages() -> Iterator[str]:
    for size in (0, 12, 60):
        snapshot = watched.fleet(size, store_error="disk full", reload_error="no such file")
        yield render_status_page(snapshot, watched.changes(snapshot), watched.RUNS)
        yield html.render_page(parse_report(fleet(size)), parse_report(fleet(size, seed=2)))


def test_values_are_in_their_messages() -> None:
    for text in list_pages():
        assert '<html lang="zh-CN">' in text
        seen = re.sub(
            r"<(style|script)>.*?</\1>| data-(text|status)=\"[^\"]*\"", "", text, flags=re.S
        )
        assert re.findall(r"\{\w*\}", seen) == []
        assert "Content-Type" not in text  # the catalog's own header


def test_statuses_and_names_are_data_whatever_is_shown() -> None:
    snapshot = watched.fleet(60)
    seen = Seen(render_status_page(snapshot, watched.changes(snapshot), watched.RUNS))
    shown = {values["data-status"] for _name, values in seen.tags if "data-status" in values}
    assert {host.state.health for host in snapshot.hosts.values()} <= shown
    options = {values.get("value") for name, values in seen.tags if name == "option"}
    assert {host.state.health for host in snapshot.hosts.values()} | {""} == options


def test_what_a_host_says_is_escaped_in_a_message_as_well() -> None:
    evil = "<b>\x1b[31m</b>{count}"
    snapshot = watched.fleet(0, inventory=evil, store_error=evil)
    text = render_status_page(snapshot, [], [])
    assert "<b>\x1b" not in text and "\x1b" not in text
    assert text.count("&lt;b&gt;") >= 2 and "{count}" in text


def test_what_one_look_saw_is_not_told_with_the_title_of_a_column_of_times() -> None:
    line = format_change(Change(0, "mlu01", SEEN_ONCE, Problem("SUDO", "", "sentence"), 0))
    assert language._("seen") not in line and "SUDO" in line
    assert language.english(line).startswith("1970-01-01T00:00:00Z mlu01 ")
