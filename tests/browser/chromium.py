"""Debian's headless Chromium, and what reads the PDF it prints: installed where missing.

Playwright's own browsers are downloaded from elsewhere; Debian's comes with its security updates.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.lab.engine import install

BROWSER = "chromium-headless-shell"
PACKAGES = {BROWSER: BROWSER, "pdftotext": "poppler-utils"}
#: a page without any font is a page without text
FONTS = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


@contextmanager
def running() -> Iterator[Browser]:
    """A browser of its own, without a window."""
    fonts = {} if FONTS.is_file() else {"fonts": "fonts-dejavu-core"}
    install(*PACKAGES, *fonts, packages={**PACKAGES, **fonts})
    with sync_playwright() as playwright:
        # as root, in containers, Chromium's sandbox does not start; the pages are our own
        browser = playwright.chromium.launch(
            executable_path=shutil.which(BROWSER), chromium_sandbox=os.geteuid() != 0
        )
        yield browser
        browser.close()
