"""Pages name files and link pages that are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import PROJECT

ROOT = PROJECT
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


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir"]
    done = subprocess.run([*words, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "inventory.html").is_file()
