"""The index of the documentation for language models: llms.txt (https://llmstxt.org).

Usage: python tools/llms_index.py > llms.txt

It is made from docs/index.md and docs/index.zh.md. That of the repository links the files of docs/;
that of the site, which `make docs` writes, links the Markdown pages beside the HTML ones.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from translations import ROOT, name_translation

#: section of the Chinese pages
CHINESE_TITLE = "## 中文"
LINK = re.compile(r"\]\(([^)#:]+\.md)\)")


def render_site_index() -> str:
    """Return the llms.txt of the site."""
    return _render(lambda page: page, lambda page: f"zh/{page}")


def render_repository_index() -> str:
    """Return the llms.txt of the repository."""

    def find_chinese(page: str) -> str:
        chinese = name_translation(f"docs/{page}")
        return chinese if (ROOT / chinese).exists() else f"docs/{page}"

    return _render(lambda page: f"docs/{page}", find_chinese)


def _render(name_english: Callable[[str], str], name_chinese: Callable[[str], str]) -> str:
    english = _link(_read_index("docs/index.md"), name_english)
    head, *sections = re.split(r"^(?=## )", english, flags=re.MULTILINE)
    title, _, summary = head.partition("\n\n")
    quoted = "> " + " ".join(summary.split())
    parts = [title, quoted, *map(str.strip, sections)]
    chinese = _link(_read_index("docs/index.zh.md"), name_chinese)
    items = re.findall(r"^- .*$", chinese, re.MULTILINE)
    if items:
        # the colon that the form of llms.txt has
        parts += [CHINESE_TITLE, "\n".join(items).replace(")：", "): ")]
    return "\n\n".join(parts) + "\n"


def _read_index(name: str) -> str:
    path = ROOT / name
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return re.sub(r"<!--.*?-->\n", "", text)


def _link(text: str, name_page: Callable[[str], str]) -> str:
    return LINK.sub(lambda match: f"]({name_page(match[1])})", text)


if __name__ == "__main__":
    sys.stdout.write(render_repository_index())
