"""Write the generated pages and alert rules: `python -m mlufleet.reference`."""

from __future__ import annotations

from fleet import errors, paths
from mlufleet.reference import alert_rules, metrics_page, release_format, systems_page


def write_pages() -> None:
    """Write the reference pages in docs/, and the alert rules in files/monitoring/."""
    files = {
        "docs/release.md": release_format.render_page(),
        "docs/systems.md": systems_page.render_page(),
        "docs/metrics.md": metrics_page.render_page(),
        "docs/failures.md": errors.render_reference(),
        "files/monitoring/problem_alerts.yml": alert_rules.render_rules(),
    }
    for name, text in files.items():
        (paths.PROJECT_ROOT / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages()
