"""`mlufleet verdict`: whether a host is ready, as it says itself."""

from __future__ import annotations

import sys

import click

from fleet.errors import InvalidInput
from mlufleet.cli.options import DATA_OPTION


@click.command()
@click.argument("inventory", required=False, type=click.Path())
@click.argument("host", required=False)
@click.option("--local", is_flag=True, help="Of this machine, without an inventory.")
@DATA_OPTION
def verdict(inventory: str | None, host: str | None, local: bool, data: tuple[str, ...]) -> None:
    """Say in one line whether HOST of INVENTORY is ready.

    Runs the script that a deployment has placed on the host, /var/lib/mlufleet/verdict.sh, which
    Slurm or cron can run there as well: it needs no connection and ends within two seconds. What
    it could not see is unknown, and never ready.

    Exit status: 0 ready, 1 degraded, 2 broken, 3 unknown, also if the host cannot be reached or
    the input is invalid.

    \b
    Examples:
      mlufleet verdict inventories/fleet.py mlu01
      mlufleet verdict --local
    """
    if local == bool(inventory) or bool(inventory) != bool(host):
        raise InvalidInput("give either INVENTORY and HOST, or --local")
    from mlufleet.cli import host_verdict

    found = (
        host_verdict.ask_here() if local else host_verdict.ask_host(str(inventory), str(host), data)
    )
    click.echo(found.line)
    sys.exit(found.status)
