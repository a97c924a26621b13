"""`mlufleet endpoints`: where the models of an inventory answer, as probed now."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fleet.errors import InvalidInput
from fleet.language import _
from mlufleet.cli.options import (
    INVENTORY_ARGUMENT,
    PASS_THROUGH,
    PYINFRA_OPTIONS_ARGUMENT,
    WIDE_OPTION,
)
from mlufleet.cli.translated_command import TranslatedCommand

if TYPE_CHECKING:
    from mlufleet.cli.endpoint_output import FoundEndpoint
    from mlufleet.report.model import Report

FORMATS = ("table", "json", "nginx", "prometheus")


@click.command(cls=TranslatedCommand, context_settings=PASS_THROUGH)
@INVENTORY_ARGUMENT
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="`nginx`: an upstream block per model; `prometheus`: a file for file_sd_configs.  "
    "[default: table]",
)
@click.option("--json", "as_json", is_flag=True, help="The same as `--format json`.")
@WIDE_OPTION
@PYINFRA_OPTIONS_ARGUMENT
def endpoints(inventory: str, form: str | None, as_json: bool, options: tuple[str, ...]) -> None:
    """Show where the models of INVENTORY answer.

    Probes the hosts now and changes nothing on any host. For each server of a release with
    `serve`, prints its address, model, cards, state and restarts, when it was seen, and what its
    last proof measured. Hosts that could not be probed are named on standard error. OPTIONS are
    passed to pyinfra.

    Servers of hosts in quarantine are shown as such. `nginx` and `prometheus` leave them out, and
    addresses that only the host itself reaches; `nginx` also leaves out servers that are not ready,
    and `prometheus` those without known metrics. What was left out is told in comments, or on
    standard error.

    Exit status: 0 every endpoint is ready, 2 some are not or a host could not be probed, 4 some
    hosts are unreachable and all other endpoints are ready. Hosts in quarantine do not count.

    \b
    Examples:
      mlufleet endpoints inventories/fleet.py
      mlufleet endpoints inventories/fleet.py --limit rack1 --json
      mlufleet endpoints inventories/fleet.py --format nginx
      mlufleet endpoints inventories/fleet.py --format prometheus
    """
    if as_json and form not in (None, "json"):
        raise InvalidInput(_("--json and --format {form}: give one of them", form=form))
    from mlufleet.cli import endpoint_output
    from mlufleet.run import launcher

    report = launcher.dry_run_report(inventory, options)
    hosts = endpoint_output.find_host_addresses(report, inventory)
    found = endpoint_output.list_found(report, hosts)
    _print_endpoints("json" if as_json else form or "table", found, report)
    for line in endpoint_output.describe_unseen(report):
        click.echo(line, err=True)
    sys.exit(endpoint_output.exit_status(found, report))


def _print_endpoints(form: str, found: list[FoundEndpoint], report: Report) -> None:
    from mlufleet.cli import endpoint_output

    if form == "json":
        click.echo(endpoint_output.render_json(found, report))
    elif form == "nginx":
        click.echo(endpoint_output.render_nginx(found), nl=False)
    elif form == "prometheus":
        click.echo(endpoint_output.render_prometheus(found), nl=False)
        for line in endpoint_output.list_unscraped(found):
            click.echo(line, err=True)
    else:
        endpoint_output.print_endpoints(found, report)
