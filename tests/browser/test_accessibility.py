from __future__ import annotations

import pytest

from tests.browser import axe
from tests.browser.conftest import Open, Serve
from tests.reports import fleet
from tests.watched import fleet as watched_fleet

LOOKS = [("light", 1280), ("dark", 1280), ("light", 360)]


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_nothing_on_the_report_stops_anybody(show: Open, scheme: str, width: int) -> None:
    seen = show(12, width, color_scheme=scheme, previous=fleet(12, seed=2))
    assert axe.grave_findings(seen.page) == []


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_nothing_on_the_status_page_stops_anybody(
    serve: Serve, open_url: Open, scheme: str, width: int
) -> None:
    served = serve(watched_fleet(12, reload_error="no such file", store_error="disk full"))
    seen = open_url(served.url, width, color_scheme=scheme)
    assert axe.grave_findings(seen.page) == []


@pytest.mark.parametrize("size", [0, 41])
def test_nothing_on_an_empty_or_a_large_status_page_stops_anybody(
    serve: Serve, open_url: Open, size: int
) -> None:
    assert axe.grave_findings(open_url(serve(watched_fleet(size)).url).page) == []


def test_what_cannot_be_read_is_found(show: Open) -> None:
    seen = show(1)
    seen.page.locator(".kicker").evaluate("e => e.style.color = '#ddd'")
    assert [rule for rule, _ in axe.grave_findings(seen.page)] == ["color-contrast"]
