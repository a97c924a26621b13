"""The vendor's validation suite on the host itself, if the inventory asks for level 3 or 4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyinfra import host as context_host
from pyinfra.api import operation

from fleet.errors import Failure
from fleet.release.model import compute_digest
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


def requested_tests(options: HostOptions) -> tuple[suite.SuiteTest, ...]:
    """Return the tests of the levels that the host's data asks for.

    Args:
        options: The options of the host.
    """
    return suite.load_tests(options.validation, options.validation_tests)


def skip_reason(test: suite.SuiteTest, facts: HostFacts, options: HostOptions) -> str:
    """Return why a test is not run, or "" if it is; a skipped test has not passed.

    Args:
        test: The test.
        facts: The host.
        options: The options of the host.
    """
    if "cnvs" not in facts.tools:
        return "cnvs is not on the host"
    if test.cards > len(facts.present_cards):
        return f"it needs {test.cards} cards"
    if test.destructive and not options.validation_destructive:
        return "it is destructive, and `validation_destructive: true` is not said"
    return ""


def runnable_tests(facts: HostFacts, options: HostOptions) -> list[suite.SuiteTest]:
    """Return the requested tests that the host can run.

    Args:
        facts: The host.
        options: The options of the host.
    """
    return [test for test in requested_tests(options) if not skip_reason(test, facts, options)]


def card_model(facts: HostFacts) -> str:
    """Return the model of all cards, or "" if it is unknown or they differ.

    Args:
        facts: The host.
    """
    names = {facts.card_model(card) for card in facts.present_cards}
    return names.pop() if len(names) == 1 else ""


def input_digest(facts: HostFacts, options: HostOptions) -> str:
    """Return the digest of everything that passed tests depend on, serial numbers included.

    Args:
        facts: The host.
        options: The options of the host.
    """
    baselines = suite.load_baselines(options.golden)
    baseline = baselines.models.get(card_model(facts))
    return compute_digest(
        [
            [test.model_dump() for test in runnable_tests(facts, options)],
            facts.loaded_driver,
            sorted(card.address for card in facts.present_cards),
            sorted(facts.board_serials.items()),
            [baselines.tolerance, baseline.rates] if baseline else None,
        ]
    )[:16]


def has_passed(facts: HostFacts, options: HostOptions) -> bool:
    """Return whether the tests have passed with everything as it is now.

    Args:
        facts: The host.
        options: The options of the host.
    """
    return facts.stamps.get("validation") == input_digest(facts, options)


def known_verdicts(facts: HostFacts, options: HostOptions) -> dict[str, dict[str, str]]:
    """Return verdict and reason of each plugin, as far as they are known before any test is run.

    Args:
        facts: The host.
        options: The options of the host.
    """
    passed = {"verdict": suite.PASSED, "why": "before, and nothing has changed since"}
    waiting = {"verdict": suite.SKIPPED, "why": "it has not been run"}
    tests = requested_tests(options)
    known = passed if tests and has_passed(facts, options) else waiting
    reasons = {test.plugin: skip_reason(test, facts, options) for test in tests}
    return {
        plugin: {"verdict": suite.SKIPPED, "why": reason} if reason else known
        for plugin, reason in reasons.items()
    }


def describe_skipped(facts: HostFacts, options: HostOptions) -> str:
    """Name the tests that are not run and why, or "" if all are.

    Args:
        facts: The host.
        options: The options of the host.
    """
    by_reason: dict[str, list[str]] = {}
    for test in requested_tests(options):
        if reason := skip_reason(test, facts, options):
            by_reason.setdefault(reason, []).append(test.plugin)
    skipped = (f"{', '.join(plugins)}: {reason}" for reason, plugins in by_reason.items())
    return f"not validated: {'; '.join(skipped)}" if by_reason else ""


def decide(spec: HostSpec, facts: HostFacts) -> Decision:
    """Run the tests unless they have passed before and nothing has changed since.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    options = spec.options
    due = runnable_tests(facts, options)
    if not due or (has_passed(facts, options) and not options.validation_again):
        return Plan()
    minutes = sum(test.seconds for test in due) / 60
    words = f"validate by {', '.join(test.plugin for test in due)} (about {minutes:.0f} minutes)"
    return Plan((Action((words,), lambda _: _run_tests(spec, facts)),))


def _run_tests(spec: HostSpec, facts: HostFacts) -> Iterator[HostCommand]:
    """Run the tests one by one, on free cards; each verdict is reported at once."""
    options = spec.options
    if facts.card_users:
        yield WaitForCards(spec.target, options.busy_timeout, lambda now: now.card_users)
    baselines, host = suite.load_baselines(options.golden), unwrap_host(context_host)
    failed = []
    for test in runnable_tests(facts, options):
        lines: list[str] = []
        yield _run_test(test, lines)
        output = cnvs.parse(lines, test.plugin)
        verdict, reason = suite.evaluate_output(output, test.plugin, card_model(facts), baselines)
        result: dict[str, Any] = {"verdict": verdict, "why": reason, "rates": output.rates}
        emit_event(host, "validated", plugin=test.plugin, **result)
        if verdict == suite.FAILED:
            failed.append(f"{test.plugin}: {reason}")
    if failed:
        yield FailHost(Failure("VALIDATION", "; ".join(failed)))
    yield RemoteJob(
        "stamping the validation",
        "stamp",
        "validation",
        input_digest(facts, options),
        code="VALIDATION",
    )


def _run_test(test: suite.SuiteTest, lines: list[str]) -> RemoteJob:
    """Run one test; its output is appended to the lines."""
    return RemoteJob(
        f"level {test.level}: cnvs {test.plugin} (about {test.seconds} s)",
        "cnvs",
        test.plugin,
        test.config,
        code="VALIDATION",
        timeout=test.timeout,
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
