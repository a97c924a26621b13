"""docs/security.md promises nothing without a test."""

from __future__ import annotations

import re

import pytest

from operations.transfer.aria2 import ARIA2_OPTIONS
from tests.unit import PROJECT

ROOT = PROJECT
PAGE = ROOT / "docs/security.md"
LINES = [
    line
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| Promise |")
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: re.sub(r"\W+", "-", line)[1:50])
def test_a_promise_names_a_test_that_is_there(line: str) -> None:
    promise, tests = re.split(r"(?<!\\)\|", line)[1:3]
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
    assert promise.strip() and named
    for file, test in named:
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(", text, re.M), f"{file} has no {test}"


def test_every_attacker_has_promises_and_the_page_is_found() -> None:
    page = PAGE.read_text(encoding="utf-8")
    sections = re.split(r"^## ", page, flags=re.M)[1:]
    assert all("| Promise | Test |" in one for one in sections if not one.startswith("Not prom"))
    for name in ("README.md", "SECURITY.md"):
        assert "docs/security.md" in (ROOT / name).read_text(encoding="utf-8")
    assert "](SECURITY.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_no_swarm_looks_for_peers_elsewhere() -> None:
    assert {
        "--enable-dht=false",
        "--bt-enable-lpd=false",
        "--enable-peer-exchange=false",
        "--bt-require-crypto=true",
        "--no-conf",
    } <= set(ARIA2_OPTIONS)
