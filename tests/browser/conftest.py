"""Pages in a browser, with everything they say and ask for noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from fleet import language
from fleet.language import CHINESE, ENGLISH
from mlufleet.report import html as pages
from mlufleet.report.model import parse_report
from mlufleet.watch import http_server, status_page
from mlufleet.watch.http_server import HttpServer
from mlufleet.watch.pages import HTML_TYPE
from mlufleet.watch.problems import Change
from mlufleet.watch.snapshot import FleetSnapshot
from tests import watched
from tests.browser import chromium
from tests.reports import fleet

#: of what a page is asked to do: one of 500 hosts is long in drawing beside the lab's lanes
PAGE_LIMIT_MS = 240_000


@dataclass
class Opened:
    """A page in the browser."""

    page: Page
    url: str
    path: Path | None = None
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


@pytest.fixture(params=[ENGLISH, CHINESE])
def spoken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Both languages in turn: pages are made in that one."""
    monkeypatch.setenv(language.LANGUAGE_VARIABLE, ENGLISH)
    language.use_language(request.param)
    yield request.param
    language._load_catalog.cache_clear()


@pytest.fixture
def open_url(browser: Browser) -> Iterator[Open]:
    """Opens a URL in a context of its own."""
    contexts = []

    def opened(url: str, width: int = 1280, clock: bool = False, **options: Any) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        context.set_default_timeout(PAGE_LIMIT_MS)
        contexts.append(context)
        seen = Opened(context.new_page(), url)
        seen.page.on("console", lambda message: seen.said.append(message.text))
        seen.page.on("pageerror", lambda error: seen.said.append(str(error)))
        seen.page.on("dialog", lambda dialog: (seen.said.append(dialog.message), dialog.dismiss()))
        seen.page.on("request", lambda request: seen.asked.append(request.url))
        if clock:
            seen.page.clock.install()
        seen.page.goto(url)
        return seen

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def show(open_url: Open, tmp_path: Path) -> Open:
    """Opens the page of a report."""

    def opened(report: dict[str, Any] | int, width: int = 1280, **options: Any) -> Opened:
        report = fleet(report) if isinstance(report, int) else report
        path = tmp_path / "report.html"
        path.write_text(page_text(report, options.pop("previous", None)), encoding="utf-8")
        seen = open_url(path.as_uri(), width, **options)
        seen.path = path
        return seen

    return opened


@dataclass
class Served:
    """What the server answers."""

    url: str
    text: str = ""
    status: int = 200

    def now(self, snapshot: FleetSnapshot, changes: Sequence[Change] | None = None) -> None:
        """Answer with the page of that fleet from now on."""
        told = watched.changes(snapshot) if changes is None else changes
        self.text = status_page.render_status_page(snapshot, told, watched.RUNS)


Serve = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves the page of a fleet as the watch does."""
    served = Served("")
    servers = []

    def answer() -> http_server.Page:
        return http_server.Page(served.text.encode(), HTML_TYPE, served.status)

    def start(snapshot: FleetSnapshot, token: str = "") -> Served:
        server = HttpServer("127.0.0.1", 0, token, {"/": answer})
        servers.append(server)
        server.start()
        served.url = f"http://127.0.0.1:{server.port}/"
        served.now(snapshot)
        return served

    yield start
    for server in servers:
        server.close()
