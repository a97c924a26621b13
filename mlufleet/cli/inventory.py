"""`mlufleet inventory`: what an inventory means, and whether it can be deployed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.text import sanitize
from mlufleet.cli.groups import CommandGroup
from mlufleet.cli.options import (
    DATA_OPTION,
    EXCLUDE_OPTION,
    INVENTORY_ARGUMENT,
    LIMIT_OPTION,
)

if TYPE_CHECKING:
    from fleet.release.target import ReleaseTarget


@click.group(cls=CommandGroup)
def inventory() -> None:
    """Show or validate an inventory without connecting to its hosts.

    \b
    Examples:
      mlufleet inventory show inventories/fleet.py
      mlufleet inventory check inventories/fleet.py
    """


@inventory.command()
@INVENTORY_ARGUMENT
@click.option("--graph", "form", flag_value="graph", default=True, help="As a tree (default).")
@click.option("--json", "form", flag_value="json", help="As one JSON document.")
def show(inventory: str, form: str) -> None:
    """Show how INVENTORY is understood.

    Prints the groups and each host's address, user, release and cards. Nothing is connected to.

    \b
    Examples:
      mlufleet inventory show inventories/fleet.py
      mlufleet inventory show inventories/fleet.py --json
    """
    from mlufleet.run import startup

    startup.import_inventories()
    from fleet.inventory import pyinfra_loader, tree

    description = tree.describe_inventory(pyinfra_loader.load_inventory(inventory))
    if form == "json":
        click.echo(json.dumps(description, indent=1, ensure_ascii=False))
    else:
        tree.print_tree(inventory, description)


@inventory.command()
@INVENTORY_ARGUMENT
@click.option(
    "--full", is_flag=True, help="Read every byte of the store, changed or not (minutes)."
)
def check(inventory: str, full: bool) -> None:
    """Validate INVENTORY and its releases, locks and store.

    Nothing is connected to. Exit status: 0 valid, 3 invalid.

    \b
    Examples:
      mlufleet inventory check inventories/fleet.py
      mlufleet inventory check inventories/fleet.py --full
    """
    from mlufleet.run import startup

    startup.import_inventories()
    from mlufleet.report import host_ranges
    from mlufleet.run import launcher

    targets = launcher.validate_inventory(inventory)
    summaries = (
        (name, _("release {release}, store {store}", release=target.label, store=target.store))
        for name, target in targets
    )
    for line in host_ranges.group_lines(summaries, len(targets)):
        click.echo(line)
    releases = {
        release.identity: release for _name, target in targets for release in target.releases
    }
    _check_expectations(releases.values())
    for release in releases.values() if full else ():
        _check_whole_store(release)
    for line in compatibility_notes(releases.values()):
        click.echo(line)
    for line in _unproved_points(releases.values()):
        click.echo(line)
    click.echo(_("OK: inventory, releases, locks and store are consistent"))


@inventory.command()
@INVENTORY_ARGUMENT
@LIMIT_OPTION
@EXCLUDE_OPTION
@DATA_OPTION
def digest(
    inventory: str, limit: tuple[str, ...], exclude: tuple[str, ...], data: tuple[str, ...]
) -> None:
    """Print one digest of what the hosts of INVENTORY are to be.

    It is of their releases, locks, server keys, and fields of the inventory but groups and
    `remediate`. `mlufleet deploy --expect-digest` with the same hosts and data refuses to do
    anything else. Everything is validated as by `mlufleet inventory check`.

    \b
    Example:
      mlufleet inventory digest inventories/fleet.py --limit rack1
    """
    from mlufleet.run import startup

    startup.import_inventories()
    from fleet.inventory.desired_state import combine_digests
    from mlufleet.run import launcher

    words = [("--limit", each) for each in limit] + [("--exclude", each) for each in exclude]
    words += [("--data", each) for each in data]
    options = [word for pair in words for word in pair]
    click.echo(combine_digests(launcher.validate_digests(inventory, options)))


def _check_expectations(targets: Iterable[ReleaseTarget]) -> None:
    """Refuse smoke tests that need no answer; locks of earlier versions have not been asked.

    Raises:
        InvalidInput: An expectation would be met without an answer of the model.
    """
    from fleet.proof import expectations

    problems = [
        _(
            "release {release}: smoke.expect: {expect!r} proves no answer: {problem}",
            release=target.release.name,
            expect=target.release.smoke.expect,
            problem=problem,
        )
        for target in targets
        if (problem := expectations.find_problem(target.release.smoke))
    ]
    if problems:
        raise InvalidInput("\n".join(problems))


def _check_whole_store(target: ReleaseTarget) -> None:
    """Read every file of a release and compare it with the lock.

    Raises:
        InvalidInput: A file is missing or differs.
    """
    from fleet.store import measure

    problems = measure.check_store(target.release, target.lock, target.store, full=True)
    if problems:
        raise InvalidInput("\n".join(problems))


def _unproved_points(targets: Iterable[ReleaseTarget]) -> Iterator[str]:
    """Yield what was not proved of each release when it was locked, by the release's name."""
    for target in sorted(targets, key=lambda target: target.release.name):
        for line in target.lock.describe_unproved():
            yield sanitize.escape_line(
                _("{release}: unproved {point}", release=target.release.name, point=line)
            )


def compatibility_notes(targets: Iterable[ReleaseTarget]) -> Iterator[str]:
    """Yield what is known of the driver and the image of each release, by the release's name.

    Args:
        targets: Releases with their locks, each once.
    """
    from fleet.release import image_stack

    for target in sorted(targets, key=lambda target: target.release.name):
        for note in image_stack.describe_stack(target.release, target.lock):
            yield f"{target.release.name}: {note}"


inventory.replaces_command(show, "show")
