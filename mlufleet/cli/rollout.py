"""`mlufleet rollout`: bring a fleet to its releases step by step, or back."""

from __future__ import annotations

from typing import Any

import click

from fleet.errors import InvalidInput
from fleet.language import _
from mlufleet.cli.groups import CommandGroup
from mlufleet.cli.options import INVENTORY_ARGUMENT, WIDE_OPTION
from mlufleet.cli.rollout_plan import build_plan, plan_options, run_rollout
from mlufleet.cli.translated_command import TranslatedCommand


@click.group(cls=CommandGroup)
def rollout() -> None:
    """Change a fleet step by step: canaries first, then a window of hosts.

    A rollout stops when its failure budget is spent. A host whose new release fails returns to
    the last other release that passed on it.

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

    With `--keep-serving`, so many of the endpoints that are ready now stay ready: they are counted
    before each host, and a host waits while too few are ready without it.

    Exit status: 0 all hosts are in the desired state, 2 some hosts or a canary failed, 4 some
    are unreachable, 5 the failure budget is spent, a host was rolled back, or too few endpoints
    would stay ready, 130 interrupted.

    \b
    Examples:
      mlufleet rollout start inventories/fleet.py
      mlufleet rollout start inventories/fleet.py --canary 2 --window 25%
      mlufleet rollout start inventories/fleet.py --share-of rack --share 1
      mlufleet rollout start inventories/fleet.py --keep-serving 75%
      mlufleet rollout start inventories/fleet.py --before ./drain.sh
    """
    run_rollout(build_plan("rollout", inventory, options))


@rollout.command()
@click.option("--run", default="", help="The rollout to resume.  [default: the latest]")
@click.option("--yes", is_flag=True, help="Do not ask again before hosts are retired.")
@WIDE_OPTION
def resume(run: str, yes: bool) -> None:
    """Resume an interrupted or stopped rollout with its original options.

    Adoptions and retirements (`mlufleet adopt --apply`, `mlufleet retire`) are resumed as well.

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
        raise InvalidInput(_("{path}: this rollout is still running", path=folder))
    before = derive_from_journal(folder)
    assert before.rollout is not None
    canaries = before.rollout.canaries
    canaries_passed = bool(canaries) and all(before.hosts[name].has_passed for name in canaries)
    # a plan of an older version may lack a field that plans have now
    plan = validate_document(Plan, before.rollout.plan, folder / JOURNAL_FILE)
    plan = plan.model_copy(update={"yes": plan.yes or yes})
    serving = before.rollout.serving
    run_rollout(
        plan,
        resumes=folder.name,
        canaries_passed=canaries_passed or plan.canary == 0,
        served_before=serving.before if serving else {},
    )


@rollout.command()
@INVENTORY_ARGUMENT
@plan_options
def rollback(inventory: str, **options: Any) -> None:
    """Return hosts of INVENTORY to the last other release that passed on them.

    Uses canaries, a window and a failure budget like `rollout start`. The inventory still names the
    newer release: change it, or the next run deploys that release again.

    Exit status: 0 all hosts are back, 2 some hosts or a canary failed, 4 some are unreachable,
    5 the failure budget is spent, or too few endpoints would stay ready, 130 interrupted.

    \b
    Example:
      mlufleet rollout rollback inventories/fleet.py --limit rack1 --window 50%
    """
    run_rollout(build_plan("rollback", inventory, options))


@click.command("rollout", cls=TranslatedCommand, hidden=True)
@click.argument("inventory", required=False)
@click.option("--resume", "resumed", is_flag=True)
@click.option("--run", default="")
@plan_options
def former_rollout(inventory: str | None, resumed: bool, run: str, **options: Any) -> None:
    """Former usage of `mlufleet rollout start` and `mlufleet rollout resume`."""
    if not resumed:
        if run:
            raise InvalidInput(_("--run names the rollout to resume; add --resume"))
        run_rollout(build_plan("rollout", inventory, options))
        return
    given = [inventory] if inventory else []
    given += [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if given:
        raise InvalidInput(
            _("--resume reuses the original options; remove {options}", options=" ".join(given))
        )
    click.get_current_context().invoke(resume, run=run, yes=False)


rollout.replaces_command(former_rollout, "start")
