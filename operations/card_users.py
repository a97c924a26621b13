"""Processes that use a host's cards, and how long to wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gevent
from pyinfra import logger
from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _, join
from fleet.release.target import HostTarget
from operations.host.command import HostCommand
from operations.host.context import run_context
from operations.host.facts import CardUser, HostFacts
from operations.host.probe import invalidate_facts, probe_host


def list_others(facts: HostFacts) -> list[CardUser]:
    """Return the processes on a card that do not run in a container of a release.

    One that belongs to no release any more is ours as well: its servers may hold cards until it is
    removed.

    Args:
        facts: The host.
    """
    ours = {container.id for container in facts.containers if container.spec_digest}
    ours.update(facts.running_orphans)
    return [user for user in facts.card_users if user.container not in ours]


def format_users(users: list[CardUser]) -> str:
    """Name processes on cards in one line.

    Args:
        users: The processes.
    """
    return join(", ", map(str, users))


class WaitForCards(HostCommand):
    """Waits until jobs have left the cards of a host, and fails the host if they do not."""

    def __init__(
        self,
        target: HostTarget,
        timeout: int,
        select_jobs: Callable[[HostFacts], list[CardUser] | Failure] = list_others,
    ) -> None:
        """Prepare to wait.

        Args:
            target: The desired state of the host, for its probe.
            timeout: Seconds that the jobs may still take.
            select_jobs: Selects the jobs to wait for from the facts of the host; by default
                those that do not belong to its releases. A failure says why they are not known,
                which may pass while there is time.
        """
        super().__init__(_("waiting up to {timeout} s for the cards", timeout=timeout))
        self.host_target, self.timeout, self.select_jobs = target, timeout, select_jobs

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        deadline = time.monotonic() + self.timeout
        while True:
            invalidate_facts(host)
            facts = probe_host(host, self.host_target)
            if isinstance(facts, Failure):
                return facts
            jobs, left = self.select_jobs(facts), deadline - time.monotonic()
            if not isinstance(jobs, Failure):
                if not jobs:
                    return None
                jobs = Failure("CARD_BUSY", format_users(jobs))
            if left < 0 or run_context(host).stop.requested:
                said = _("{jobs}, after {seconds} s", jobs=jobs.detail, seconds=self.timeout)
                return replace(jobs, detail=said)
            logger.info(
                host.print_prefix
                + _(
                    "waiting for {detail}, {left:.0f} s left",
                    detail=jobs.detail,
                    left=left,
                )
            )
            gevent.sleep(min(10, max(left, 0.5)))
