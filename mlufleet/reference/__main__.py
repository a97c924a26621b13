"""Write the generated pages of the documentation: `python -m mlufleet.reference`."""

from __future__ import annotations

from fleet import errors, paths
from mlufleet.reference import metrics_page, release_format, systems_page

DOCS_FOLDER = paths.PROJECT_ROOT / "docs"


def write_pages() -> None:
    """Write docs/release.md, docs/systems.md, docs/metrics.md and docs/failures.md."""
    pages = {
        "release.md": release_format.render_page(),
        "systems.md": systems_page.render_page(),
        "metrics.md": metrics_page.render_page(),
        "failures.md": errors.render_reference(),
    }
    for name, text in pages.items():
        (DOCS_FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages()
