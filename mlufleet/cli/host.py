"""`mlufleet host`: its lock, its reboot, and whether runs leave it alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from fleet.errors import ExitStatus, InvalidInput
from fleet.language import _
from mlufleet.cli.groups import CommandGroup
from mlufleet.cli.options import (
    EXPECT_DIGEST_OPTION,
    INCLUDE_QUARANTINED_OPTION,
    INVENTORY_ARGUMENT,
    JSON_OPTION,
    PASS_THROUGH,
    PYINFRA_OPTIONS_ARGUMENT,
)


@click.group(cls=CommandGroup)
def host() -> None:
    """Show or break the locks of hosts, reboot a host, and take hosts out of service.

    A run locks every host that it changes, so that no other run changes it at the same time. Hosts
    in quarantine are left out of runs and of what `mlufleet endpoints` offers.

    \b
    Examples:
      mlufleet host lock-status inventories/fleet.py
      mlufleet host break-lock inventories/fleet.py --limit mlu03
      mlufleet host reboot inventories/fleet.py mlu03
      mlufleet host quarantine inventories/fleet.py mlu03 --reason "cards drop"
      mlufleet host unquarantine inventories/fleet.py mlu03
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
    Use it for a lock that still looks alive. The host's audit log records the operator. `--limit`
    has to name the hosts; `--limit all` is all of them. OPTIONS are passed to pyinfra.

    \b
    Example:
      mlufleet host break-lock inventories/fleet.py --limit mlu03
    """
    from mlufleet.run import launcher, pyinfra_options

    launcher.validate_inventory(inventory, options)
    if "limit" not in pyinfra_options.parse_options(options):
        raise InvalidInput(
            _("name the hosts to unlock with --limit; `--limit all` is all of them, also at work")
        )
    code = str(Path(launcher.__file__).with_name("unlock.py"))
    command = [sys.executable, "-m", "pyinfra", "-y", inventory, code, *options]
    completed = subprocess.run(command, stdin=subprocess.DEVNULL)
    sys.exit(ExitStatus.FAILED if completed.returncode else ExitStatus.OK)


@host.command("reboot")
@INVENTORY_ARGUMENT
@click.argument("name", metavar="HOST")
@EXPECT_DIGEST_OPTION
@INCLUDE_QUARANTINED_OPTION
def reboot(inventory: str, name: str, expect_digest: str, include_quarantined: bool | None) -> None:
    """Reboot HOST of INVENTORY, and bring it to its release.

    A run does it: with the lock, a journal, and proof by the host's boot ID. A host on whose cards
    others work is not rebooted (CARD_BUSY); what else runs on it is ended. Nor is one in
    quarantine, without `--include-quarantined`.

    Exit status: as of `mlufleet deploy`.

    \b
    Example:
      mlufleet host reboot inventories/fleet.py mlu03
    """
    from mlufleet.cli.host_reboot import reboot_host

    included = bool(include_quarantined)
    sys.exit(reboot_host(inventory, name, expect_digest, include_quarantined=included))


HOSTS_ARGUMENT = click.argument("hosts", metavar="[HOST]...", nargs=-1)
HOOK_OPTION = click.option(
    "--hook",
    default="",
    metavar="COMMAND",
    help="Run this command on the controller for each host, with MLUFLEET_HOST, …_STATUS, …_REASON "
    "and others in its environment.",
)
HOOK_TIMEOUT_OPTION = click.option(
    "--hook-timeout",
    default=600,
    show_default=True,
    type=click.IntRange(1, 86400),
    metavar="SECONDS",
    help="Time limit of that command.",
)


@host.command("quarantine")
@INVENTORY_ARGUMENT
@HOSTS_ARGUMENT
@click.option("--reason", default="", help="Why, in one line; required.")
@click.option("--code", default="", help="Failure code that it is about, such as CARD_DROPPED.")
@HOOK_OPTION
@HOOK_TIMEOUT_OPTION
@click.option("--list", "only_list", is_flag=True, help="Only show which hosts are in quarantine.")
@JSON_OPTION
def quarantine(
    inventory: str, hosts: tuple[str, ...], only_list: bool, as_json: bool, **given: Any
) -> None:
    """Take HOSTs of INVENTORY out of service until `mlufleet host unquarantine`.

    `mlufleet deploy`, `rollout` and `adopt --apply` leave such hosts out, and `mlufleet endpoints`
    offers none of their servers; each says so. Nothing is done to the host: what runs on it goes
    on. HOST is a name, a group, mlu[01-08] or mlu*. The marks are in quarantine.yml in the folder
    of the site, with the time, the reason and your name.

    A HOST that is in quarantine already stays so as it was. With `--hook`, the command is run for
    each host that was not, for example to drain it in Slurm.

    Exit status: 0, 2 the hook failed for a host (the mark is kept), 3 invalid input.

    \b
    Examples:
      mlufleet host quarantine inventories/fleet.py mlu03 --reason "ticket 4711"
      mlufleet host quarantine inventories/fleet.py mlu[05-08] --reason "new fans"
      mlufleet host quarantine inventories/fleet.py mlu03 --reason "cards drop" \\
        --hook 'scontrol update NodeName=$MLUFLEET_HOST State=DRAIN Reason=mlu'
      mlufleet host quarantine inventories/fleet.py --list --json
    """
    from mlufleet.cli import host_quarantine

    if only_list:
        if hosts or given["reason"] or given["code"] or given["hook"]:
            raise InvalidInput(
                _("--list: takes no HOST and no option but --json; remedy: leave out the others")
            )
        host_quarantine.list_hosts(inventory, as_json=as_json)
        return
    if as_json:
        raise InvalidInput(_("--json: only with --list; remedy: leave it out"))
    words = (given["reason"], given["code"], given["hook"], given["hook_timeout"])
    sys.exit(host_quarantine.begin(inventory, hosts, *words))


@host.command("quarantine-hook", hidden=True)
@INVENTORY_ARGUMENT
@click.argument("name", metavar="HOST")
def quarantine_hook(inventory: str, name: str) -> None:
    """Run the hook of `mlufleet watch` for HOST, which it has taken out of service."""
    from mlufleet.cli import host_quarantine

    sys.exit(host_quarantine.run_hook_of_watch(inventory, name))


@host.command("unquarantine")
@INVENTORY_ARGUMENT
@HOSTS_ARGUMENT
@HOOK_OPTION
@HOOK_TIMEOUT_OPTION
def unquarantine(inventory: str, hosts: tuple[str, ...], hook: str, hook_timeout: int) -> None:
    """Put HOSTs of INVENTORY back into service.

    HOST is a name, a group, mlu[01-08] or mlu*; it may be a host that the inventory no longer has.
    A HOST that is not in quarantine is told, and is no error. With `--hook`, the command is run for
    each host that was, with MLUFLEET_STATUS=released.

    Exit status: 0, 2 the hook failed for a host (the mark is gone), 3 invalid input.

    \b
    Examples:
      mlufleet host unquarantine inventories/fleet.py mlu03
      mlufleet host unquarantine inventories/fleet.py all
    """
    from mlufleet.cli import host_quarantine

    sys.exit(host_quarantine.end(inventory, hosts, hook, hook_timeout))
