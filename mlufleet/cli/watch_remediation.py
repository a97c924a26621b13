"""Options of `mlufleet watch` that say how much it may mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleet.errors import InvalidInput

if TYPE_CHECKING:
    from mlufleet.watch.remediation.policy import Policy

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

OPTIONS = (
    click.option(
        "--repair-at-once",
        default=1,
        show_default=True,
        type=click.IntRange(1, 1000),
        metavar="N",
        help="Hosts that are mended at the same time, if `remediate` allows it.",
    ),
    click.option(
        "--repair-tries",
        default=3,
        show_default=True,
        type=click.IntRange(1, 100),
        metavar="N",
        help="Runs on one host within 24 hours.",
    ),
    click.option(
        "--repair-storm",
        default="10%",
        show_default=True,
        metavar="N|P%",
        help="When more hosts than this get problems within 15 minutes, none is mended.",
    ),
    click.option(
        "--repair-hours",
        metavar="FROM-TO",
        help="Mend only at this time of day, in local time: 22:00-06:00.",
    ),
)


def remediation_options(command: Decorated) -> Decorated:
    """Add the options to a command.

    Args:
        command: The command.
    """
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def build_policy(given: dict[str, Any]) -> Policy:
    """Return what the options allow.

    Args:
        given: The options of the command.

    Raises:
        InvalidInput: One of them is invalid.
    """
    from mlufleet.rollout.host_count import HostCount
    from mlufleet.watch.remediation.policy import Hours, Policy

    name = "--repair-storm"
    try:
        storm = HostCount.parse(given["repair_storm"])
        name = "--repair-hours"
        hours = Hours.parse(given["repair_hours"]) if given["repair_hours"] else None
    except ValueError as error:
        raise InvalidInput(f"{name}: {error}") from None
    return Policy(given["repair_at_once"], given["repair_tries"], storm, hours)


def list_words(given: dict[str, Any]) -> list[str]:
    """Return the options as they are given on a command line.

    Args:
        given: The options of the command.
    """
    names = ("repair_at_once", "repair_tries", "repair_storm", "repair_hours")
    return [f"--{name.replace('_', '-')}={given[name]}" for name in names if given[name]]
