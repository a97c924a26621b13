from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet import language
from tests.browser.conftest import Opened
from tests.reports import fleet

Open = Callable[..., Opened]
EVIL = "</pre></title></svg></script><script>alert(1)</script><img src=x onerror=alert(1)>"
SECONDS = "cells => cells.map(cell => Number(cell.dataset.by))"


@pytest.mark.parametrize("size", [1, 3, 500])
def test_every_host_is_a_cell_that_is_seen_and_nothing_is_loaded(show: Open, size: int) -> None:
    seen = show(size, previous=fleet(size, seed=2))
    assert seen.page.locator(".cell:visible").count() == size == len(seen.names())
    assert seen.page.locator("svg > g").count() == size
    assert seen.said == [] and seen.asked == [seen.url]


@pytest.mark.parametrize(("size", "scheme"), [(1, "light"), (3, "dark"), (500, "light")])
def test_a_phone_does_not_scroll_sideways(show: Open, spoken: str, size: int, scheme: str) -> None:
    report = fleet(size)
    host = next(iter(report["hosts"].values()))
    host.update(answer="x" * 400, notes=["y" * 400], groups=["g" * 90])
    host["failure"] = {
        "stage": "driver",
        "code": "C" * 60,
        "sentence": "s" * 300,
        "remedy": "r" * 300,
        "tail": ["t" * 900],
    }
    seen = show(report, 360, color_scheme=scheme, previous=fleet(size, seed=2))
    root = seen.page.locator("html")
    assert root.evaluate("e => e.scrollWidth") == 360 == root.evaluate("e => e.clientWidth")


def test_sorting_by_a_column_reorders_and_says_so(show: Open) -> None:
    seen = show(60)
    seen.page.get_by_role("button", name="time").click()
    times = seen.page.locator("#table tbody td:nth-child(9)")
    up = times.evaluate_all(SECONDS)
    assert up == sorted(up) and len(set(up)) > 30
    head = seen.page.locator("th[aria-sort]")
    assert head.count() == 1 and head.get_attribute("aria-sort") == "ascending"
    seen.page.get_by_role("button", name="time").click()
    assert times.evaluate_all(SECONDS) == up[::-1]
    assert head.get_attribute("aria-sort") == "descending"


def test_every_column_sorts_in_both_directions(show: Open) -> None:
    seen = show(60)
    everyone = sorted(seen.names())
    for button in seen.page.locator("#table thead button").all():
        button.press("Enter")
        one = seen.names()
        button.press("Enter")
        other = seen.names()
        assert one != other, button.inner_text()
        assert sorted(one) == sorted(other) == everyone


def test_host_names_sort_by_their_numbers(show: Open) -> None:
    report = fleet(3)
    report["hosts"] = dict(zip(("mlu10", "mlu9", "mlu1"), report["hosts"].values(), strict=True))
    seen = show(report)
    button = seen.page.get_by_role("button", name="host", exact=True)
    button.click()
    assert seen.names() == ["mlu10", "mlu9", "mlu1"]
    button.click()
    assert seen.names() == ["mlu1", "mlu9", "mlu10"]


def test_the_script_speaks_as_the_page_does(show: Open, spoken: str) -> None:
    seen = show(12)
    tag = seen.page.locator("html").get_attribute("lang")
    assert tag == {"en": "en", "zh_CN": "zh-CN"}[spoken]
    wanted = language.translate("{count} of {total} hosts", spoken)
    shown = seen.page.locator("#shown")
    assert shown.inner_text() == wanted.format(count=12, total=12)
    seen.page.locator("#status").select_option("unreachable")
    assert shown.inner_text() == wanted.format(count=len(seen.names()), total=12)
    statuses = seen.page.locator("#status option").evaluate_all("all => all.map(one => one.value)")
    assert statuses[0] == "" and {"failed", "unreachable", "changed"} <= set(statuses)


def test_search_and_status_narrow_the_table_together(show: Open) -> None:
    report = fleet(60)
    seen = show(report)
    seen.page.get_by_label("Search").fill("DEBIAN changed")
    wanted = [
        name
        for name, host in report["hosts"].items()
        if host["status"] == "changed" and "Debian" in host["versions"]["os"]
    ]
    assert seen.names() == wanted and 0 < len(wanted) < 60
    assert seen.page.locator("#shown").inner_text() == f"{len(wanted)} of 60 hosts"
    seen.page.get_by_label("Search").fill("")
    seen.page.get_by_label("Status").select_option("unreachable")
    assert seen.names() == [n for n, h in report["hosts"].items() if h["status"] == "unreachable"]


def test_a_cell_leads_to_its_host_even_when_that_is_filtered_away(show: Open) -> None:
    seen = show(60)
    seen.page.get_by_label("Search").fill("no such host")
    assert seen.names() == []
    seen.page.locator(".cell").nth(59).press("Enter")
    row = seen.page.locator("tr:target")
    assert row.locator("th").inner_text() == "mlu060"
    seen.page.wait_for_function(
        "() => { const r = document.querySelector('tr:target').getBoundingClientRect();"
        " return r.top >= 0 && r.bottom <= innerHeight }"
    )


def test_dark_is_another_background_and_text_stays_readable(show: Open) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        body = show(3, color_scheme=scheme).page.locator("body")
        colours[scheme] = [
            sum(map(int, body.evaluate(f"e => getComputedStyle(e).{what}")[4:-1].split(",")))
            for what in ("backgroundColor", "color")
        ]
    assert colours["light"][0] - colours["light"][1] > 450
    assert colours["dark"][1] - colours["dark"][0] > 450


def test_everything_is_there_without_javascript(show: Open) -> None:
    seen = show(60, java_script_enabled=False)
    assert seen.page.locator(".cell:visible").count() == 60
    assert seen.page.locator("#table tbody tr:visible").count() == 60
    assert seen.page.locator("#controls:visible, th button").count() == 0


@pytest.mark.parametrize("size", [3, 500])
def test_a_print_has_all_hosts_and_all_tails_whatever_was_filtered(
    show: Open, tmp_path: Path, size: int
) -> None:
    report = fleet(size)
    for name, host in report["hosts"].items():
        if host["failure"]:
            host["failure"]["tail"] = [f"tail-of-{name}"]
    seen = show(report, color_scheme="dark")
    seen.page.get_by_label("Search").fill("no such host")
    seen.page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    said = subprocess.run(
        ["pdftotext", tmp_path / "report.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    words = set(said.split())
    assert set(report["hosts"]) <= words
    assert {f"tail-of-{n}" for n, h in report["hosts"].items() if h["failure"]} <= words
    assert "Search" not in words
    seen.page.emulate_media(media="print")
    paper = seen.page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    assert paper == "rgb(255, 255, 255)"


def test_markup_of_a_host_does_nothing(show: Open) -> None:
    report = fleet(3)
    host = report["hosts"].pop("mlu003")
    host.update(answer=EVIL, notes=[EVIL], groups=[EVIL])
    host["failure"].update(tail=[EVIL], sentence=EVIL)
    report["hosts"][EVIL] = host
    seen = show(report)
    assert seen.said == [] and seen.asked == [seen.url]
    assert seen.page.locator("img").count() == 0
    assert EVIL in seen.page.locator(".answer").all_inner_texts()


def test_a_script_that_is_not_ours_would_not_run(show: Open) -> None:
    seen = show(1)
    assert seen.path
    text = seen.path.read_text(encoding="utf-8")
    evil = "<script>alert(1)</script><img src='http://localhost:9/x' onerror='alert(2)'>"
    seen.path.write_text(text.replace("<main>", f"<main>{evil}"), encoding="utf-8")
    seen.page.reload()
    assert len(seen.said) >= 2 and all("Content Security Policy" in line for line in seen.said)
    assert {url for url in seen.asked if url.startswith("http")} <= {"http://localhost:9/x"}
