"""What all pages share: they load nothing, run nothing but their own text, and share a style."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from fleet import paths
from fleet.language import CHINESE, N_, _, current_language, n_
from fleet.text import sanitize
from fleet.text.times import format_age, format_duration, format_utc

TEMPLATES = paths.FILES_FOLDER / "templates"
#: what a run can be, as pages say it
RUN_KINDS = (N_("deploy"), N_("rollout"), N_("rollback"), N_("adoption"), N_("retirement"))


class MarkStyle(NamedTuple):
    """How a status is marked.

    Attributes:
        css_class: Class with its colors.
        glyph: Sign: color alone tells some readers nothing, and paper has none.
    """

    css_class: str
    glyph: str


def make_environment() -> Environment:
    """Return a new environment of the templates, in which every text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals.update(_=_, n_=n_, page_language=page_language)
    environment.filters.update(
        age=format_age,
        duration=format_duration,
        kind=describe_kind,
        prose=mark_code,
        strong=mark_number,
        time=format_time,
    )
    return environment


def read_assets(*names: str) -> Markup:
    """Return texts that a page contains, as one.

    Args:
        names: Files beside the templates.
    """
    return Markup("".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names))


def content_security_policy(style: str, script: str, connect: str = "'none'") -> str:
    """Return a policy that loads nothing, and runs nothing but these two texts of the page.

    Args:
        style: The page's style.
        script: The page's script.
        connect: What the script may ask, as the directive ``connect-src`` has it.
    """
    style_digest, script_digest = (
        b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style_digest}'; "
        f"script-src 'sha256-{script_digest}'; connect-src {connect}; "
        "base-uri 'none'; form-action 'none'"
    )


def describe_kind(kind: str) -> str:
    """Return the kind of a run in words.

    Args:
        kind: One of :data:`RUN_KINDS`; another one is returned as it is.
    """
    return _(kind) if kind in RUN_KINDS else kind


def page_language() -> str:
    """Return the language of pages, as HTML names it: fonts and hyphens depend on it."""
    return "zh-CN" if current_language() == CHINESE else "en"


def mark_code(text: str, /, **values: object) -> Markup:
    """Return a text as HTML, in which what stands between backticks is code.

    Args:
        text: Any text; it is escaped.
        **values: Values of its `{placeholders}`, which may be HTML; without any, braces mean
            themselves.
    """
    parts = str(escape(sanitize.escape_text(text))).split("`")
    if len(parts) % 2 == 0:  # the last backtick is a character
        parts[-2:] = ["`".join(parts[-2:])]
    marked = (f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
    markup = Markup("".join(marked))
    if not values:
        return markup
    return markup.format(**{name: _make_safe(value) for name, value in values.items()})


def _make_safe(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        return sanitize.escape_text(value)
    return value


def mark_number(text: str, number: int) -> Markup:
    """Return a text as HTML, in which a number is emphasized where it first stands.

    Args:
        text: Any text; it is escaped.
        number: The number.
    """
    before, figure, after = str(escape(text)).partition(str(number))
    return Markup(f"{before}<b>{figure}</b>{after}" if figure else before)


def format_time(epoch: float) -> str:
    """Return a point in time such as "2026-01-31 09:15:00 UTC".

    Args:
        epoch: Seconds since the epoch.
    """
    return format_utc(epoch).replace("T", " ").replace("Z", " UTC")
