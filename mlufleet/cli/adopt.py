"""`mlufleet adopt`: what hosts that were set up by hand have of their releases already."""

from __future__ import annotations

import sys
from typing import Any

import click

from fleet.errors import InvalidInput
from fleet.language import _
from mlufleet.cli.options import INVENTORY_ARGUMENT, JSON_OPTION
from mlufleet.cli.rollout_plan import build_plan, plan_options, run_rollout
from mlufleet.cli.translated_command import TranslatedCommand

#: options that select hosts and set their data, also without --apply
SELECTION_OPTIONS = ("limit", "exclude", "data")

STOP_OPTION = click.option(
    "--stop",
    multiple=True,
    metavar="NAME",
    help="A container of somebody else that adoption may stop; may be repeated.",
)


@click.command(cls=TranslatedCommand)
@INVENTORY_ARGUMENT
@click.option("--apply", is_flag=True, help="Adopt the hosts, step by step as a rollout does.")
@STOP_OPTION
@plan_options
@JSON_OPTION
def adopt(
    inventory: str, as_json: bool, apply: bool, stop: tuple[str, ...], **options: Any
) -> None:
    """Look at hosts of INVENTORY that were set up by hand.

    For each host, the command prints what of its releases is there already and by what it was
    recognized, what differs, what is in the way and whose it is, what adoption would do, and how
    many bytes would still have to be sent. It changes nothing on any host and takes no lock.

    With `--apply`, the hosts are adopted: brought to their releases with what is there. The
    options from `--canary` on are those of `mlufleet rollout start`, and need `--apply`. Nothing is
    deleted, and what is moved is named. A host on which any stage would fail, or something is in
    the way that may not be stopped, is refused before anything is done to it. A host that fails
    stays as it is.

    Exit status: 0 all hosts can be adopted, are up to date or are adopted, 2 some gave no answer,
    would be refused, or failed, 3 invalid input, 4 some are unreachable, none refused, 5 the
    failure budget is spent, 130 interrupted.

    \b
    Examples:
      mlufleet adopt inventories/fleet.py
      mlufleet adopt inventories/fleet.py --limit rack1 --json
      mlufleet adopt inventories/fleet.py --limit mlu03 --apply --stop mlu-kang
    """
    if apply:
        plan = build_plan("adoption", inventory, {**options, "stop": stop})
        run_rollout(plan, as_json=as_json)
    given = [name for name, value in options.items() if value is not None]
    selection = {name: options[name] for name in SELECTION_OPTIONS}
    if others := [f"--{name.replace('_', '-')}" for name in given if name not in selection]:
        raise InvalidInput(
            _("{options}: only for `mlufleet adopt --apply`", options=" ".join(others))
        )
    _look(inventory, as_json, stop, selection)


def _look(inventory: str, as_json: bool, stop: tuple[str, ...], selection: dict[str, Any]) -> None:
    """Look at hosts, print what was found, and exit with the status of that.

    Args:
        inventory: The inventory's file.
        as_json: Print JSON instead of text.
        stop: Containers of others that adoption may stop.
        selection: Values of --limit, --exclude and --data.
    """
    from mlufleet.run import startup

    with startup.cheap_imports():
        from gevent import monkey

        monkey.patch_all()
        from fleet.documents import atomic_write
        from mlufleet.cli import adopt_output
        from mlufleet.rollout.fleet_survey import FleetSurvey
        from mlufleet.rollout.session import Session
        from mlufleet.run.operator import redact_command

    progress = adopt_output.Progress()
    session = Session(inventory, **selection)
    command = redact_command(["mlufleet", *sys.argv[1:]])
    survey = FleetSurvey(session, command, stop, progress.count)
    with progress.shown(len(survey.names)):
        report = survey.look()
    hosts = adopt_output.combine(survey, report)
    document = adopt_output.to_json(hosts, report)
    path = survey.run.folder / adopt_output.LOOK_FILE
    atomic_write.replace_file(path, f"{document}\n", private=True)
    if as_json:
        click.echo(document)
    else:
        adopt_output.print_hosts(hosts, report)
    click.echo(_("survey: {path}", path=path), err=True)
    sys.exit(adopt_output.exit_status(hosts, report))
