"""Validation levels 3 and 4: the tests in files/validation.yml; the site's file of baselines."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, FiniteFloat

from fleet import paths
from fleet.documents import loading, site_tables
from fleet.documents.types import Bool, Int, Model, Name
from fleet.language import _
from fleet.vendor.cnvs import SuiteOutput
from fleet.vendor.endpoint_baselines import EndpointBaseline, EndpointTolerances

#: Name of the table of tests in `files/`.
TESTS_FILE = "validation.yml"
#: The site's baselines, relative to the project.
DEFAULT_BASELINE_FILE = "inventories/golden.yml"
#: Verdicts of a test.
PASSED, FAILED, SKIPPED = "PASSED", "FAILED", "SKIPPED"
#: Level of the first test; levels 1 and 2 are the probe and the smoke test.
FIRST_LEVEL = 3


class SuiteTest(Model):
    """One plugin of CNVS."""

    #: Name of the plugin.
    plugin: Name
    #: Validation level that includes it.
    level: Annotated[Int, Field(ge=3, le=4)]
    #: Approximate duration in seconds.
    seconds: Annotated[Int, Field(ge=1)]
    #: Time limit in seconds.
    timeout: Annotated[Int, Field(ge=1)]
    #: Whether it runs only if it is allowed explicitly.
    destructive: Bool = False
    #: Number of devices that it requires.
    cards: Annotated[Int, Field(ge=1)] = 1
    #: Path of a CNVS configuration file, where the suite runs.
    config: str = ""
    #: Configuration file in a source of the release, as SOURCE/PATH, for a suite in a container.
    source_config: str = ""


class Suite(Model):
    """The table of tests."""

    #: All tests.
    tests: Annotated[tuple[SuiteTest, ...], Field(min_length=1)]


class Baseline(Model):
    """The rates of one card model on a host that is known to be good."""

    #: Name of that host.
    host: str
    #: Its driver version.
    driver: str
    #: Time of the measurement, in seconds since the epoch.
    taken: FiniteFloat
    #: Plugin -> name of a rate -> its value; higher is better.
    rates: dict[str, dict[str, FiniteFloat]]


class Baselines(Model):
    """The site's baselines."""

    #: Fraction by which a rate may be lower than the baseline.
    tolerance: Annotated[FiniteFloat, Field(ge=0, lt=1)] = 0.1
    #: Card model such as "MLU370-X8" -> its baseline.
    models: dict[str, Baseline] = Field(default_factory=dict)
    #: How much worse than its baseline an endpoint may be.
    endpoint_tolerances: EndpointTolerances = EndpointTolerances()
    #: Baselines of served models.
    endpoints: tuple[EndpointBaseline, ...] = ()

    def find_endpoint(self, release: str, cards: int, model: str) -> EndpointBaseline | None:
        """Find the baseline of an endpoint.

        Args:
            release: Name of its release.
            cards: Number of its cards.
            model: Model of these cards.

        Returns:
            The baseline; None if there is none.
        """
        return next((one for one in self.endpoints if one.key == (release, cards, model)), None)

    def describe_shortfall(self, model: str, plugin: str, rates: dict[str, float]) -> str:
        """Describe which rates of a host are below the baseline.

        Args:
            model: Card model of the host.
            plugin: The plugin that measured them.
            rates: Name -> value.

        Returns:
            The description; "" if no rate is too low, or there is no baseline.
        """
        baseline = self.models.get(model)
        problems = []
        for name, value in (baseline.rates.get(plugin, {}) if baseline else {}).items():
            minimum = value * (1 - self.tolerance)
            if name not in rates:
                problems.append(
                    _(
                        "no value for {name}, which the baseline of {model} has",
                        name=name,
                        model=model,
                    )
                )
            elif rates[name] < minimum:
                problems.append(
                    _(
                        "{name} is {found:g}, the baseline of {model} requires at least "
                        "{minimum:g}",
                        name=name,
                        found=rates[name],
                        model=model,
                        minimum=minimum,
                    )
                )
        return "; ".join(problems)


def load_tests(level: int, path: str = "") -> tuple[SuiteTest, ...]:
    """Load the tests of a level and of all lower levels.

    Args:
        level: Validation level; below 3 there are no tests.
        path: The site's own table; "" for files/validation.yml.

    Returns:
        The tests, in the order of the file.

    Raises:
        InvalidInput: The file is missing or invalid.
    """
    if level < FIRST_LEVEL:
        return ()
    files = [Path(path)] if path else paths.find_existing(TESTS_FILE)
    tests = site_tables.load_table(Suite, files, {"tests": "plugin"}).tests
    return tuple(test for test in tests if test.level <= level)


@lru_cache
def load_baselines(path: str) -> Baselines:
    """Load the site's baselines.

    Args:
        path: The file. :data:`DEFAULT_BASELINE_FILE` may be missing; "" means no baselines.

    Returns:
        The baselines.

    Raises:
        InvalidInput: The file is missing or invalid.
    """
    if not path or (path == DEFAULT_BASELINE_FILE and not os.path.exists(path)):
        return Baselines()
    data, node = loading.read_mapping(Path(path))
    return loading.validate_document(Baselines, data, Path(path), node)


def evaluate_output(
    output: SuiteOutput, plugin: str, model: str, baselines: Baselines
) -> tuple[str, str]:
    """Decide whether a test passed: the suite's verdict first, then the baseline.

    Args:
        output: What the plugin printed.
        plugin: Name of the plugin.
        model: Card model of the host; "" if it is unknown.
        baselines: The site's baselines.

    Returns:
        :data:`PASSED` or :data:`FAILED`, and the reason or a note ("" if there is none).
    """
    if not output.passed:
        return FAILED, output.reason
    if shortfall := baselines.describe_shortfall(model, plugin, output.rates):
        return FAILED, shortfall
    if output.rates and model not in baselines.models:
        return PASSED, (
            _("according to the suite only: no baseline for {model}", model=model)
            if model
            else _("according to the suite only: no baseline for this card model")
        )
    return PASSED, ""
