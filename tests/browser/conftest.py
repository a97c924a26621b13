"""The report page in a browser, with everything it says and asks for noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from mlufleet.report import html as pages
from mlufleet.report.model import parse_report
from tests.browser import chromium
from tests.reports import fleet


@dataclass
class Opened:
    """A page in the browser."""

    page: Page
    path: Path
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        """Hosts in the table that are seen, in their order."""
        hosts = self.page.locator("#table tbody tr:visible th")
        return [text.split()[0] for text in hosts.all_inner_texts()]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium.running() as found:
        yield found


def page_text(report: dict[str, Any], previous: dict[str, Any] | None) -> str:
    return pages.render_page(parse_report(report), parse_report(previous) if previous else None)


Open = Callable[..., Opened]


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a report in a context of its own."""
    contexts = []

    def opened(report: dict[str, Any] | int, width: int = 1280, **options: Any) -> Opened:
        report = fleet(report) if isinstance(report, int) else report
        path = tmp_path / "report.html"
        path.write_text(page_text(report, options.pop("previous", None)), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        seen = Opened(context.new_page(), path)
        seen.page.on("console", lambda message: seen.said.append(message.text))
        seen.page.on("pageerror", lambda error: seen.said.append(str(error)))
        seen.page.on("dialog", lambda dialog: (seen.said.append(dialog.message), dialog.dismiss()))
        seen.page.on("request", lambda request: seen.asked.append(request.url))
        seen.page.goto(path.as_uri())
        return seen

    yield opened
    for context in contexts:
        context.close()
