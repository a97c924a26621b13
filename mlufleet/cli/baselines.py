"""Baselines of a host that is known to be good, out of the report of a run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from fleet.documents import atomic_write
from fleet.errors import InvalidInput
from fleet.language import _
from fleet.text import word_lists
from fleet.vendor import endpoint_baselines, validation_suite
from fleet.vendor.endpoint_baselines import EndpointBaseline
from fleet.vendor.validation_suite import Baseline, Baselines
from mlufleet.journal.events import EndpointRecord
from mlufleet.report.model import HostReport, Report

#: First line of the file.
HEADER = "# Rates of good cards by model, recorded by `mlufleet hardware baseline`.\n"


@dataclass(frozen=True)
class Captured:
    """What was captured.

    Attributes:
        baselines: The site's baselines with it.
        summary: What it is, in words.
    """

    baselines: Baselines
    summary: str


def capture(name: str, report: Report, baselines: Baselines, of_endpoints: bool) -> Captured:
    """Add what a host measured to the site's baselines.

    Args:
        name: The host.
        report: The report of a run that looked at it, or ran the suite on it.
        baselines: The baselines so far.
        of_endpoints: Whether it is about its endpoints, not about its cards.

    Raises:
        InvalidInput: Nothing can be captured.
    """
    if of_endpoints:
        found = capture_endpoints(name, report)
        kept = {one.key: one for one in (*baselines.endpoints, *found)}
        update = baselines.model_copy(update={"endpoints": tuple(kept.values())})
        words = [
            _(
                "{release} with {cards} cards {model}",
                release=one.release,
                cards=one.cards,
                model=one.model,
            )
            for one in found
        ]
        return Captured(update, word_lists.join_clauses(words))
    model, measured = capture_baseline(name, report)
    update = baselines.model_copy(update={"models": {**baselines.models, model: measured}})
    return Captured(
        update,
        _("{model}, {count} rates", model=model, count=sum(map(len, measured.rates.values()))),
    )


def write_baselines(path: Path, baselines: Baselines) -> Path | None:
    """Write the site's baselines.

    Args:
        path: Their file; a previous one is kept.
        baselines: The baselines.

    Returns:
        Where the previous file is, or None if there was none.
    """
    backup = None
    if path.exists():
        backup = path.with_name(f"{path.name}.{time.strftime('%Y%m%d-%H%M%S')}")
        os.link(path, backup)
    text = yaml.safe_dump(baselines.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
    atomic_write.replace_file(path, HEADER + text)
    return backup


def capture_baseline(name: str, report: Report) -> tuple[str, Baseline]:
    """Return the card model and the measured rates of a host.

    Args:
        name: The host.
        report: The report of a run that ran the suite on it.

    Returns:
        The model that all its cards are of, and its baseline.

    Raises:
        InvalidInput: A test failed, no test measured a rate, or the cards are of several models.
    """
    host = report.hosts[name]
    model = _find_card_model(name, host)
    failed = [
        f"{plugin}: {test.why}"
        for plugin, test in host.validation.items()
        if test.verdict == validation_suite.FAILED
    ]
    rates = {
        plugin: test.rates
        for plugin, test in host.validation.items()
        if test.verdict == validation_suite.PASSED and test.rates
    }
    if failed or not rates:
        reason = word_lists.join_clauses(failed) or _("no test that ran measured a rate")
        raise InvalidInput(
            _("cannot record a baseline from {host}: {reason}", host=name, reason=reason)
        )
    driver = str(host.versions.get("driver", ""))
    baseline = validation_suite.Baseline(host=name, driver=driver, taken=time.time(), rates=rates)
    return model, baseline


def _find_card_model(name: str, host: HostReport) -> str:
    models = set(host.models.values())
    if len(models) != 1 or len(host.models) != host.card_count:
        known = word_lists.join_words(sorted(models)) or _("none")
        raise InvalidInput(
            _(
                "cannot record a baseline from {host}: its cards are not all of one "
                "known model (known: {known})",
                host=name,
                known=known,
            )
        )
    return models.pop()


def _describe_unusable(name: str, endpoint: EndpointRecord) -> str:
    return _(
        "cannot record a baseline from {host}: {endpoint}: {reason}",
        host=name,
        endpoint=endpoint.label,
        reason=endpoint.problem or _("it was never proved: deploy the host first"),
    )


def capture_endpoints(name: str, report: Report) -> list[EndpointBaseline]:
    """Return the baselines of a host's endpoints, one for each release and number of cards.

    Args:
        name: The host.
        report: The report of a run that looked at it.

    Returns:
        The baselines, each with the worst figures of its endpoints.

    Raises:
        InvalidInput: There is no endpoint, one is not ready or was never proved, or the cards are
            of several models.
    """
    host = report.hosts[name]
    model, driver = _find_card_model(name, host), str(host.versions.get("driver", ""))
    if not host.endpoints:
        raise InvalidInput(
            _("cannot record a baseline from {host}: none of its releases is served", host=name)
        )
    groups: dict[tuple[str, int], list[dict[str, float]]] = {}
    for one in host.endpoints:
        values = {field: getattr(one, field) for field in endpoint_baselines.FIGURES}
        figures = {field: value for field, value in values.items() if value is not None}
        if not one.is_ready or figures.keys() <= {"ready_s"}:
            raise InvalidInput(_describe_unusable(name, one))
        groups.setdefault((one.release, len(one.cards)), []).append(figures)
    now = time.time()
    return [
        endpoint_baselines.EndpointBaseline(
            release=release,
            cards=cards,
            model=model,
            host=name,
            driver=driver,
            taken=now,
            figures=endpoint_baselines.merge_figures(found),
        )
        for (release, cards), found in groups.items()
    ]
