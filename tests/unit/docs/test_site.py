"""The built site has both languages, Markdown beside HTML, and llms.txt."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import playwright
import pytest
import yaml

from tests.unit import PROJECT
from tests.unit.docs.tool import load_tool

TRANSLATION = """\
# 监视

见[隔离](watch.md#quarantine)。

"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation with a translation that is behind and one that is missing, built."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("docs", "tools"):
        shutil.copytree(PROJECT / name, folder / name)
    for name in ("mkdocs.yml", "README.md"):
        shutil.copy(PROJECT / name, folder)
    (folder / "docs/slurm.zh.md").unlink(missing_ok=True)
    headings = re.findall(r"^##+ ", (folder / "docs/monitoring.md").read_text(), re.M)
    text = TRANSLATION + "".join(f"{mark}标题\n\n" for mark in headings)
    (folder / "docs/monitoring.zh.md").write_text(text)
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", "site"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def read_anchors(page: Path) -> list[str]:
    return re.findall(r'<h\d id="([^"]+)"', page.read_text())


def test_a_translation_that_is_behind_says_so_and_links_its_original(project: Path) -> None:
    page = (project / "site/zh/monitoring.html").read_text()
    assert '本页可能落后于<a href="../monitoring.html">英文原文</a>' in page
    assert "本页可能落后" not in (project / "site/monitoring.html").read_text()


def test_a_page_without_a_translation_says_so(project: Path) -> None:
    page = (project / "site/zh/slurm.html").read_text()
    assert '本页尚无中文版，以下为<a href="../slurm.html">英文原文</a>' in page


def test_headings_have_the_same_anchors_in_both_languages(project: Path) -> None:
    english = read_anchors(project / "site/monitoring.html")
    assert len(english) > 3 and read_anchors(project / "site/zh/monitoring.html") == english


def test_links_of_a_chinese_page_lead_to_chinese_pages(project: Path) -> None:
    page = (project / "site/zh/monitoring.html").read_text()
    assert '<a href="watch.html#quarantine">隔离</a>' in page
    assert '<html lang="zh-CN"' in page and "监控" in page and "搜索" in page


def test_each_page_links_the_other_language(project: Path) -> None:
    chinese = (project / "site/zh/decisions/index.html").read_text()
    assert 'hreflang="en" href="../../decisions/index.html"' in chinese
    english = (project / "site/decisions/index.html").read_text()
    assert 'hreflang="zh" href="../zh/decisions/index.html"' in english


class Assets(HTMLParser):
    """What a page loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("img", "script", "iframe"):
            self.loaded.append(values.get("src") or "")
        if tag == "link":
            self.loaded.append(values.get("href") or "")


def test_pages_load_nothing_from_elsewhere(project: Path) -> None:
    pages = [*(project / "site").rglob("*.html")]
    loaded = [url for page in pages for url in Assets(page.read_text()).loaded]
    assert loaded and not [url for url in loaded if re.match(r"(https?:)?//", url)]


#: the worker of the search, as a browser runs it
SEARCH = """\
const fs = require('fs'), path = require('path'), vm = require('vm');
const [folder, ...queries] = process.argv.slice(1);
const read = name => fs.readFileSync(path.join(folder, name), 'utf-8');
for (const name of ['module', 'exports', 'require']) delete global[name];
global.self = global;
global.importScripts = (...names) => names.forEach(name => vm.runInThisContext(read(name)));
global.postMessage = () => {};
console.log = () => {};
global.XMLHttpRequest = class {
  addEventListener(_event, listener) { this.listener = listener; }
  open(_method, name) { this.responseText = read(name); }
  send() { this.listener(); }
};
vm.runInThisContext(read('worker.js'));
onmessage({data: {init: true}});
const found = queries.map(query => search(query).map(page => page.location));
process.stdout.write(JSON.stringify(found));
"""


def test_the_search_finds_chinese_and_english_words(project: Path) -> None:
    node = Path(playwright.__file__).parent / "driver/node"
    queries = ["监视", "隔离", "阿尔卑斯", "failure budget"]
    words = [str(node), "-e", SEARCH, str(project / "site/search"), *queries]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    title, text, nowhere, english = json.loads(done.stdout)
    assert title[0].startswith("zh/monitoring.html")
    assert any(page.startswith("zh/monitoring.html") for page in text)
    assert nowhere == []
    assert any(page.startswith("rollout.html") for page in english)


def test_every_page_is_there_as_markdown_and_in_the_index(project: Path) -> None:
    site = project / "site"
    index = (site / "llms.txt").read_text()
    assert re.match(r"# mlu-fleet\n\n> .+\n\n## ", index)
    lines = [line for line in index.splitlines() if line.startswith("- ")]
    assert all(re.match(r"- \[[^]]+\]\([^)]+\.md\): .", line) for line in lines)
    linked = re.findall(r"\]\(([^)]+)\)", index)
    assert all((site / name).is_file() for name in linked)
    nav = re.findall(r": ([\w/-]+\.md)$", (PROJECT / "mkdocs.yml").read_text(), re.M)
    assert set(nav) <= set(linked)
    text = (site / "zh/monitoring.md").read_text()
    assert text.startswith("# 监视\n") and "本页可能落后" in text
    for page in site.rglob("*.html"):
        if page.name != "404.html":
            link = re.search(r'type="text/markdown" href="([^"]+)"', page.read_text())
            assert link and (page.parent / link[1]).is_file(), page


def test_the_index_of_the_repository_is_that_of_its_pages() -> None:
    index = load_tool("llms_index").render_repository_index()
    assert (PROJECT / "llms.txt").read_text() == index, "make docs"
    linked = re.findall(r"\]\(([^)]+)\)", index)
    assert linked and all((PROJECT / name).is_file() for name in linked)


def test_every_title_of_the_navigation_is_translated() -> None:
    settings = yaml.safe_load((PROJECT / "mkdocs.yml").read_text())
    (plugin,) = (item["i18n"] for item in settings["plugins"] if "i18n" in item)
    chinese = plugin["languages"][1]["nav_translations"]
    titles = set()
    for section in settings["nav"][1:]:
        for title, pages in section.items():
            titles |= {title, *(name for page in pages for name in page)}
    assert titles == set(chinese)
