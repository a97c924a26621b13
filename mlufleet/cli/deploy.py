"""`mlufleet deploy`."""

from __future__ import annotations

import sys

import click

from mlufleet.cli.options import (
    EXPECT_DIGEST_OPTION,
    INCLUDE_QUARANTINED_OPTION,
    INVENTORY_ARGUMENT,
    PASS_THROUGH,
    PYINFRA_OPTIONS_ARGUMENT,
    WIDE_OPTION,
)
from mlufleet.cli.translated_command import TranslatedCommand


@click.command(cls=TranslatedCommand, context_settings=PASS_THROUGH)
@INVENTORY_ARGUMENT
@EXPECT_DIGEST_OPTION
@INCLUDE_QUARANTINED_OPTION
@WIDE_OPTION
@PYINFRA_OPTIONS_ARGUMENT
def deploy(
    inventory: str,
    expect_digest: str,
    include_quarantined: bool | None,
    options: tuple[str, ...],
) -> None:
    """Bring all hosts of INVENTORY to their releases.

    Runs deploy.py with pyinfra. Hosts in quarantine (`mlufleet host quarantine`) are left out,
    which is no failure.

    OPTIONS are those of pyinfra, among them `--limit HOSTS` and `--exclude HOSTS` (a name, a group,
    mlu[01-08] or mlu*; both may be repeated), `--data KEY=VALUE` (a field of all hosts), `--dry`
    (only probe, and show what would change), and `-v`, `-vv` or `-vvv` (print more and more).

    Exit status: 0 all hosts are in the desired state, 2 some hosts failed, 3 invalid input, 4
    some hosts are unreachable, 130 interrupted.

    \b
    Examples:
      mlufleet deploy inventories/fleet.py
      mlufleet deploy inventories/fleet.py --limit rack1 --dry
      mlufleet deploy inventories/fleet.py --data smoke=always
      mlufleet deploy inventories/fleet.py --expect-digest 4f1c0d6a9b3e7f25
    """
    from mlufleet.run import launcher

    if include_quarantined:
        options = (*launcher.INCLUDE_QUARANTINED, *options)
    sys.exit(launcher.run_deploy(inventory, options, expected=expect_digest).exit)
