"""Chinese pages say what the English ones do, in the same form and in the glossary's words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from tests.unit import PROJECT
from tests.unit.docs.tool import load_tool

translations = load_tool("translations")
ORIGINALS: list[str] = translations.list_originals()
#: pages that lead through a task say at their top what it costs
TASK_PAGES = (
    *("adoption", "air-gap", "gather", "monitoring", "proof", "registry", "retirement"),
    *("rollout", "serving", "slurm", "validation", "watch"),
)
ENGLISH_BLOCK = (
    r"\A# [^\n]+\n\n> - \*\*Time\*\*: .+\n> - \*\*Risk\*\*: .+\n> - \*\*Way back\*\*: .+\n\n"
)
CHINESE_BLOCK = r"# [^\n]+\n\n> - \*\*耗时\*\*：.+\n> - \*\*风险\*\*：.+\n> - \*\*退路\*\*：.+\n\n"
PAGE = """\
# One

Some `code` in a [page](other.md#two), and [this](other.md).

    mlufleet watch   # look
    mlufleet run

```yaml
a: 1  # one
```

## Two

| a | b |
|---|---|
| c | `d\\|e` |
"""
CHINESE = """\
# 一

[本页](other.md)和[另一页](other.md#two)中的 `code`。

    mlufleet watch   # 巡检
    mlufleet run

```yaml
a: 1  # 一
```

## 二

| 甲 | 乙 |
|---|---|
| 丙 | `d\\|e` |
"""


def test_every_page_has_a_chinese_one() -> None:
    pages = {path.relative_to(PROJECT).as_posix() for path in PROJECT.glob("docs/**/*.md")}
    english = {name for name in pages if not name.endswith(".zh.md")}
    assert set(ORIGINALS) == {"README.md", *english}
    assert translations.list_missing() == []
    assert {name.replace(".zh.md", ".md") for name in pages - english} == english


@pytest.mark.parametrize("original", ORIGINALS)
def test_a_translation_has_the_form_and_the_words(original: str) -> None:
    assert translations.find_problems(original) == []


def test_the_chinese_readme_leads_to_chinese_pages() -> None:
    text = (PROJECT / "README.zh-CN.md").read_text()
    assert "(docs/watch.zh.md)" in text
    assert translations.lead_to_chinese(text) == text, "tools/translations.py --record README.md"


@pytest.mark.parametrize("name", TASK_PAGES)
def test_a_page_of_a_task_says_its_time_its_risk_and_the_way_back(name: str) -> None:
    text = (PROJECT / f"docs/{name}.md").read_text()
    assert re.search(ENGLISH_BLOCK, text)
    assert re.search(CHINESE_BLOCK, (PROJECT / f"docs/{name}.zh.md").read_text())


def test_messages_have_the_words_of_the_glossary() -> None:
    with (PROJECT / "fleet/locale/zh_CN/LC_MESSAGES/mlufleet.po").open("rb") as file:
        messages = [message for message in read_po(file) if message.id]
    wrong = {
        text: list(translations.find_wrong_words(text))
        for message in messages
        for text in ([message.string] if isinstance(message.string, str) else message.string)
    }
    assert {text: found for text, found in wrong.items() if found} == {}


def test_pages_of_one_form_do_not_differ() -> None:
    assert list(translations.compare_pages(PAGE, CHINESE)) == []
    assert list(translations.find_typography(CHINESE)) == []


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("## 二", "### 二", "headings"),
        ("## 二\n", "", "headings"),
        ("mlufleet run", "mlufleet watch", "code"),
        ("a: 1", "a: 2", "code"),
        ("    mlufleet run\n", "", "code"),
        ("other.md#two", "other.md#three", "links"),
        ("| 丙 | `d\\|e` |\n", "", "tables"),
        ("| 甲 | 乙 |", "| 甲 |", "tables"),
        ("`code`", "代码", "words in backticks"),
    ],
)
def test_what_differs_is_named(old: str, new: str, part: str) -> None:
    changed = CHINESE.replace(old, new, 1)
    assert changed != CHINESE
    (found, *_others) = translations.compare_pages(PAGE, changed)
    assert found.startswith(part)


@pytest.mark.parametrize(
    "text",
    [
        "一行\n又一行",
        "主机mlu01",
        "主机`mlu01`",
        "主机 `mlu01`上",
        "主机, 板卡",
        "完成！",
        "**重点：**后文",
    ],
)
def test_typography_is_checked(text: str) -> None:
    assert len(list(translations.find_typography(text))) == 1


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("修改清单文件", "清单文件"),
        ("安装驱动程序", "驱动程序"),
        ("发布版与主机", "发布版"),
        ("监视服务已停止", "监视服务"),
        ("这个服务进程没有就绪", "服务进程"),
        ("复制权重", "权重"),
        ("两块加速卡", "块加速卡"),
        ("发布版本与主机清单、锁定文件、故障码", ""),
        ("监管进程启动并监视服务器，推理服务进程读取模型权重和权重文件", ""),
        ("发行版本身的软件包；两块板卡，四张加速卡", ""),
    ],
)
def test_other_words_than_those_of_the_glossary_are_named(text: str, wrong: str) -> None:
    assert [found.partition(":")[0] for found in translations.find_wrong_words(text)] == (
        [wrong] if wrong else []
    )


def test_no_term_of_the_glossary_is_a_wrong_word() -> None:
    terms = [
        line.split("|")[2].strip()
        for line in (PROJECT / "docs/glossary.md").read_text().splitlines()
        if line.startswith("| ")
    ]
    assert "主机清单" in terms
    assert [word for term in terms for word in translations.find_wrong_words(term)] == []


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one page in both languages."""
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# One\n")
    (tmp_path / "docs/page.md").write_text(PAGE)
    (tmp_path / "docs/page.zh.md").write_text(CHINESE)
    return tmp_path


def test_a_page_that_has_changed_is_listed_until_its_translation_is_recorded(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert translations.list_behind() == ["docs/page.md"]
    assert translations.main(["--record", "docs/page.zh.md"]) == 0
    assert translations.list_behind() == []
    with (site / "docs/page.md").open("a") as page:
        page.write("\nMore.\n")
    assert translations.main([]) == 1
    assert "docs/page.md: has changed since docs/page.zh.md was recorded" in capsys.readouterr().out
    assert translations.main(["--record", "docs/page.md"]) == 0
    text = (site / "docs/page.zh.md").read_text()
    assert text.count("sha256") == 1 and text.endswith(CHINESE)
    assert translations.list_behind() == []


def test_a_page_without_a_translation_is_listed(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert translations.main([]) == 1
    assert "README.md: has no Chinese page\n" in capsys.readouterr().out
    (site / "README.zh-CN.md").write_text("# 一\n")
    assert translations.list_missing() == []


def test_what_differs_is_not_recorded(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "docs/page.zh.md").write_text(CHINESE.replace("## 二", "二"))
    assert translations.main(["--record", "docs/page.md"]) == 1
    assert "docs/page.zh.md: headings: number 2" in capsys.readouterr().out
    assert translations.list_behind() == ["docs/page.md"]
