"""`mlufleet rollout`, `rollback` and `status`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fleet.errors import InvalidInput

#: of both commands; defaults are the plan's own
LIMIT_OPTION = click.option(
    "--limit",
    multiple=True,
    metavar="WHO",
    help="Only these: hosts, groups, mlu[01-08], mlu*, several with commas.",
)
PLAN_OPTIONS = (
    LIMIT_OPTION,
    click.option("--exclude", multiple=True, metavar="WHO", help="All but these."),
    click.option("--data", multiple=True, metavar="KEY=VALUE", help="Data of every host."),
    click.option("--canary", type=int, help="Hosts that go first.  [default: 1]"),
    click.option("--window", metavar="N|P%", help="Hosts at work at once.  [default: 20%]"),
    click.option(
        "--max-fail",
        metavar="N|P%",
        help="Hosts of the fleet that may be broken; with one more no host starts.  [default: 10%]",
    ),
    click.option("--pause", type=int, metavar="SECONDS", help="Wait after the canaries passed."),
    click.option("--confirm", is_flag=True, default=None, help="Ask after the canaries passed."),
    click.option(
        "--order",
        type=click.Choice(["inventory", "name", "random"]),
        help="Which hosts go first.  [default: inventory]",
    ),
    click.option(
        "--share-of", metavar="KEY", help="Data of a host that names its group (rack, service)."
    ),
    click.option("--share", metavar="N|P%", help="Hosts of one such group at work at once."),
    click.option(
        "--before",
        metavar="COMMAND",
        help="Run here before a host, with MLUFLEET_HOST, …_ADDRESS, …_RELEASE, "
        "…_GROUPS and …_DATA in its environment; when it fails the host is let be.",
    ),
    click.option(
        "--after",
        metavar="COMMAND",
        help="The same after it, with MLUFLEET_STATUS: ok, failed, rolled back.",
    ),
    click.option("--hook-timeout", type=int, metavar="SECONDS", help="[default: 600]"),
    click.option("--uploads", type=int, help="Hosts that files are sent to at once.  [default: 4]"),
    click.option("--loads", type=int, help="Hosts that unpack an image at once.  [default: 8]"),
)


def plan_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(PLAN_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("inventory", required=False)
@click.option("--resume", is_flag=True, help="Go on with the last rollout, by its own options.")
@click.option("--run", default="", help="The rollout to resume, if it is not the last one.")
@plan_options
def rollout(inventory: str | None, resume: bool, run: str, **said: Any) -> None:
    """Bring INVENTORY to its releases: canaries first, then a window, within a failure budget.

    All hosts are looked at first: unreachable and refused ones count as broken. A host whose new
    release fails goes back to the one that passed on it before. Ctrl-C lets hosts at work end,
    twice stops at once. Exit status: 0 all as wanted, 2 failures (or a failed canary), 4 some
    unreachable, 5 the budget is spent or a host went back, 130 interrupted.

    \b
    Examples:  mlufleet rollout inventories/fleet.py
               mlufleet rollout inventories/fleet.py --canary 2 --window 25% --max-fail 3
               mlufleet rollout inventories/fleet.py --share-of rack --share 1 --confirm
               mlufleet rollout inventories/fleet.py --before './drain.sh' --after './undrain.sh'
               mlufleet rollout --resume
    """
    from fleet.documents import loading
    from mlufleet.journal.journal import RUNS, is_running
    from mlufleet.report import derive
    from mlufleet.rollout.coordinator import find_resumable_run
    from mlufleet.rollout.plan import Plan

    if not resume:
        if run:
            raise InvalidInput("--run says which rollout to resume: add --resume")
        _run_rollout(_build_plan("rollout", inventory, said))
        return
    given = [inventory] if inventory else []
    given += [f"--{name.replace('_', '-')}" for name, value in said.items() if value]
    if given:
        raise InvalidInput(f"--resume takes all of it from the run: leave out {' '.join(given)}")
    folder = find_resumable_run(RUNS, run)
    if is_running(folder):
        raise InvalidInput(f"{folder}: this rollout is still at work")
    before = derive.derive_from_journal(folder)
    canaries = before["rollout"]["canaries"]
    proved = bool(canaries) and all(
        before["hosts"][name]["status"] in ("ok", "changed") for name in canaries
    )
    # of another version, it may lack what a plan has now
    plan = loading.validate_document(Plan, before["rollout"]["plan"], folder / "journal.jsonl")
    _run_rollout(plan, resumes=folder.name, proved=proved or plan.canary == 0)


@click.command()
@click.argument("inventory")
@plan_options
def rollback(inventory: str, **said: Any) -> None:
    """Take hosts of INVENTORY back to the release that passed on each before its present one.

    With the same canaries, window and budget as a rollout; exit status 5 when hosts went back.
    The inventory still names the newer release: change it, or the next run brings it again.

    \b
    Example:  mlufleet rollback inventories/fleet.py --limit rack1 --window 50%
    """
    _run_rollout(_build_plan("rollback", inventory, said))


def _build_plan(kind: str, inventory: str | None, said: dict[str, Any]) -> Any:
    from fleet.documents import loading
    from mlufleet.rollout.plan import Plan

    if not inventory:
        raise InvalidInput("say an inventory (inventories/fleet.py), or --resume")
    given = {name: value for name, value in said.items() if value is not None}
    asked = {"inventory": inventory, "kind": kind, **given}
    plan = loading.validate_document(Plan, asked, Path("options"))
    if plan.confirm and not sys.stdin.isatty():
        raise InvalidInput("--confirm needs a terminal to ask on; --pause SECONDS does not")
    return plan


def _run_rollout(plan: Any, **resumed: Any) -> None:
    from gevent import monkey

    monkey.patch_all()
    from mlufleet.journal.journal import RUNS
    from mlufleet.report import publish, terminal
    from mlufleet.rollout.coordinator import RolloutCoordinator
    from mlufleet.rollout.live_view import LiveView
    from mlufleet.run import operator

    with LiveView():
        result = RolloutCoordinator(
            plan, operator.redact_command(["mlufleet", *sys.argv[1:]]), **resumed
        ).roll_out()
    folder = RUNS / result["run"]
    publish.write_exports(result, folder)
    terminal.print_summary(result, folder)
    sys.exit(result["exit"])


@click.command()
@click.argument("run", default="latest")
@LIMIT_OPTION
def status(run: str, limit: tuple[str, ...]) -> None:
    """Say how far RUN is (the last one without), from its journal: also of a killed run.

    \b
    Examples:  mlufleet status
               mlufleet status --limit rack1
    """
    from mlufleet.rollout import status as rollout_status

    for line in rollout_status.status_lines(run, limit):
        click.echo(line)


@click.command()
@click.argument("run", default="latest")
@LIMIT_OPTION
def drift(run: str, limit: tuple[str, ...]) -> None:
    """Say what was to do on each host when RUN last looked at it, stage by stage.

    `mlufleet doctor` asks the hosts themselves; this is from the journal.

    \b
    Example:  mlufleet drift
    """
    from mlufleet.rollout import status as rollout_status

    for line in rollout_status.drift_lines(run, limit):
        click.echo(line)
