"""The vendor's validation suite (CNVS), if the inventory asks for level 3 or 4.

It runs on the host where the host has it, else in the container of a release that has it and all
of the host's cards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pyinfra import host as context_host
from pyinfra.api import operation

from fleet.errors import Failure
from fleet.language import _
from fleet.release.model import compute_digest
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.text.word_lists import join_clauses
from fleet.vendor import cnvs
from fleet.vendor import validation_suite as suite
from operations.card_users import WaitForCards
from operations.host.command import HostCommand
from operations.host.context import emit_event
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.host.probe import unwrap_host
from operations.stage import (
    Action,
    Decision,
    FailHost,
    HostOptions,
    HostSpec,
    HostStage,
    OperationCommands,
    Plan,
)

#: Seconds that a job may take longer than the limit inside a container.
EXEC_GRACE_S = 30
#: Name of the suite's package.
SUITE_PACKAGE = "cnvs"


@dataclass(frozen=True)
class SuitePlace:
    """Where the suite runs.

    Attributes:
        release: The release in whose container it is; None for the host itself.
    """

    release: ReleaseTarget | None = None

    @property
    def container(self) -> str:
        """Name of the container; "" for the host."""
        return self.release.release.container.name if self.release else ""

    def find_config(self, test: suite.SuiteTest) -> str:
        """Find the configuration file of a test.

        Args:
            test: The test.

        Returns:
            The path where the suite runs; "" for the suite's own defaults.
        """
        if self.release is None:
            return test.config
        name, _slash, path = test.source_config.partition("/")
        sources = [source for source in self.release.release.sources if source.name == name]
        return f"{sources[0].path}/{path}" if sources else test.config

    def describe(self, test: suite.SuiteTest) -> str:
        """Describe where a test runs, and with which configuration file.

        Args:
            test: The test.

        Returns:
            A phrase such as "container torch, cnvs_pcie.yml".
        """
        where = _("container {name}", name=self.container) if self.release else _("host")
        config = self.find_config(test)
        return f"{where}, {PurePosixPath(config).name}" if config else where


def find_suite(target: HostTarget, facts: HostFacts) -> SuitePlace | None:
    """Find the suite on the host, or in a container that has it or is about to get it.

    Args:
        target: The desired state of the host.
        facts: The host.

    Returns:
        Where it is; None if it is nowhere. A container that has only some of the host's cards
        does not count.
    """
    if "cnvs" in facts.tools:
        return SuitePlace()
    numbers = list(range(len(facts.present_cards)))
    for release in target.releases:
        found = facts.releases[release.key].container
        names = [package.package for package in release.release.packages.system]
        has_suite = bool(found and found.has_suite) or SUITE_PACKAGE in names
        if has_suite and sorted(release.card_numbers(len(numbers))) == numbers:
            return SuitePlace(release)
    return None


def requested_tests(options: HostOptions) -> tuple[suite.SuiteTest, ...]:
    """Return the tests of the levels that the host's data asks for.

    Args:
        options: The options of the host.
    """
    return suite.load_tests(options.validation, options.validation_tests)


def skip_reason(test: suite.SuiteTest, spec: HostSpec, facts: HostFacts) -> str:
    """Return why a test is not run, or "" if it is; a skipped test has not passed.

    Args:
        test: The test.
        spec: The desired state of the host.
        facts: The host.
    """
    if find_suite(spec.target, facts) is None:
        return _("cnvs is neither on the host nor in a container with all of its cards")
    if test.cards > len(facts.present_cards):
        return _("it needs {cards} cards", cards=test.cards)
    if test.destructive and not spec.options.validation_destructive:
        return _("it is destructive, and `validation_destructive: true` is not said")
    return ""


def runnable_tests(spec: HostSpec, facts: HostFacts) -> list[suite.SuiteTest]:
    """Return the requested tests that the host can run.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    tests = requested_tests(spec.options)
    return [test for test in tests if not skip_reason(test, spec, facts)]


def card_model(facts: HostFacts) -> str:
    """Return the model of all cards, or "" if it is unknown or they differ.

    Args:
        facts: The host.
    """
    names = {facts.card_model(card) for card in facts.present_cards}
    return names.pop() if len(names) == 1 else ""


def input_digest(spec: HostSpec, facts: HostFacts) -> str:
    """Return the digest of everything that passed tests depend on, serial numbers included.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    baselines = suite.load_baselines(spec.options.golden)
    baseline = baselines.models.get(card_model(facts))
    tests = runnable_tests(spec, facts)
    inputs: list[Any] = [
        [test.model_dump(exclude={"source_config"}) for test in tests],
        facts.loaded_driver,
        sorted(card.address for card in facts.present_cards),
        sorted(facts.board_serials.items()),
        [baselines.tolerance, baseline.rates] if baseline else None,
    ]
    place = find_suite(spec.target, facts)
    if place and place.release:
        lock = place.release.lock
        commits = [lock.commits.get(test.source_config.partition("/")[0]) for test in tests]
        inputs += [lock.image.id, commits, [place.find_config(test) for test in tests]]
    return compute_digest(inputs)[:16]


def has_passed(spec: HostSpec, facts: HostFacts) -> bool:
    """Return whether the tests have passed with everything as it is now.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    return facts.stamps.get("validation") == input_digest(spec, facts)


def known_verdicts(spec: HostSpec, facts: HostFacts) -> dict[str, dict[str, str]]:
    """Return the verdict on each plugin, as far as it is known before any test is run.

    Args:
        spec: The desired state of the host.
        facts: The host.

    Returns:
        Plugin -> verdict, reason, and where the suite is.
    """
    tests = requested_tests(spec.options)
    is_passed = bool(tests) and has_passed(spec, facts)
    place, verdicts = find_suite(spec.target, facts), {}
    for test in tests:
        reason = skip_reason(test, spec, facts)
        verdict = suite.PASSED if is_passed and not reason else suite.SKIPPED
        known = (
            _("before, and nothing has changed since") if is_passed else _("it has not been run")
        )
        where = place.describe(test) if place and not reason else ""
        verdicts[test.plugin] = {"verdict": verdict, "why": reason or known, "where": where}
    return verdicts


def describe_skipped(spec: HostSpec, facts: HostFacts) -> str:
    """Name the tests that are not run and why, or "" if all are.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    by_reason: dict[str, list[str]] = {}
    for test in requested_tests(spec.options):
        if reason := skip_reason(test, spec, facts):
            by_reason.setdefault(reason, []).append(test.plugin)
    skipped = (f"{', '.join(plugins)}: {reason}" for reason, plugins in by_reason.items())
    return _("not validated: {skipped}", skipped=join_clauses(skipped)) if by_reason else ""


def decide(spec: HostSpec, facts: HostFacts) -> Decision:
    """Run the tests unless they have passed before and nothing has changed since.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    options = spec.options
    due, place = runnable_tests(spec, facts), find_suite(spec.target, facts)
    if not due or (has_passed(spec, facts) and not options.validation_again):
        return Plan()
    minutes = sum(test.seconds for test in due) / 60
    tests = ", ".join(test.plugin for test in due)
    words = _(
        "validate by {tests} (about {minutes:.0f} minutes)",
        tests=tests,
        minutes=minutes,
    )
    if place and place.release:
        words = _(
            "validate by {tests} (about {minutes:.0f} minutes) in container {container}",
            tests=tests,
            minutes=minutes,
            container=place.container,
        )
    return Plan((Action((words,), lambda _: _run_tests(spec, facts)),))


def _run_tests(spec: HostSpec, facts: HostFacts) -> Iterator[HostCommand]:
    """Run the tests one by one, on free cards; each verdict is reported at once."""
    options = spec.options
    if facts.card_users:
        yield WaitForCards(spec.target, options.busy_timeout, lambda now: now.card_users)
    baselines, host = suite.load_baselines(options.golden), unwrap_host(context_host)
    failed, place = [], find_suite(spec.target, facts) or SuitePlace()
    for test in runnable_tests(spec, facts):
        lines: list[str] = []
        yield _run_test(test, place, lines)
        output = cnvs.parse(lines, test.plugin)
        verdict, reason = suite.evaluate_output(output, test.plugin, card_model(facts), baselines)
        result: dict[str, Any] = {"verdict": verdict, "why": reason, "rates": output.rates}
        result["where"] = place.describe(test)
        emit_event(host, "validated", plugin=test.plugin, **result)
        if verdict == suite.FAILED:
            failed.append(f"{test.plugin}: {reason}")
    if failed:
        yield FailHost(Failure("VALIDATION", join_clauses(failed)))
    yield RemoteJob(
        _("stamping the validation"),
        "stamp",
        "validation",
        input_digest(spec, facts),
        code="VALIDATION",
    )


def _run_test(test: suite.SuiteTest, place: SuitePlace, lines: list[str]) -> RemoteJob:
    """Run one test; its output is appended to the lines."""
    return RemoteJob(
        _(
            "level {level}: cnvs {plugin} (about {seconds} s)",
            level=test.level,
            plugin=test.plugin,
            seconds=test.seconds,
        ),
        "cnvs",
        test.plugin,
        place.find_config(test),
        place.container,
        str(test.timeout),
        code="VALIDATION",
        timeout=test.timeout + (EXEC_GRACE_S if place.container else 0),
        check_output=lines.extend,
    )


STAGE = HostStage("validation", decide, "VALIDATION")


@operation()
def passed(spec: HostSpec) -> OperationCommands:
    """Run the vendor's suite up to the level that the host's data asks for.

    Args:
        spec: The desired state of the host.
    """
    yield from STAGE.bind(spec.target).converge(spec)
