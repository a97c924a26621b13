"""Debian's headless Chromium, fonts, and what reads the PDF it prints: installed where missing.

Playwright's own browsers are downloaded from elsewhere; Debian's comes with its security updates.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.lab.engine import install

BROWSER = "chromium-headless-shell"
PACKAGES = {BROWSER: BROWSER, "pdftotext": "poppler-utils"}
#: file of a font -> its package: without one, a page has no text, and Chinese is a row of boxes
FONTS = {
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf": "fonts-dejavu-core",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc": "fonts-wqy-microhei",
}


@contextmanager
def running() -> Iterator[Browser]:
    """A browser of its own, without a window."""
    install(*PACKAGES, *FONTS, packages={**PACKAGES, **FONTS})
    with sync_playwright() as playwright:
        # as root, in containers, Chromium's sandbox does not start; the pages are our own
        browser = playwright.chromium.launch(
            executable_path=shutil.which(BROWSER), chromium_sandbox=os.geteuid() != 0
        )
        yield browser
        browser.close()
