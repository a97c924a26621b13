"""Looks at a host that was set up by hand, without changing anything on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pyinfra.api import Host

from operations.adoption.findings import Finding
from operations.stages import HostPlan

#: looks at one kind of thing on a host and says what of it the release could use
Inspector = Callable[[Host, HostPlan], Iterable[Finding]]

#: all inspectors, in the order in which their findings are shown
INSPECTORS: tuple[Inspector, ...] = ()


def survey_host(host: Host, plan: HostPlan) -> list[Finding]:
    """Return what a host already has of its releases, and what is in the way.

    Args:
        host: A connected host that was just probed.
        plan: Its desired state, its facts and its drift.

    Returns:
        The findings of all inspectors.
    """
    return [finding for inspect in INSPECTORS for finding in inspect(host, plan)]
