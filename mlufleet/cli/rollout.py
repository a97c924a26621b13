"""``mlufleet rollout``, ``rollback``, ``status`` and ``drift``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.errors import InvalidInput

if TYPE_CHECKING:
    from mlufleet.rollout.plan import Plan

LIMIT_OPTION = click.option(
    "--limit",
    multiple=True,
    metavar="HOSTS",
    help="Only these hosts or groups: mlu[01-08], mlu*; several with commas.",
)
#: options of rollout and rollback; the defaults are those of the plan
PLAN_OPTIONS = (
    LIMIT_OPTION,
    click.option("--exclude", multiple=True, metavar="HOSTS", help="Not these hosts or groups."),
    click.option("--data", multiple=True, metavar="KEY=VALUE", help="Set data of every host."),
    click.option("--canary", type=int, help="Hosts that go first.  [default: 1]"),
    click.option("--window", metavar="N|P%", help="Hosts at work at a time.  [default: 20%]"),
    click.option(
        "--max-fail",
        metavar="N|P%",
        help="Stop the rollout when more hosts than this are broken.  [default: 10%]",
    ),
    click.option(
        "--pause", type=int, metavar="SECONDS", help="Wait after the canaries have passed."
    ),
    click.option(
        "--confirm", is_flag=True, default=None, help="Ask after the canaries have passed."
    ),
    click.option(
        "--order",
        type=click.Choice(["inventory", "name", "random"]),
        help="Order of the hosts.  [default: inventory]",
    ),
    click.option(
        "--share-of",
        metavar="KEY",
        help="Key of a host's data that names its group (rack, service); see --share.",
    ),
    click.option("--share", metavar="N|P%", help="Hosts of one such group at work at a time."),
    click.option(
        "--before",
        metavar="COMMAND",
        help="Run this command here before each host. Its environment has MLUFLEET_HOST, "
        "…_ADDRESS, …_RELEASE, …_GROUPS and …_DATA. If it fails, the host is not touched.",
    ),
    click.option(
        "--after",
        metavar="COMMAND",
        help="Run this command here after each host; MLUFLEET_STATUS is ok, failed or rolled back.",
    ),
    click.option(
        "--hook-timeout",
        type=int,
        metavar="SECONDS",
        help="Kill such a command after this time.  [default: 600]",
    ),
    click.option("--uploads", type=int, help="Hosts to send files to at a time.  [default: 4]"),
    click.option("--loads", type=int, help="Hosts that load an image at a time.  [default: 8]"),
)


def plan_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with the options of a plan.

    Args:
        command: The command; it gets each option as a keyword argument.
    """
    for option in reversed(PLAN_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("inventory", required=False)
@click.option("--resume", is_flag=True, help="Resume the last rollout with its own options.")
@click.option("--run", default="", help="Resume this run instead of the last rollout.")
@plan_options
def rollout(inventory: str | None, resume: bool, run: str, **options: Any) -> None:
    """Bring the hosts of INVENTORY to their releases: canaries first, then a window of hosts.

    All hosts are probed first; those that are unreachable or refused count as broken. A host on
    which the new release fails is rolled back to the last one that passed on it. Ctrl-C lets the
    hosts at work finish; twice stops at once. Exit status: 0 all hosts are in their desired
    state, 2 failures (or a failed canary), 4 some hosts are unreachable, 5 the failure budget was
    exceeded or a host was rolled back, 130 interrupted.

    \b
    Examples:  mlufleet rollout inventories/fleet.py
               mlufleet rollout inventories/fleet.py --canary 2 --window 25% --max-fail 3
               mlufleet rollout inventories/fleet.py --share-of rack --share 1 --confirm
               mlufleet rollout inventories/fleet.py --before './drain.sh' --after './undrain.sh'
               mlufleet rollout --resume
    """
    if not resume:
        if run:
            raise InvalidInput("--run needs --resume")
        _run_rollout(_build_plan("rollout", inventory, options))
        return
    given = [inventory] if inventory else []
    given += [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if given:
        raise InvalidInput(f"--resume reuses the options of the run; remove {' '.join(given)}")
    _resume_rollout(run)


def _resume_rollout(run: str) -> None:
    from fleet.documents import loading
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
    passed = bool(canaries) and all(
        before.hosts[name].status in ("ok", "changed") for name in canaries
    )
    # another version may have written it, and a field of the plan may be missing
    plan = loading.validate_document(Plan, before.rollout.plan, folder / JOURNAL_FILE)
    _run_rollout(plan, resumes=folder.name, canaries_passed=passed or plan.canary == 0)


@click.command()
@click.argument("inventory")
@plan_options
def rollback(inventory: str, **options: Any) -> None:
    """Roll the hosts of INVENTORY back to the releases that passed on them before.

    Canaries, window and failure budget are those of a rollout. The exit status is 5 if hosts were
    rolled back. The inventory still names the newer release: change it, or the next run installs
    it again.

    \b
    Example:  mlufleet rollback inventories/fleet.py --limit rack1 --window 50%
    """
    _run_rollout(_build_plan("rollback", inventory, options))


def _build_plan(kind: str, inventory: str | None, options: dict[str, Any]) -> Plan:
    from fleet.documents import loading
    from mlufleet.rollout.plan import Plan

    if not inventory:
        raise InvalidInput("set an inventory (inventories/fleet.py), or --resume")
    given = {name: value for name, value in options.items() if value is not None}
    fields = {"inventory": inventory, "kind": kind, **given}
    plan = loading.validate_document(Plan, fields, Path("options"))
    if plan.confirm and not sys.stdin.isatty():
        raise InvalidInput("--confirm needs a terminal; use --pause SECONDS without one")
    return plan


def _run_rollout(plan: Plan, **resumed: Any) -> None:
    from gevent import monkey

    monkey.patch_all()
    from mlufleet.journal.journal import RUNS
    from mlufleet.report import publish, terminal
    from mlufleet.rollout.coordinator import RolloutCoordinator
    from mlufleet.rollout.live_view import LiveView
    from mlufleet.run import operator

    command = operator.redact_command(["mlufleet", *sys.argv[1:]])
    coordinator = RolloutCoordinator(plan, command, **resumed)
    with LiveView(coordinator.context.events):
        report = coordinator.roll_out()
    folder = RUNS / report.run
    publish.write_exports(report, folder)
    terminal.print_summary(report, folder)
    sys.exit(report.exit)


@click.command()
@click.argument("run", default="latest")
@LIMIT_OPTION
def status(run: str, limit: tuple[str, ...]) -> None:
    """Print how far RUN is (default: the last one that began), from its journal.

    Works for runs that were killed as well.

    \b
    Examples:  mlufleet status
               mlufleet status --limit rack1
    """
    from mlufleet.rollout import status as run_status

    for line in run_status.status_lines(run, limit):
        click.echo(line)


@click.command()
@click.argument("run", default="latest")
@LIMIT_OPTION
def drift(run: str, limit: tuple[str, ...]) -> None:
    """Print what was to be done on each host when RUN last probed it, stage by stage.

    This is from the journal; `mlufleet doctor` probes the hosts.

    \b
    Example:  mlufleet drift
    """
    from mlufleet.rollout import status as run_status

    for line in run_status.drift_lines(run, limit):
        click.echo(line)
