"""Levels 3 and 4 of a host's proof: tests of files/validation.yml, and what a good host does."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, FiniteFloat

from fleet import paths
from fleet.documents import loading, site_tables
from fleet.documents.types import Bool, Int, Model, Name
from fleet.vendor.cnvs import SuiteOutput

TESTS_FILE = "validation.yml"
#: thresholds of the site, beside its inventories
DEFAULT_BASELINE_FILE = "inventories/golden.yml"
PASSED, FAILED, SKIPPED = "PASSED", "FAILED", "SKIPPED"


class SuiteTest(Model):
    """One plugin of CNVS."""

    __test__ = False  # it is none of pytest's

    plugin: Name
    level: Annotated[Int, Field(ge=3, le=4)]
    #: about how long it takes
    seconds: Annotated[Int, Field(ge=1)]
    #: seconds until it is ended
    timeout: Annotated[Int, Field(ge=1)]
    #: whether it runs only where that is allowed by name
    destructive: Bool = False
    #: devices that it needs
    cards: Annotated[Int, Field(ge=1)] = 1
    #: a configuration of CNVS's on the host
    config: str = ""


class Suite(Model):
    tests: Annotated[tuple[SuiteTest, ...], Field(min_length=1)]


class Baseline(Model):
    """What the cards of one model did on a host that is known to be good."""

    host: str
    driver: str
    #: seconds since the epoch
    taken: FiniteFloat
    #: plugin -> name of a rate -> its value; more is better
    rates: dict[str, dict[str, FiniteFloat]]


class Baselines(Model):
    #: part of a value that another host may have less
    tolerance: Annotated[FiniteFloat, Field(ge=0, lt=1)] = 0.1
    #: by card model, as "MLU370-X8"
    models: dict[str, Baseline] = Field(default_factory=dict)

    def describe_shortfall(self, model: str, plugin: str, rates: dict[str, float]) -> str:
        """Which rates of a host are too low for its card model; "" where none is."""
        good = self.models.get(model)
        wanted = good.rates.get(plugin, {}) if good else {}
        said = []
        for name, value in wanted.items():
            least = value * (1 - self.tolerance)
            if name not in rates:
                said.append(f"no {name}, which a good {model} has")
            elif rates[name] < least:
                said.append(f"{name}: {rates[name]:g}, a good {model} has {least:g} or more")
        return "; ".join(said)


def load_tests(level: int, path: str = "") -> tuple[SuiteTest, ...]:
    """Those of a level and of all below it.

    :param path: of the site's own table; "" is files/validation.yml
    :raises InvalidInput: the file is not as the models say
    """
    if level < 3:
        return ()
    files = [Path(path)] if path else paths.find_existing(TESTS_FILE)
    every = site_tables.load_table(Suite, files, {"tests": "plugin"}).tests
    return tuple(test for test in every if test.level <= level)


@lru_cache
def load_baselines(path: str) -> Baselines:
    """Thresholds from a file; the default one may be missing, and "" stands for none.

    :raises InvalidInput: the file is missing or wrong
    """
    if not path or (path == DEFAULT_BASELINE_FILE and not os.path.exists(path)):
        return Baselines()
    data, node = loading.read_mapping(Path(path))
    return loading.validate_document(Baselines, data, Path(path), node)


def evaluate_output(
    output: SuiteOutput, plugin: str, model: str, baselines: Baselines
) -> tuple[str, str]:
    """Verdict of a test and why: the suite's own word first, then what a good host does."""
    if not output.passed:
        return FAILED, output.reason
    if short := baselines.describe_shortfall(model, plugin, output.rates):
        return FAILED, short
    if output.rates and model not in baselines.models:
        return PASSED, f"by its own word: no good {model or 'card of this model'} is known"
    return PASSED, ""
