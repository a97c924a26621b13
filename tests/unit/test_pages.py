"""Pages name files and link pages that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
#: in backticks, in one of the project's folders, and no pattern or placeholder
NAMED = re.compile(r"`((?:docs|fleet|files|inventories|operations|tests)/[\w./-]+)`")
LINKED = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
#: what a user makes
THEIRS = {
    "inventories/fleet.csv",
    "inventories/fleet.yml",
    "inventories/golden.yml",
    "inventories/group_data/rack1.py",
    "files/releases/NAME.yml",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_or_links_is_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    named = {ROOT / name for name in set(NAMED.findall(text)) - THEIRS}
    linked = {page.parent / name for name in LINKED.findall(text)}
    assert [str(path) for path in named | linked if not path.exists()] == []
