"""Write the generated pages and alert rules: `python -m mlufleet.reference`."""

from __future__ import annotations

from collections.abc import Callable

from fleet import errors, paths
from fleet.language import CHINESE, ENGLISH, use_language
from mlufleet.reference import alert_rules, metrics_page, release_format, systems_page

#: pages that are written in English and in Chinese
PAGES: dict[str, Callable[[], str]] = {
    "docs/release": release_format.render_page,
    "docs/systems": systems_page.render_page,
    "docs/metrics": metrics_page.render_page,
    "docs/failures": errors.render_reference,
}
#: language -> how its pages end
SUFFIXES = {ENGLISH: ".md", CHINESE: ".zh.md"}


def write_pages() -> None:
    """Write the reference pages in docs/, and the alert rules in files/monitoring/."""
    files = {"files/monitoring/problem_alerts.yml": alert_rules.render_rules()}
    for language, suffix in SUFFIXES.items():
        use_language(language)
        files |= {f"{name}{suffix}": render() for name, render in PAGES.items()}
    for name, text in files.items():
        (paths.PROJECT_ROOT / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages()
