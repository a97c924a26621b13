"""Options of `mlufleet watch` that say how much it may mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleet.errors import InvalidInput

if TYPE_CHECKING:
    from mlufleet.watch.remediation.policy import Policy
    from mlufleet.watch.remediation.remediator import RemediationSettings

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
    click.option(
        "--quarantine-at-most",
        default="10%",
        show_default=True,
        metavar="N|P%",
        help="Hosts in quarantine, whoever put them there, beyond which the watch adds none.",
    ),
    click.option(
        "--quarantine-hook",
        metavar="COMMAND",
        help="Run this command for each host that the watch takes out of service, as `mlufleet "
        "host quarantine --hook` does.",
    ),
    click.option(
        "--quarantine-hook-timeout",
        default=600,
        show_default=True,
        type=click.IntRange(1, 6 * 3600),  # after which the watch ends whatever it has begun
        metavar="SECONDS",
        help="Time limit of that command.",
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
        name = "--quarantine-at-most"
        most = HostCount.parse(given["quarantine_at_most"])
    except ValueError as error:
        raise InvalidInput(f"{name}: {error}") from None
    return Policy(given["repair_at_once"], given["repair_tries"], storm, hours, most)


def build_settings(inventory: str, given: dict[str, Any]) -> RemediationSettings:
    """Return what the watch may mend, and how.

    Args:
        inventory: File of the inventory.
        given: The options of the command.

    Raises:
        InvalidInput: One of them is invalid.
    """
    from mlufleet.watch.remediation.quarantine_rung import Hook
    from mlufleet.watch.remediation.remediator import RemediationSettings

    command = given["quarantine_hook"]
    hook = Hook(command, given["quarantine_hook_timeout"]) if command else None
    return RemediationSettings(inventory, build_policy(given), hook=hook)


def list_words(given: dict[str, Any]) -> list[str]:
    """Return the options as they are given on a command line.

    Args:
        given: The options of the command.
    """
    names = [
        *("repair_at_once", "repair_tries", "repair_storm", "repair_hours"),
        *("quarantine_at_most", "quarantine_hook"),
    ]
    if given["quarantine_hook"]:
        names.append("quarantine_hook_timeout")
    return [f"--{name.replace('_', '-')}={given[name]}" for name in names if given[name]]
