"""Containers and processes of somebody else in a release's way, and who may stop them.

A container that this tool did not make is stopped only where `evict` of the inventory or
`--stop NAME` allows it. What it was is recorded on the host, and the command that undoes it is
printed (`files/scripts/container.sh`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fleet.errors import Failure
from fleet.language import _
from fleet.release.target import ReleaseTarget
from operations import card_users, engine
from operations.card_users import WaitForCards
from operations.host.command import HostCommand
from operations.host.facts import CardUser, HostFacts
from operations.host.job import RemoteJob
from operations.stage import Action, HostOptions, HostSpec


def may_end(user: CardUser, options: HostOptions) -> bool:
    """Return whether a process may be ended; kubelet would restart a pod's at once.

    Args:
        user: A process that uses a card.
        options: What the inventory and the operator allow.
    """
    if user.supervisor == "pod":
        return False
    return options.evict or (bool(user.container) and user.supervisor_name in options.stop)


def end_users(users: Iterable[CardUser], code: str = "CARD_BUSY") -> Iterator[HostCommand]:
    """Give the commands that end processes; docker's containers are stopped as a whole, once.

    Args:
        users: The processes, all of which may be ended.
        code: Failure code if one cannot be ended.
    """
    stopped = set()
    for user in users:
        if user.supervisor != "docker":
            yield RemoteJob(
                _("evicting {command} ({pid})", command=user.command, pid=user.pid),
                "evict",
                str(user.pid),
                user.container,
                user.supervisor,
                user.supervisor_name,
                code=code,
            )
        elif user.container not in stopped:
            stopped.add(user.container)
            name = user.supervisor_name or user.container[:12]
            yield RemoteJob(
                _("stopping container {name}", name=name),
                "container",
                "stop",
                user.container,
                code=code,
            )


def list_holders(target: ReleaseTarget, facts: HostFacts) -> list[CardUser] | Failure:
    """Return the processes in containers of somebody else that hold cards of a release.

    A release whose own container exists shares its cards with them already.

    Args:
        target: The release.
        facts: The host.

    Returns:
        The processes; a failure if docker did not say which containers are there.
    """
    found = facts.releases[target.key]
    if "container" in found.unanswered_queries:
        return engine.check_answers(target, found) or []
    if not facts.engine_version:
        return []  # no container of a release can run yet
    if found.container and not found.container.is_foreign:
        return []
    numbers = set(target.card_numbers(len(facts.present_cards)))
    return [
        user
        for user in card_users.list_others(facts)
        if user.container and user.supervisor != "pod" and numbers & set(user.cards)
    ]


def check_permission(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Failure | None:
    """Check that what occupies name or cards of a release's container may be stopped.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
        facts: The host.

    Returns:
        Why it may not be stopped, or why nobody knows what is there; None if it may.
    """
    holders = list_holders(target, facts)
    if isinstance(holders, Failure):
        return holders
    name, container = target.release.container.name, facts.releases[target.key].container
    allowed = spec.options.evict or name in spec.options.stop
    if container and container.is_foreign and container.has_process and not allowed:
        return Failure(
            "CONTAINER_FOREIGN", _("{name} ({id}) is running", name=name, id=container.id[:12])
        )
    busy = [user for user in holders if not may_end(user, spec.options)]
    if busy and not spec.options.busy_timeout:
        return Failure("CARD_BUSY", card_users.format_users(busy))
    return None


def plan_release(
    spec: HostSpec, target: ReleaseTarget, facts: HostFacts
) -> tuple[Action, ...] | Failure:
    """Plan how a release's cards become free of containers of somebody else.

    Args:
        spec: The desired state of the host, which allows it.
        target: One of its releases.
        facts: The host.

    Returns:
        What is done; a failure if docker did not say which containers are there.
    """
    holders = list_holders(target, facts)
    if isinstance(holders, Failure):
        return holders
    found = facts.releases[target.key].container
    # the container under the release's own name is renamed and stopped when the release's is made
    holders = [user for user in holders if not (found and user.container == found.id)]
    ended = [user for user in holders if may_end(user, spec.options)]
    awaited = [user for user in holders if user not in ended]
    actions = []
    if ended:
        words = _("stop {users}", users=card_users.format_users(ended))
        actions.append(Action((words,), lambda _: end_users(ended)))
    if awaited:

        def select_jobs(now: HostFacts) -> list[CardUser] | Failure:
            holding = list_holders(target, now)
            if isinstance(holding, Failure):
                return holding
            return [user for user in holding if not may_end(user, spec.options)]

        wait = WaitForCards(spec.target, spec.options.busy_timeout, select_jobs)
        words = _("wait for {users}", users=card_users.format_users(awaited))
        actions.append(Action((words,), lambda _: (wait,)))
    return tuple(actions)
