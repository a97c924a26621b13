"""docs/metrics.md is what the table of metrics says."""

from __future__ import annotations

from mlufleet.reference import metrics_page
from tests.unit import PROJECT


def test_the_page_is_that_of_the_table() -> None:
    assert (PROJECT / "docs/metrics.md").read_text() == metrics_page.render_page(), "make docs"
