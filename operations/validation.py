"""The vendor's validation suite on the host itself, where its data asks for level 3 or 4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyinfra import host as context_host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.errors import Failure
from fleet.release.model import digest
from fleet.release.target import Wanted
from fleet.vendor import cnvs
from fleet.vendor import validation_suite as suite
from operations.driver import WaitForCards
from operations.host import events
from operations.host.facts import HostState
from operations.host.job import Step
from operations.host.probe import real
from operations.stage import Body, Decision, Options, Refusal, Stage


def asked(options: Options) -> tuple[suite.Test, ...]:
    """The tests of the levels that a host's data says."""
    return suite.tests(options.validation, options.validation_tests)


def skipped(test: suite.Test, state: HostState, options: Options) -> str:
    """Why a test is not run; "" where it is. What is skipped has not passed."""
    if "cnvs" not in state.tools:
        return "cnvs is not on the host"
    if test.cards > len(state.present):
        return f"it needs {test.cards} cards"
    if test.destructive and not options.validation_destructive:
        return "it is destructive, and `validation_destructive: true` is not said"
    return ""


def runnable(state: HostState, options: Options) -> list[suite.Test]:
    return [test for test in asked(options) if not skipped(test, state, options)]


def model(state: HostState) -> str:
    """Of all cards; "" where they are of several, or it is not known."""
    names = {state.model(card) for card in state.present}
    return names.pop() if len(names) == 1 else ""


def inputs(state: HostState, options: Options) -> str:
    """Everything that passed tests stand on: a board that was changed is another host."""
    good = suite.golden(options.golden)
    found = good.models.get(model(state))
    return digest(
        [
            [test.model_dump() for test in runnable(state, options)],
            state.loaded,
            sorted(card.address for card in state.present),
            sorted(state.serials.items()),
            [good.tolerance, found.rates] if found else None,
        ]
    )[:16]


def proved(state: HostState, options: Options) -> bool:
    return state.stamps.get("validation") == inputs(state, options)


def found(state: HostState, options: Options) -> dict[str, dict[str, str]]:
    """Plugin -> verdict and why, as far as it is known before anything is run."""
    passed = {"verdict": suite.PASSED, "why": "before, and nothing has changed since"}
    waiting = {"verdict": suite.SKIPPED, "why": "it has not been run"}
    known = passed if asked(options) and proved(state, options) else waiting
    return {
        test.plugin: {"verdict": suite.SKIPPED, "why": why}
        if (why := skipped(test, state, options))
        else known
        for test in asked(options)
    }


def left_out(state: HostState, options: Options) -> str:
    """What the operator is told of tests that do not run; "" where all do."""
    by_reason: dict[str, list[str]] = {}
    for test in asked(options):
        if why := skipped(test, state, options):
            by_reason.setdefault(why, []).append(test.plugin)
    said = (f"{', '.join(plugins)}: {why}" for why, plugins in by_reason.items())
    return f"not validated: {'; '.join(said)}" if by_reason else ""


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    due = runnable(state, options)
    if not due or (proved(state, options) and not options.validation_again):
        return []
    minutes = sum(test.seconds for test in due) / 60
    return [f"validate by {', '.join(test.plugin for test in due)} (about {minutes:.0f} minutes)"]


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    if state.holders:
        yield WaitForCards(wanted, options.busy_timeout, lambda seen: seen.holders)
    good, host = suite.golden(options.golden), real(context_host)
    failed = []
    for test in runnable(state, options):
        lines: list[str] = []
        yield Step(
            f"level {test.level}: cnvs {test.plugin} (about {test.seconds} s)",
            "cnvs",
            test.plugin,
            test.config,
            code="VALIDATION",
            timeout=test.timeout,
            judge=lines.extend,
        )
        said = cnvs.read(lines, test.plugin)
        verdict, why = suite.judged(said, test.plugin, model(state), good)
        result: dict[str, Any] = {"verdict": verdict, "why": why, "rates": said.rates}
        events.emit(host.name, "validated", plugin=test.plugin, **result)
        if verdict == suite.FAILED:
            failed.append(f"{test.plugin}: {why}")
    if failed:
        yield Refusal(Failure("VALIDATION", "; ".join(failed)), "")
    yield Step(
        "stamping the validation", "stamp", "validation", inputs(state, options), code="VALIDATION"
    )


STAGE = Stage("validation", decide, act, "VALIDATION", shared=True)


@operation()
def passed(wanted: Wanted, options: Options) -> Body:
    """The vendor's suite has found nothing wrong, up to the level that the host's data says."""
    yield from STAGE.carry(wanted, options)
