"""`mlufleet host`: its lock, which keeps two runs from changing it at once, and its reboot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from fleet.errors import ExitStatus
from mlufleet.cli.groups import CommandGroup
from mlufleet.cli.options import INVENTORY_ARGUMENT, PASS_THROUGH, PYINFRA_OPTIONS_ARGUMENT


@click.group(cls=CommandGroup)
def host() -> None:
    """Show or break the locks of hosts, and reboot a host.

    A run locks every host that it changes, so that no other run changes it at the same time.

    \b
    Examples:
      mlufleet host lock-status inventories/fleet.py
      mlufleet host break-lock inventories/fleet.py --limit mlu03
      mlufleet host reboot inventories/fleet.py mlu03
    """


@host.command("lock-status", context_settings=PASS_THROUGH)
@INVENTORY_ARGUMENT
@PYINFRA_OPTIONS_ARGUMENT
def lock_status(inventory: str, options: tuple[str, ...]) -> None:
    """Show which run holds the lock of each host of INVENTORY.

    OPTIONS are passed to pyinfra. Exit status: 0 all hosts answered, 2 some could not be probed,
    4 some are unreachable.

    \b
    Example:
      mlufleet host lock-status inventories/fleet.py
    """
    from mlufleet.cli import health
    from mlufleet.run import launcher

    report = launcher.dry_run_report(inventory, options)
    for line in health.describe_locks(report):
        click.echo(line)
    sys.exit(health.probe_exit_status(report))


@host.command("break-lock", context_settings=PASS_THROUGH)
@INVENTORY_ARGUMENT
@PYINFRA_OPTIONS_ARGUMENT
def break_lock(inventory: str, options: tuple[str, ...]) -> None:
    """Remove the locks of hosts whose run is known to be dead.

    This is rarely needed: if a run stops sending heartbeats, the next run takes its locks over.
    Use it for a lock that still looks alive. The host's audit log records the operator. OPTIONS
    are passed to pyinfra.

    \b
    Example:
      mlufleet host break-lock inventories/fleet.py --limit mlu03
    """
    from mlufleet.run import launcher

    launcher.validate_inventory(inventory, options)
    code = str(Path(launcher.__file__).with_name("unlock.py"))
    command = [sys.executable, "-m", "pyinfra", "-y", inventory, code, *options]
    completed = subprocess.run(command, stdin=subprocess.DEVNULL)
    sys.exit(ExitStatus.FAILED if completed.returncode else ExitStatus.OK)


@host.command("reboot")
@INVENTORY_ARGUMENT
@click.argument("name", metavar="HOST")
def reboot(inventory: str, name: str) -> None:
    """Reboot HOST of INVENTORY, and bring it to its release.

    A run does it: with the lock, a journal, and proof by the host's boot ID. A host on whose cards
    others work is not rebooted (CARD_BUSY); what else runs on it is ended.

    Exit status: as of `mlufleet deploy`.

    \b
    Example:
      mlufleet host reboot inventories/fleet.py mlu03
    """
    from mlufleet.cli.host_reboot import reboot_host

    sys.exit(reboot_host(inventory, name))
