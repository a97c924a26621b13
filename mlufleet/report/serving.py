"""What a report says in lines of endpoints that have to stay ready; it loads no library."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.language import _
from mlufleet.report.model import Report


def serving_lines(report: Report) -> Iterator[str]:
    """Return why a rollout stopped so that endpoints stay ready, and what to do; else nothing.

    Args:
        report: Report of the run.
    """
    serving = report.rollout.serving if report.rollout else None
    if serving and serving.sentence:
        yield _("stopped to keep endpoints ready: {sentence}", sentence=serving.sentence)
        yield _("  remedy: {remedy}", remedy=serving.remedy)
