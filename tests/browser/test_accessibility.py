"""What axe-core finds on both pages: all that it knows on a phone, and the colors in the dark."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser import axe
from tests.browser.conftest import Open, Serve
from tests.reports import fleet
from tests.watched import fleet as watched_fleet


def check(page: Page) -> None:
    assert axe.grave_findings(page) == []
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert axe.grave_findings(page, rules=["color-contrast"]) == []


def test_nothing_on_the_report_stops_anybody(show: Open, spoken: str) -> None:
    check(show(12, 360, color_scheme="light", previous=fleet(12, seed=2)).page)


def test_nothing_on_the_status_page_stops_anybody(
    serve: Serve, open_url: Open, spoken: str
) -> None:
    served = serve(watched_fleet(12, reload_error="no such file", store_error="disk full"))
    check(open_url(served.url, 360, color_scheme="light").page)


def test_nothing_on_the_page_of_no_or_of_many_hosts_stops_anybody(
    serve: Serve, open_url: Open, spoken: str
) -> None:
    assert axe.grave_findings(open_url(serve(watched_fleet(0)).url).page) == []
    assert axe.grave_findings(open_url(serve(watched_fleet(60)).url).page, ".groups") == []


def test_what_cannot_be_read_is_found(show: Open) -> None:
    seen = show(1)
    seen.page.locator(".kicker").evaluate("e => e.style.color = '#ddd'")
    found = axe.grave_findings(seen.page, "header")
    assert [rule for rule, _ in found] == ["color-contrast"]
