"""`mlufleet doctor`: the health of every host."""

from __future__ import annotations

import json
import sys

import click

from mlufleet.cli.options import (
    INVENTORY_ARGUMENT,
    PASS_THROUGH,
    PYINFRA_OPTIONS_ARGUMENT,
    WIDE_OPTION,
)
from mlufleet.cli.translated_command import TranslatedCommand


@click.command(cls=TranslatedCommand, context_settings=PASS_THROUGH)
@INVENTORY_ARGUMENT
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@WIDE_OPTION
@PYINFRA_OPTIONS_ARGUMENT
def doctor(inventory: str, as_json: bool, options: tuple[str, ...]) -> None:
    """Show the health of every host of INVENTORY and its drift.

    Changes nothing on any host. OPTIONS are passed to pyinfra.

    Exit status: 0 all hosts are healthy, 2 some are not, 4 every unhealthy host is unreachable.

    \b
    Examples:
      mlufleet doctor inventories/fleet.py
      mlufleet doctor inventories/fleet.py --limit rack1 --json
    """
    from mlufleet.cli import health
    from mlufleet.run import launcher

    report = launcher.dry_run_report(inventory, options)
    if as_json:
        click.echo(json.dumps(health.health_by_host(report), indent=1, ensure_ascii=False))
    else:
        health.print_health(report)
    sys.exit(health.exit_status(report))
