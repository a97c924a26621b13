"""`mlufleet retire`: give hosts back."""

from __future__ import annotations

from typing import Any

import click

from mlufleet.cli.options import INVENTORY_ARGUMENT, JSON_OPTION
from mlufleet.cli.rollout_plan import build_plan, retirement_plan_options, run_rollout
from mlufleet.cli.translated_command import TranslatedCommand


@click.command(cls=TranslatedCommand)
@INVENTORY_ARGUMENT
@retirement_plan_options
@click.option("--keep-weights", is_flag=True, help="Leave the weights on the hosts.")
@click.option("--driver", is_flag=True, help="Remove the driver, too.")
@click.option(
    "--engine",
    is_flag=True,
    help="Remove Docker, too, if mlu-fleet installed it and nothing else uses it.",
)
@click.option("--dry", is_flag=True, help="Only show what would go and what would stay.")
@click.option("--yes", is_flag=True, help="Do not ask first; required without a terminal.")
@JSON_OPTION
def retire(inventory: str, as_json: bool, **options: Any) -> None:
    """Remove from hosts of INVENTORY what mlu-fleet made on them.

    `--limit` has to name the hosts; `--limit all` is all of them. What would go and what would
    stay is shown for each host, and the operator is asked before anything is removed. Only what is
    provably as mlu-fleet left it is removed: whatever was edited since, belongs to others or is in
    use stays, and is listed with the reason. What adoption changed and moved is put back. A copy of
    each host's audit log is kept in runs/<id>/audit/. A retirement that was stopped or killed
    continues with `mlufleet rollout resume`.

    Exit status: 0 all hosts are retired, 2 some failed, 3 invalid input, 4 some are unreachable,
    5 not approved, or the failure budget is spent, 130 interrupted.

    \b
    Examples:
      mlufleet retire inventories/fleet.py --limit mlu03 --dry
      mlufleet retire inventories/fleet.py --limit mlu03
      mlufleet retire inventories/fleet.py --limit rack1 --keep-weights --window 4
      mlufleet retire inventories/fleet.py --limit mlu03 --driver --engine --yes
    """
    run_rollout(build_plan("retirement", inventory, options), as_json=as_json)
