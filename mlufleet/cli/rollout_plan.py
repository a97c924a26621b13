"""Options of commands that go through a fleet step by step, and how such a command is run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fleet.errors import InvalidInput
from fleet.language import _
from mlufleet.cli.options import (
    DATA_OPTION,
    EXCLUDE_OPTION,
    INCLUDE_QUARANTINED_OPTION,
    LIMIT_OPTION,
    WIDE_OPTION,
)

if TYPE_CHECKING:
    from mlufleet.report.model import Report
    from mlufleet.rollout.plan import Plan

KEEP_SERVING_OPTION = click.option(
    "--keep-serving",
    metavar="N|P%",
    help="Endpoints that have to stay ready of those that were ready when the rollout began. "
    "They are counted before each host; the host waits if taking it would leave too few.  "
    "[default: 0%]",
)
#: Options of all commands that roll out. The defaults in the help are those of rollout.plan.Plan.
PLAN_OPTIONS = (
    LIMIT_OPTION,
    EXCLUDE_OPTION,
    DATA_OPTION,
    click.option("--canary", type=int, help="Number of hosts that go first.  [default: 1]"),
    click.option("--window", metavar="N|P%", help="Hosts at work at once.  [default: 20%]"),
    click.option(
        "--max-fail",
        metavar="N|P%",
        help="Stop when more than this many hosts have failed.  [default: 10%]",
    ),
    click.option(
        "--pause", type=int, metavar="SECONDS", help="Wait this long after the canaries passed."
    ),
    click.option(
        "--confirm", is_flag=True, default=None, help="Ask for approval after the canaries passed."
    ),
    click.option(
        "--order",
        type=click.Choice(["inventory", "name", "random"]),
        help="Order of the hosts.  [default: inventory]",
    ),
    click.option(
        "--share-of",
        metavar="KEY",
        help="Host data that names a host's group, for example a rack or a service.",
    ),
    click.option("--share", metavar="N|P%", help="Hosts of one such group at work at once."),
    KEEP_SERVING_OPTION,
    click.option(
        "--before",
        metavar="COMMAND",
        help="Run this command on the controller before each host, with MLUFLEET_HOST, …_ADDRESS, "
        "…_RELEASE, …_GROUPS and …_DATA in its environment. If it fails, the host is skipped.",
    ),
    click.option(
        "--after",
        metavar="COMMAND",
        help="The same after each host, with MLUFLEET_STATUS: ok, adopted, retired, failed or "
        "rolled back.",
    ),
    click.option(
        "--hook-timeout",
        type=int,
        metavar="SECONDS",
        help="Time limit of such a command.  [default: 600]",
    ),
    click.option("--uploads", type=int, help="Hosts that receive files at once.  [default: 4]"),
    click.option("--loads", type=int, help="Hosts that unpack an image at once.  [default: 8]"),
    INCLUDE_QUARANTINED_OPTION,
    WIDE_OPTION,
)


def plan_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a rollout's plan to a command."""
    return _add_options(command, PLAN_OPTIONS)


def retirement_plan_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add those options that a retirement can keep: the endpoints of its hosts go for good."""
    options = tuple(option for option in PLAN_OPTIONS if option is not KEEP_SERVING_OPTION)
    return _add_options(command, options)


def _add_options(
    command: Callable[..., None], options: tuple[Callable[..., Any], ...]
) -> Callable[..., None]:
    for option in reversed(options):
        command = option(command)
    return command


def build_plan(kind: str, inventory: str | None, options: dict[str, Any]) -> Plan:
    """Return the validated plan of a rollout.

    Args:
        kind: Kind of the rollout.
        inventory: The inventory's file.
        options: Values of PLAN_OPTIONS and those of the kind; None where one was not given.

    Raises:
        InvalidInput: An option is invalid.
    """
    from fleet.documents.loading import validate_document
    from mlufleet.rollout.plan import Plan

    if not inventory:
        raise InvalidInput(
            _("missing INVENTORY; for example inventories/fleet.py, or use --resume")
        )
    given = {name: value for name, value in options.items() if value is not None}
    fields = {"inventory": inventory, "kind": kind, **given}
    return validate_document(Plan, fields, Path("options"))


def _check_approval(plan: Plan) -> None:
    """Check that the operator can be asked for everything that needs approval."""
    if sys.stdin.isatty():
        return
    if plan.confirm:
        raise InvalidInput(_("--confirm needs a terminal to ask on; use --pause SECONDS instead"))
    if plan.kind == "retirement" and not (plan.dry or plan.yes):
        raise InvalidInput(
            _(
                "before hosts are retired the operator is asked, and there is no "
                "terminal to ask on; look at what would go with `mlufleet retire … "
                "--dry`, then add --yes"
            )
        )


def run_rollout(plan: Plan, *, as_json: bool = False, **resumed: Any) -> NoReturn:
    """Carry out a plan, write its exports, print its summary and exit with its status.

    Args:
        plan: The options.
        as_json: Print the report as JSON, too.
        **resumed: Arguments of the coordinator about the rollout that this one resumes.

    Raises:
        InvalidInput: Nobody can be asked for approval, or the plan cannot be carried out.
    """
    _check_approval(plan)
    from mlufleet.run import startup

    with startup.cheap_imports():
        from gevent import monkey

        monkey.patch_all()
        from mlufleet.cli import retire_output
        from mlufleet.rollout.coordinator import RolloutCoordinator
        from mlufleet.rollout.live_view import LiveView
        from mlufleet.run.operator import redact_command

    resumed["review"] = retire_output.review if plan.kind == "retirement" else None
    command = redact_command(["mlufleet", *sys.argv[1:]])
    coordinator = RolloutCoordinator(plan, command, **resumed)
    with LiveView(coordinator.context.events, plan.kind):
        report = coordinator.roll_out()
    _publish(report, as_json=as_json)
    sys.exit(report.exit)


def _publish(report: Report, *, as_json: bool) -> None:
    """Write the exports of a run, and print its summary: of a dry one, what would go."""
    from mlufleet.cli import retire_output
    from mlufleet.journal.journal import RUNS
    from mlufleet.report import publish, terminal

    folder = RUNS / report.run
    publish.write_exports(report, folder)
    if report.dry:
        retire_output.print_plans(report, folder, err=as_json)
    else:
        terminal.print_summary(report, folder)
    if as_json:
        click.echo(report.to_json(), nl=False)
