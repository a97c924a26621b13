"""Looks at a host that was set up by hand, without changing anything on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pyinfra.api import Host

from fleet.errors import Failure
from operations.adoption.checkouts import inspect_checkouts
from operations.adoption.container_contents import inspect_packages, inspect_patches
from operations.adoption.driver import inspect_cards, inspect_driver
from operations.adoption.engine import inspect_engine
from operations.adoption.files import inspect_files
from operations.adoption.findings import Finding, Relation
from operations.adoption.trees import inspect_trees
from operations.host import connection
from operations.host.inspection import InspectionFailed
from operations.host.probe import capture_failure
from operations.stages import HostPlan

#: looks at one kind of thing on a host and says what of it the release could use, or what is in
#: the way; may run read-only scripts with :func:`operations.host.inspection.ask_host`. Named
#: `inspect_THINGS`
Inspector = Callable[[Host, HostPlan], Iterable[Finding]]

#: all inspectors, in the order in which their findings are shown
INSPECTORS: tuple[Inspector, ...] = (
    inspect_cards,
    inspect_driver,
    inspect_engine,
    inspect_files,
    inspect_checkouts,
    inspect_trees,
    inspect_patches,
    inspect_packages,
)
#: those whose findings can block an adoption; they read no file of weights, sources or trees
BLOCKING_INSPECTORS: tuple[Inspector, ...] = (inspect_driver, inspect_engine)


def survey_host(
    host: Host, plan: HostPlan, inspectors: Iterable[Inspector] | None = None
) -> list[Finding] | Failure:
    """Return what a host already has of its releases, and what is in the way.

    An inspector that fails says so of its own subject; the others continue.

    Args:
        host: A connected host that was just probed.
        plan: Its desired state, its facts and its drift.
        inspectors: What is looked at (default: everything).

    Returns:
        The findings of these inspectors; or why nothing is known of the host.
    """
    if isinstance(plan.facts, Failure):
        return plan.facts
    findings: list[Finding] = []
    for inspect in INSPECTORS if inspectors is None else inspectors:
        found = _inspect(host, plan, inspect)
        if not isinstance(found, Failure):
            findings += found
        elif connection.is_lost(host):
            return found
        else:
            findings.append(_describe_failure(inspect, found))
    return findings


def _inspect(host: Host, plan: HostPlan, inspect: Inspector) -> list[Finding] | Failure:
    def ask() -> list[Finding] | Failure:
        try:
            return list(inspect(host, plan))
        except InspectionFailed as error:
            return error.failure

    return capture_failure(host, ask)


def _describe_failure(inspect: Inspector, failure: Failure) -> Finding:
    subject = inspect.__name__.removeprefix("inspect_").replace("_", " ")
    said = (f"{failure.code}: {failure.sentence}", *failure.tail[-3:])
    return Finding(subject, Relation.UNKNOWN, differences=said)
