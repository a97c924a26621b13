"""`mlufleet rollout`: bring a fleet to its releases step by step, or back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.errors import InvalidInput
from mlufleet.cli.groups import CommandGroup
from mlufleet.cli.options import DATA_OPTION, EXCLUDE_OPTION, INVENTORY_ARGUMENT, LIMIT_OPTION

if TYPE_CHECKING:
    from mlufleet.rollout.plan import Plan

#: Options of `start` and `rollback`. The defaults in the help are those of rollout.plan.Plan.
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
    click.option(
        "--before",
        metavar="COMMAND",
        help="Run this command on the controller before each host, with MLUFLEET_HOST, …_ADDRESS, "
        "…_RELEASE, …_GROUPS and …_DATA in its environment. If it fails, the host is skipped.",
    ),
    click.option(
        "--after",
        metavar="COMMAND",
        help="The same after each host, with MLUFLEET_STATUS: ok, failed or rolled back.",
    ),
    click.option(
        "--hook-timeout",
        type=int,
        metavar="SECONDS",
        help="Time limit of such a command.  [default: 600]",
    ),
    click.option("--uploads", type=int, help="Hosts that receive files at once.  [default: 4]"),
    click.option("--loads", type=int, help="Hosts that unpack an image at once.  [default: 8]"),
)


def plan_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a rollout's plan to a command."""
    for option in reversed(PLAN_OPTIONS):
        command = option(command)
    return command


@click.group(cls=CommandGroup)
def rollout() -> None:
    """Change a fleet step by step: canaries first, then a window of hosts.

    A rollout stops when its failure budget is spent. A host whose new release fails returns to
    the release that last passed on it.

    \b
    Examples:
      mlufleet rollout start inventories/fleet.py
      mlufleet rollout resume
      mlufleet rollout rollback inventories/fleet.py --limit rack1
    """


@rollout.command()
@INVENTORY_ARGUMENT
@plan_options
def start(inventory: str, **options: Any) -> None:
    """Bring INVENTORY to its releases, canaries first.

    All hosts are probed first. Unreachable hosts and hosts that fail preflight count against the
    failure budget. Press Ctrl-C once to let hosts at work finish, twice to stop at once.

    Exit status: 0 all hosts are in the desired state, 2 some hosts or a canary failed, 4 some
    are unreachable, 5 the failure budget is spent or a host was rolled back, 130 interrupted.

    \b
    Examples:
      mlufleet rollout start inventories/fleet.py
      mlufleet rollout start inventories/fleet.py --canary 2 --window 25%
      mlufleet rollout start inventories/fleet.py --share-of rack --share 1
      mlufleet rollout start inventories/fleet.py --before ./drain.sh
    """
    _run_rollout(_build_plan("rollout", inventory, options))


@rollout.command()
@click.option("--run", default="", help="The rollout to resume.  [default: the latest]")
def resume(run: str) -> None:
    """Resume an interrupted or stopped rollout with its original options.

    \b
    Examples:
      mlufleet rollout resume
      mlufleet rollout resume --run 20260314-091502-000004711
    """
    from fleet.documents.loading import validate_document
    from mlufleet.journal.journal import JOURNAL_FILE, is_running
    from mlufleet.journal.run_folders import find_resumable_run
    from mlufleet.report.derive import derive_from_journal
    from mlufleet.rollout.plan import Plan

    folder = find_resumable_run(run)
    if is_running(folder):
        raise InvalidInput(f"{folder}: this rollout is still running")
    before = derive_from_journal(folder)
    assert before.rollout is not None
    canaries = before.rollout.canaries
    canaries_passed = bool(canaries) and all(
        before.hosts[name].status in ("ok", "changed") for name in canaries
    )
    # a plan of an older version may lack a field that plans have now
    plan = validate_document(Plan, before.rollout.plan, folder / JOURNAL_FILE)
    _run_rollout(plan, resumes=folder.name, canaries_passed=canaries_passed or plan.canary == 0)


@rollout.command()
@INVENTORY_ARGUMENT
@plan_options
def rollback(inventory: str, **options: Any) -> None:
    """Return hosts of INVENTORY to the release that last passed on them.

    Uses canaries, a window and a failure budget like `rollout start`, and exits with 5 if hosts
    were rolled back. The inventory still names the newer release: change it, or the next run
    deploys that release again.

    \b
    Example:
      mlufleet rollout rollback inventories/fleet.py --limit rack1 --window 50%
    """
    _run_rollout(_build_plan("rollback", inventory, options))


@click.command("rollout", hidden=True)
@click.argument("inventory", required=False)
@click.option("--resume", "resumed", is_flag=True)
@click.option("--run", default="")
@plan_options
def former_rollout(inventory: str | None, resumed: bool, run: str, **options: Any) -> None:
    """Former usage of `mlufleet rollout start` and `mlufleet rollout resume`."""
    if not resumed:
        if run:
            raise InvalidInput("--run names the rollout to resume; add --resume")
        _run_rollout(_build_plan("rollout", inventory, options))
        return
    given = [inventory] if inventory else []
    given += [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if given:
        raise InvalidInput(f"--resume reuses the original options; remove {' '.join(given)}")
    click.get_current_context().invoke(resume, run=run)


rollout.replaces_command(former_rollout, "start")


def _build_plan(kind: str, inventory: str | None, options: dict[str, Any]) -> Plan:
    """Return the validated plan of a rollout.

    Args:
        kind: "rollout" or "rollback".
        inventory: The inventory's file.
        options: Values of PLAN_OPTIONS; None where an option was not given.

    Raises:
        InvalidInput: An option is invalid, or nobody can be asked for approval.
    """
    from fleet.documents.loading import validate_document
    from mlufleet.rollout.plan import Plan

    if not inventory:
        raise InvalidInput("missing INVENTORY; for example inventories/fleet.py, or use --resume")
    given = {name: value for name, value in options.items() if value is not None}
    fields = {"inventory": inventory, "kind": kind, **given}
    plan = validate_document(Plan, fields, Path("options"))
    if plan.confirm and not sys.stdin.isatty():
        raise InvalidInput("--confirm needs a terminal to ask on; use --pause SECONDS instead")
    return plan


def _run_rollout(plan: Plan, **resumed: Any) -> None:
    """Carry out a plan, write its exports, print its summary and exit with its status."""
    from gevent import monkey

    monkey.patch_all()
    from mlufleet.journal.journal import RUNS
    from mlufleet.report import publish, terminal
    from mlufleet.rollout.coordinator import RolloutCoordinator
    from mlufleet.rollout.live_view import LiveView
    from mlufleet.run.operator import redact_command

    command = redact_command(["mlufleet", *sys.argv[1:]])
    coordinator = RolloutCoordinator(plan, command, **resumed)
    with LiveView(coordinator.context.events):
        report = coordinator.roll_out()
    folder = RUNS / report.run
    publish.write_exports(report, folder)
    terminal.print_summary(report, folder)
    sys.exit(report.exit)
