"""What the watch answers over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from mlufleet.watch.http_server import Page, Routes
from mlufleet.watch.last_runs import LastRuns
from mlufleet.watch.metrics import render_metrics
from mlufleet.watch.status_page import HISTORY_S, render_status_page

if TYPE_CHECKING:
    from mlufleet.watch.service import Watch

HTML_TYPE = "text/html; charset=utf-8"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: seconds for which a page that was made is good: many clients cost no more than one
PAGE_LIFETIME_S = 1.0


class SharedPage:
    """A page that is made anew at most once in a while, however many ask for it.

    Args:
        make: Makes it.
    """

    def __init__(self, make: Callable[[], Page]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._page: Page | None = None
        self._made = 0.0

    def __call__(self) -> Page:
        """Return the page; in any thread."""
        with self._lock:
            if self._page is None or time.monotonic() - self._made > PAGE_LIFETIME_S:
                self._page = self._make()
                self._made = time.monotonic()
            return self._page


def list_routes(watch: Watch) -> Routes:
    """Return what is answered by a watch.

    Args:
        watch: The watch.
    """

    def make_metrics() -> Page:
        return Page(render_metrics(watch.take_snapshot()), METRICS_TYPE)

    def make_health() -> Page:
        trouble = watch.find_trouble()
        status = HTTPStatus.SERVICE_UNAVAILABLE if trouble else HTTPStatus.OK
        return Page(f"{trouble or 'ok'}\n".encode(), status=status)

    runs = LastRuns()

    def make_status() -> Page:
        snapshot = watch.take_snapshot()
        changes = watch.store.list_changes(since=snapshot.taken - HISTORY_S)
        text = render_status_page(snapshot, changes, runs.read())
        return Page(text.encode("utf-8", "backslashreplace"), HTML_TYPE)

    return {
        "/": SharedPage(make_status),
        "/metrics": SharedPage(make_metrics),
        "/healthz": make_health,
    }
