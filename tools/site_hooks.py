"""What mkdocs does for the site beside its plugins: `hooks` of mkdocs.yml.

- A Chinese page whose original has changed since says so at its top, and so does an English page
  that stands where a Chinese one is missing.
- Headings of Chinese pages have the anchors of the English ones, so links hold in both languages.
- The search finds Chinese words.
- Every page is there as Markdown too, beside its HTML, and `llms.txt` lists them
  (https://llmstxt.org).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path

import markdown
from babel.support import Translations
from jinja2 import Environment
from llms_index import render_site_index
from markdown.extensions.toc import slugify
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url
from mkdocs.utils.templates import TemplateContext
from translations import NOTE_PATTERN, is_behind

ENGLISH, CHINESE = "en", "zh"
SEARCH_SCRIPT = "lunr.zh.js"
THEME_LOCALE = "zh_CN"
#: language -> what the link to it says
NAMES = {ENGLISH: "English", CHINESE: "中文"}
NOTICE = '\n<div class="alert alert-warning">{text}</div>\n'
BEHIND = '本页可能落后于<a href="{url}">英文原文</a>。'
MISSING = '本页尚无中文版，以下为<a href="{url}">英文原文</a>。'


class AnchorNames:
    """Names the anchors of a page's headings, which the extension `toc` asks for one by one."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def start_page(self, names: list[str]) -> None:
        """Take the names of the headings of the next page; without any they come from the text.

        Args:
            names: One for each heading, in their order.
        """
        self._names = list(names)

    def name_heading(self, text: str, separator: str) -> str:
        """Return the name of the next heading.

        Args:
            text: The heading.
            separator: What stands between words.
        """
        return self._names.pop(0) if self._names else str(slugify(text, separator))


ANCHORS = AnchorNames()


def list_anchors(text: str) -> list[str]:
    """Return the anchors of an English page's headings in their order.

    Args:
        text: The page.
    """
    page = markdown.Markdown(extensions=["toc", "tables", "fenced_code"])
    page.convert(text)
    return list(_flatten(page.toc_tokens))


def _flatten(tokens: list[dict[str, object]]) -> Iterator[str]:
    for token in tokens:
        yield str(token["id"])
        children = token["children"]
        assert isinstance(children, list)
        yield from _flatten(children)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name anchors of headings as :data:`ANCHORS` says.

    Args:
        config: What mkdocs.yml says.
    """
    config.mdx_configs.setdefault("toc", {})["slugify"] = ANCHORS.name_heading
    return config


def on_env(env: Environment, config: MkDocsConfig, **_others: object) -> Environment:
    """Return the environment of templates with the theme's own words in Chinese.

    mkdocs looks for them by the locale's full name, `zh_Hans_CN`, and the theme has `zh_CN`.

    Args:
        env: The environment.
        config: What mkdocs.yml says.
        **_others: The files of the site.
    """
    if str(config.theme.locale).startswith(CHINESE):
        folders = (Path(folder, "locales") for folder in config.theme.dirs)
        words = next(folder for folder in folders if (folder / THEME_LOCALE).is_dir())
        translations = Translations.load(str(words), [THEME_LOCALE])
        env.install_gettext_translations(translations)  # type: ignore[attr-defined]
    return env


def on_page_markdown(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the text of a page as it is shown, and write it as Markdown.

    Args:
        text: The page, as it is in docs/.
        page: Of it, its file and address.
        config: What mkdocs.yml says.
        files: All files of the site; not used.
    """
    text = NOTE_PATTERN.sub("", text)
    original, language = _describe_file(page)
    url = escape(_find_url(page, ENGLISH))
    ANCHORS.start_page([])
    if language == CHINESE:
        if page.file.src_uri == original:
            text = _add_notice(text, MISSING.format(url=url))
        else:
            english = (Path(config.docs_dir) / original).read_text(encoding="utf-8")
            ANCHORS.start_page(list_anchors(english))
            if is_behind(f"docs/{original}"):
                text = _add_notice(text, BEHIND.format(url=url))
    target = Path(config.site_dir, CHINESE if language == CHINESE else "", original)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return text


def _add_notice(text: str, notice: str) -> str:
    """Return a page with a notice below its title."""
    title, end, rest = text.partition("\n")
    return title + end + NOTICE.format(text=notice) + rest


def _describe_file(page: Page) -> tuple[str, str]:
    """Return the English page's path below docs/, and the language of the site that it is for."""
    # attributes that mkdocs-static-i18n gives to its files
    return page.file.norm_src_uri, page.file.locale_alternate_of  # type: ignore[attr-defined]


def _find_url(page: Page, language: str) -> str:
    """Return the address of a page in a language, as seen from it in its own."""
    name = page.file.norm_src_uri  # type: ignore[attr-defined]
    url = name.removesuffix(".md").replace("README", "index") + ".html"
    return get_relative_url(f"{CHINESE}/{url}" if language == CHINESE else url, page.url)


def on_page_context(context: TemplateContext, page: Page, **_others: object) -> TemplateContext:
    """Return what a page's template knows, with its Markdown and the page in the other language.

    Args:
        context: What it knows.
        page: The page.
        **_others: The configuration and the navigation.
    """
    original, language = _describe_file(page)
    other = ENGLISH if language == CHINESE else CHINESE
    link = {"code": other, "name": NAMES[other], "url": _find_url(page, other)}
    additions = {"other_language": link, "markdown_name": Path(original).name}
    context.update(additions)  # type: ignore[typeddict-item]
    return context


def on_post_page(output: str, **_others: object) -> str:
    """Return a page with the name of its language as HTML has it.

    Args:
        output: The page.
        **_others: The page and the configuration.
    """
    return re.sub(r'<html lang="zh_\w+"', '<html lang="zh-CN"', output, count=1)


@event_priority(-200)
def on_post_build(config: MkDocsConfig) -> None:
    """Write llms.txt, and what the search needs for Chinese in place of what mkdocs has for it.

    It runs last, as mkdocs-static-i18n writes the search once more at the end.

    Args:
        config: What mkdocs.yml says.
    """
    site = Path(config.site_dir)
    (site / "llms.txt").write_text(render_site_index(), encoding="utf-8")
    shutil.copy(Path(__file__).parent / "site_theme" / SEARCH_SCRIPT, site / "search")
    # the theme's files are copied to the site, and this one is no page's
    (site / SEARCH_SCRIPT).unlink(missing_ok=True)
