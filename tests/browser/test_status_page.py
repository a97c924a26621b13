"""The status page in a browser, from a server on this machine."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from fleet import language
from fleet.language import CHINESE, ENGLISH
from mlufleet.watch import status_page
from mlufleet.watch.problems import Change, Problem
from tests import watched
from tests.browser.conftest import Open, Serve
from tests.watched import NOW, fleet

EVIL = "</pre></title></svg></script><script>alert(1)</script><img src=x onerror=alert(1)>"
REFRESH_MS = 1000 * status_page.REFRESH_S


def refresh(page: Page, told: str = "#taken") -> None:
    """Let the time pass until the page has come again and says something else there."""
    before = page.locator(told).inner_text()
    page.clock.run_for(REFRESH_MS)
    page.wait_for_function(
        "([path, before]) => document.querySelector(path).innerText !== before", arg=[told, before]
    )


@pytest.mark.parametrize("size", [0, 5, 500])
def test_every_host_is_seen_and_nothing_is_loaded(serve: Serve, open_url: Open, size: int) -> None:
    served = serve(fleet(size))
    seen = open_url(served.url)
    assert seen.page.locator(".cell:visible").count() == size == len(seen.names())
    assert seen.said == [] and seen.asked == [served.url]
    assert seen.page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize(("size", "scheme"), [(5, "dark"), (500, "light")])
def test_a_phone_does_not_scroll_sideways(
    serve: Serve, open_url: Open, spoken: str, size: int, scheme: str
) -> None:
    hosts = fleet(size).hosts
    long = replace(hosts["mlu001"], name="n" * 90, groups=("g" * 90,))
    snapshot = fleet(size, hosts={**hosts, "n" * 90: long}, reload_error="e" * 300)
    told = [Change(NOW, "n" * 90, "opened", Problem("C" * 60, "s" * 90, "t" * 300), NOW)]
    served = serve(snapshot)
    served.now(snapshot, told)
    root = open_url(served.url, 360, color_scheme=scheme).page.locator("html")
    assert root.evaluate("e => [e.scrollWidth, e.clientWidth]") == [360, 360]


def test_everything_is_there_without_javascript_and_comes_again(
    serve: Serve, open_url: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(fleet(60))
    page = open_url(served.url, java_script_enabled=False).page
    assert page.locator("#table tbody tr:visible").count() == 60
    assert page.locator(".failure details:visible").count() > 0
    assert page.locator("#controls:visible, #pause:visible, th button").count() == 0
    monkeypatch.setattr(status_page, "RELOAD_S", 1)
    served.now(fleet(5))
    page.reload()
    served.now(fleet(3))
    page.wait_for_function("() => document.querySelectorAll('#table tbody tr').length === 3")


def test_dark_is_another_background_and_text_stays_readable(serve: Serve, open_url: Open) -> None:
    sums = {}
    url = serve(fleet(5)).url
    for scheme in ("light", "dark"):
        body = open_url(url, color_scheme=scheme).page.locator("body")
        sums[scheme] = [
            sum(map(int, body.evaluate(f"e => getComputedStyle(e).{what}")[4:-1].split(",")))
            for what in ("backgroundColor", "color")
        ]
    assert sums["light"][0] - sums["light"][1] > 450 < sums["dark"][1] - sums["dark"][0]


def test_a_print_has_all_hosts_and_nothing_to_press(
    serve: Serve, open_url: Open, tmp_path: Path
) -> None:
    seen = open_url(serve(fleet(60)).url, color_scheme="dark")
    seen.page.get_by_label("Search").fill("no such host")
    seen.page.pdf(path=tmp_path / "status.pdf", prefer_css_page_size=True)
    words = subprocess.run(
        ["pdftotext", tmp_path / "status.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(fleet(60).hosts) <= set(words) and {"Search", "Pause"}.isdisjoint(words)


def test_markup_of_a_host_does_nothing(serve: Serve, open_url: Open) -> None:
    problem = Problem("CODE", EVIL, EVIL, EVIL)
    host = watched.host(watched.random.Random(1), EVIL, "broken", EVIL)
    tracked = [replace(one, problem=problem) for one in host.state.open_problems]
    state = replace(host.state, problems={problem.key: tracked[0]})
    snapshot = fleet(0, hosts={EVIL: replace(host, state=state)}, inventory=EVIL, store_error=EVIL)
    served = serve(snapshot)
    served.now(snapshot, [Change(NOW, EVIL, EVIL, problem, NOW, EVIL)])
    seen = open_url(served.url, clock=True)
    served.now(replace(snapshot, taken=NOW + 40), [])
    refresh(seen.page)
    assert seen.said == [] and set(seen.asked) == {served.url}
    assert seen.page.locator("img").count() == 0
    assert seen.page.locator("#table tbody th").all_inner_texts() == [EVIL]


def test_it_comes_again_and_what_the_reader_did_stays(serve: Serve, open_url: Open) -> None:
    served = serve(fleet(60))
    seen = open_url(served.url, clock=True)
    page = seen.page
    first, *_, last = page.locator(".failure summary").all()
    first.press("Enter")
    last.press("Enter")
    toggled = [one.get_attribute("open") for one in page.locator(".failure details").all()]
    page.get_by_label("Search").fill("mlu0")
    page.get_by_label("Health").select_option("broken")
    button = page.get_by_role("button", name="last look")
    button.press("Enter")
    names = seen.names()
    row = page.locator(f"tr:has(th:text-is('{names[0]}'))")
    row.scroll_into_view_if_needed()
    place = row.evaluate("e => e.getBoundingClientRect().top")
    # a line more above what is read, and one host that is right again
    mended = watched.host(watched.random.Random(2), names[-1], "ok")
    after = fleet(60, taken=NOW + 30, store_error="no space left")
    served.now(replace(after, hosts={**after.hosts, names[-1]: mended}))
    title = page.title()
    refresh(page)
    assert page.title() != title and page.locator("#troubles").count() == 1
    assert [one.get_attribute("open") for one in page.locator(".failure details").all()] == toggled
    assert page.get_by_label("Search").input_value() == "mlu0"
    assert page.locator("#status").input_value() == "broken"
    assert set(seen.names()) == set(names[:-1]) and len(names) > 1
    assert page.locator("th[aria-sort]").inner_text().startswith("last look")
    assert button.evaluate("e => e === document.activeElement")
    assert abs(row.evaluate("e => e.getBoundingClientRect().top") - place) < 2
    assert seen.said == []


@pytest.mark.parametrize(
    "path",
    [
        "#live-history .wide",
        "#live-endpoints th a",
        ".failure summary",
        "#live-fleet .cell",
        "#search",
    ],
)
def test_the_keyboard_stays_where_it_is(serve: Serve, open_url: Open, path: str) -> None:
    served = serve(fleet(5))
    page = open_url(served.url, clock=True).page
    focused = page.locator(path).last
    focused.focus()
    where = "e => [document.activeElement.localName, document.activeElement.outerHTML.slice(0, 60)]"
    before = focused.evaluate(where)
    assert before[0] != "body"
    # a host more, so that what has the focus is replaced
    served.now(fleet(6, taken=NOW + 30))
    refresh(page)
    assert page.locator("body").evaluate(where) == before


def test_it_comes_again_with_the_token_that_the_browser_was_given(
    serve: Serve, open_url: Open
) -> None:
    served = serve(fleet(1), token="of-a-file")
    known = {"username": "", "password": "of-a-file"}
    seen = open_url(served.url, clock=True, http_credentials=known)
    served.now(fleet(1, taken=NOW + 30))
    refresh(seen.page)
    assert not seen.page.locator("#lost").is_visible()
    other = open_url(served.url, http_credentials={**known, "password": "other"})
    assert other.page.locator("#table").count() == 0


def test_marked_text_and_a_pause_hold_the_page_still(serve: Serve, open_url: Open) -> None:
    served = serve(fleet(5))
    seen = open_url(served.url, clock=True)
    served.now(fleet(5, taken=NOW + 30))
    seen.page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    seen.page.clock.run_for(REFRESH_MS)
    seen.page.evaluate("getSelection().removeAllRanges()")
    pause = seen.page.get_by_role("button", name="Pause")
    pause.press("Enter")
    assert pause.get_attribute("aria-pressed") == "true"
    seen.page.clock.run_for(3 * REFRESH_MS)
    assert seen.asked == [served.url]
    pause.press("Enter")
    seen.page.wait_for_function("() => document.querySelector('#taken').innerText.includes(':30')")


@pytest.mark.parametrize("status", [401, 500])
def test_a_watch_that_does_not_answer_is_told_until_it_does(
    serve: Serve, open_url: Open, spoken: str, status: int
) -> None:
    served = serve(fleet(5))
    seen = open_url(served.url, clock=True)
    served.status, served.text = status, "no"
    refresh(seen.page, "#lost")
    lost = seen.page.locator("#lost")
    assert str(status) in lost.inner_text() and "10:15:00" in lost.inner_text()
    wanted = language.translate("status {status}", spoken).format(status=status)
    assert wanted in lost.inner_text()
    assert len(seen.names()) == 5
    served.status = 200
    served.now(fleet(5, taken=NOW + 60))
    refresh(seen.page)
    assert not lost.is_visible()


def test_a_watch_in_another_language_replaces_all_of_the_page(
    serve: Serve, open_url: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(language.LANGUAGE_VARIABLE, ENGLISH)
    served = serve(fleet(5))
    seen = open_url(served.url, clock=True)
    language.use_language(CHINESE)
    served.now(fleet(5))
    with seen.page.expect_navigation():
        seen.page.clock.run_for(REFRESH_MS)
    language.use_language(ENGLISH)
    assert seen.page.locator("html").get_attribute("lang") == "zh-CN"


def test_a_health_that_no_host_has_any_more_stays_chosen(
    serve: Serve, open_url: Open, spoken: str
) -> None:
    served = serve(fleet(60))
    seen = open_url(served.url, clock=True)
    seen.page.locator("#status").select_option("broken")
    names = seen.names()
    after = fleet(60, taken=NOW + 30)
    mended = {name: watched.host(watched.random.Random(2), name, "ok") for name in names}
    served.now(replace(after, hosts={**after.hosts, **mended}))
    refresh(seen.page)
    chosen = seen.page.locator("#status option:checked")
    assert chosen.get_attribute("value") == "broken"
    assert chosen.inner_text() == language.translate("broken", spoken)
    assert names and seen.names() == []


def test_another_version_of_the_page_replaces_all_of_it(serve: Serve, open_url: Open) -> None:
    served = serve(fleet(5))
    seen = open_url(served.url, clock=True)
    served.text = served.text.replace("<style>", "<style>/* newer */")
    with seen.page.expect_navigation():
        seen.page.clock.run_for(REFRESH_MS)
    assert seen.asked == [served.url] * 3
