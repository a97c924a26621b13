"""Runs of deploy.py: validation before the first connection, a report afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from types import FrameType
from typing import IO, TYPE_CHECKING

import click

from fleet.environment import EXPECTED_DIGEST_VARIABLE, RUN_ID_VARIABLE
from fleet.errors import ExitStatus
from fleet.language import _
from mlufleet.run import interrupts, local_permissions, pyinfra_options

if TYPE_CHECKING:
    from pyinfra.api import Host
    from pyinfra.api.inventory import Inventory

    from fleet.release.target import HostTarget
    from mlufleet.report.model import Report

#: options of pyinfra with which hosts in quarantine are not left out
INCLUDE_QUARANTINED = ("--data", "include_quarantined=true")


def validate_inventory(inventory: str, options: Iterable[str] = ()) -> list[tuple[str, HostTarget]]:
    """Validate an inventory file and everything else that needs no connection.

    Prints a warning for each file that other users could have changed, and raises this process's
    limit of open files to what the hosts need.

    Args:
        inventory: The inventory's file.
        options: Options of pyinfra; values of ``--data`` replace those of the inventory.

    Returns:
        The name and the desired state of each host, whether ``--limit`` selects it or not.

    Raises:
        InvalidInput: The inventory, a release, its lock or store or the file of quarantines is
            invalid, or ``--limit`` or ``--exclude`` names no host.
    """
    return _validate_selection(inventory, options)[0]


def validate_digests(inventory: str, options: Iterable[str] = ()) -> dict[str, str]:
    """Validate an inventory as :func:`validate_inventory` does.

    Args:
        inventory: The inventory's file.
        options: Options of pyinfra; values of ``--data`` replace those of the inventory.

    Returns:
        Host -> digest of what it is to be, of the hosts that the options select.

    Raises:
        InvalidInput: As of :func:`validate_inventory`.
    """
    from fleet.inventory.desired_state import compute_digests

    return compute_digests(_validate_selection(inventory, options)[1])


def validate_run(inventory: str, options: Iterable[str]) -> None:
    """Validate what a run of this process will do, also by the digest that is expected.

    Args:
        inventory: The inventory's file.
        options: Options of pyinfra.

    Raises:
        InvalidInput: As of :func:`validate_inventory`, the digest is another one, or all hosts
            are in quarantine.
    """
    from fleet.inventory import desired_state

    selected = _validate_selection(inventory, options, heeds_quarantine=True)[1]
    desired_state.check_selection(selected)


def _validate_selection(
    inventory: str, options: Iterable[str], *, heeds_quarantine: bool = False
) -> tuple[list[tuple[str, HostTarget]], list[Host]]:
    """Return the desired state of all hosts, and the selected hosts."""
    from fleet.inventory import host_selection
    from fleet.inventory.pyinfra_loader import load_inventory  # slow to import
    from mlufleet.connect import open_files
    from mlufleet.run.host_checks import check_hosts
    from mlufleet.run.quarantined_hosts import find_quarantined

    given = pyinfra_options.parse_options(options)
    data = pyinfra_options.parse_data(given.get("data") or (), given)
    hosts = load_inventory(inventory, data)
    targets = check_hosts(inventory, hosts)
    warn_about_permissions(inventory, hosts)
    limited = host_selection.apply_limit(hosts, given.get("limit"))
    limited = host_selection.apply_exclude(hosts, limited, given.get("exclude"))
    selected = list(hosts) if limited is None else list(limited)
    find_quarantined(inventory, selected, heeds=heeds_quarantine)
    open_files.raise_limit(selected)
    return targets, selected


def warn_about_permissions(inventory_name: str, inventory: Inventory) -> None:
    """Print a warning for each file of a run that another user could have changed or read.

    Args:
        inventory_name: The inventory's file.
        inventory: Its hosts.
    """
    files = (str(host.data.get("sudo_password_file") or "") for host in inventory)
    for warning in local_permissions.permission_warnings(inventory_name, filter(None, files)):
        click.secho(_("warning: {warning}", warning=warning), fg="yellow", err=True)


def run_deploy(
    inventory: str,
    options: tuple[str, ...],
    output: IO[bytes] | None = None,
    expected: str = "",
) -> Report:
    """Validate the input, run deploy.py with pyinfra in another process, and return its report.

    Args:
        inventory: The inventory's file.
        options: Options of pyinfra.
        output: File for all that pyinfra prints (default: the terminal).
        expected: Digest of what the hosts have to be; empty for whatever they are to be.

    Returns:
        The run's report. Its exit status is never 0 if pyinfra's own is not.

    Raises:
        InvalidInput: The run could keep no journal.
        SystemExit: The input is invalid, the options select no host, or pyinfra ended before it
            wrote a journal. The reason has been printed.
    """
    from mlufleet.journal.journal import JOURNAL_FILE, RUNS, check_writable, new_run_id
    from mlufleet.report import derive

    check_writable()
    run_id = new_run_id()
    status = _run_deploy_process(run_id, [inventory, *options], output, expected)
    folder = RUNS / run_id
    if not (folder / JOURNAL_FILE).is_file():
        if status in (ExitStatus.INVALID, ExitStatus.INTERRUPTED):
            sys.exit(status)  # the process has said why
        sys.exit(ExitStatus.INTERNAL if status else ExitStatus.OK)
    report = derive.write_report(folder)
    if status and report.exit == ExitStatus.OK:
        report.exit = ExitStatus.INTERNAL
    return report


def _run_deploy_process(
    run_id: str, arguments: list[str], output: IO[bytes] | None, expected: str
) -> int:
    """Run deploy.py in another process, forward signals to it, and return its exit status."""
    descriptor = output.fileno() if output else 1
    process = subprocess.Popen(
        [sys.executable, "-m", "mlufleet.run.deploy_process", str(descriptor), *arguments],
        env={**os.environ, RUN_ID_VARIABLE: run_id, EXPECTED_DIGEST_VARIABLE: expected},
        stdin=subprocess.DEVNULL,
        pass_fds=(descriptor,) if output else (),
    )
    # Ctrl-C reaches that process as well; this one must survive it to read the report
    for number in interrupts.stop_signals():
        handler = signal.SIG_IGN if number == signal.SIGINT else partial(_forward_signal, process)
        signal.signal(number, handler)
    return process.wait()


def _forward_signal(process: subprocess.Popen[bytes], number: int, frame: FrameType | None) -> None:
    """Pass a signal on: a service manager may signal this process only."""
    process.send_signal(number)


def dry_run_report(inventory: str, options: tuple[str, ...]) -> Report:
    """Probe the hosts of an inventory without changing them, and return the report.

    Hosts in quarantine are looked at as well. What pyinfra prints is shown only if there is no
    report.

    Args:
        inventory: The inventory's file.
        options: Options of pyinfra.

    Raises:
        InvalidInput: The run could keep no journal.
        SystemExit: As of :func:`run_deploy`.
    """
    with _temporary_file() as output:
        try:
            # first: as the value of an incomplete option, --dry would be lost
            return run_deploy(inventory, ("--dry", *INCLUDE_QUARANTINED, *options), output)
        except SystemExit:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            raise


def _temporary_file() -> IO[bytes]:
    """Return a file in memory if the system has such files: a temporary folder may be full."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("mlufleet"), "w+b")
    return tempfile.TemporaryFile()
