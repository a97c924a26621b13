"""The vendor's validation suite on the host itself, where its data asks for level 3 or 4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyinfra import host as context_host
from pyinfra.api import operation

from fleet.errors import Failure
from fleet.release.model import compute_digest
from fleet.release.target import ReleaseTarget
from fleet.vendor import cnvs
from fleet.vendor import validation_suite as suite
from operations.driver import WaitForCards
from operations.host.command import HostCommand
from operations.host.context import emit_event
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.host.probe import unwrap_host
from operations.stage import Decision, FailHost, HostOptions, OperationCommands, Stage


def requested_tests(options: HostOptions) -> tuple[suite.SuiteTest, ...]:
    """The tests of the levels that a host's data says."""
    return suite.load_tests(options.validation, options.validation_tests)


def skip_reason(test: suite.SuiteTest, facts: HostFacts, options: HostOptions) -> str:
    """Why a test is not run; "" where it is. What is skipped has not passed."""
    if "cnvs" not in facts.tools:
        return "cnvs is not on the host"
    if test.cards > len(facts.present_cards):
        return f"it needs {test.cards} cards"
    if test.destructive and not options.validation_destructive:
        return "it is destructive, and `validation_destructive: true` is not said"
    return ""


def runnable_tests(facts: HostFacts, options: HostOptions) -> list[suite.SuiteTest]:
    return [test for test in requested_tests(options) if not skip_reason(test, facts, options)]


def card_model(facts: HostFacts) -> str:
    """Of all cards; "" where they are of several, or it is not known."""
    names = {facts.card_model(card) for card in facts.present_cards}
    return names.pop() if len(names) == 1 else ""


def input_digest(facts: HostFacts, options: HostOptions) -> str:
    """Everything that passed tests stand on: a board that was changed is another host."""
    good = suite.load_baselines(options.golden)
    found = good.models.get(card_model(facts))
    return compute_digest(
        [
            [test.model_dump() for test in runnable_tests(facts, options)],
            facts.loaded_driver,
            sorted(card.address for card in facts.present_cards),
            sorted(facts.board_serials.items()),
            [good.tolerance, found.rates] if found else None,
        ]
    )[:16]


def has_passed(facts: HostFacts, options: HostOptions) -> bool:
    return facts.stamps.get("validation") == input_digest(facts, options)


def known_verdicts(facts: HostFacts, options: HostOptions) -> dict[str, dict[str, str]]:
    """Plugin -> verdict and why, as far as it is known before anything is run."""
    passed = {"verdict": suite.PASSED, "why": "before, and nothing has changed since"}
    waiting = {"verdict": suite.SKIPPED, "why": "it has not been run"}
    known = passed if requested_tests(options) and has_passed(facts, options) else waiting
    return {
        test.plugin: {"verdict": suite.SKIPPED, "why": why}
        if (why := skip_reason(test, facts, options))
        else known
        for test in requested_tests(options)
    }


def describe_skipped(facts: HostFacts, options: HostOptions) -> str:
    """What the operator is told of tests that do not run; "" where all do."""
    by_reason: dict[str, list[str]] = {}
    for test in requested_tests(options):
        if why := skip_reason(test, facts, options):
            by_reason.setdefault(why, []).append(test.plugin)
    said = (f"{', '.join(plugins)}: {why}" for why, plugins in by_reason.items())
    return f"not validated: {'; '.join(said)}" if by_reason else ""


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    due = runnable_tests(facts, options)
    if not due or (has_passed(facts, options) and not options.validation_again):
        return []
    minutes = sum(test.seconds for test in due) / 60
    return [f"validate by {', '.join(test.plugin for test in due)} (about {minutes:.0f} minutes)"]


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    if facts.card_users:
        yield WaitForCards(target, options.busy_timeout, lambda seen: seen.card_users)
    good, host = suite.load_baselines(options.golden), unwrap_host(context_host)
    failed = []
    for test in runnable_tests(facts, options):
        lines: list[str] = []
        yield RemoteJob(
            f"level {test.level}: cnvs {test.plugin} (about {test.seconds} s)",
            "cnvs",
            test.plugin,
            test.config,
            code="VALIDATION",
            timeout=test.timeout,
            check_output=lines.extend,
        )
        said = cnvs.parse(lines, test.plugin)
        verdict, why = suite.evaluate_output(said, test.plugin, card_model(facts), good)
        result: dict[str, Any] = {"verdict": verdict, "why": why, "rates": said.rates}
        emit_event(host, "validated", plugin=test.plugin, **result)
        if verdict == suite.FAILED:
            failed.append(f"{test.plugin}: {why}")
    if failed:
        yield FailHost(Failure("VALIDATION", "; ".join(failed)), "")
    yield RemoteJob(
        "stamping the validation",
        "stamp",
        "validation",
        input_digest(facts, options),
        code="VALIDATION",
    )


STAGE = Stage("validation", decide, act, "VALIDATION", host_wide=True)


@operation()
def passed(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """The vendor's suite has found nothing wrong, up to the level that the host's data says."""
    yield from STAGE.converge(target, options)
