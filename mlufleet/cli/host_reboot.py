"""`mlufleet host reboot`: one look at the host, and a run that ends exactly that boot."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click

from fleet.errors import ExitStatus
from fleet.text import sanitize

if TYPE_CHECKING:
    from mlufleet.watch.observation import Observation


def reboot_host(inventory: str, name: str) -> int:
    """Reboot a host, bring it to its release, and return the exit status.

    Args:
        inventory: File of the inventory.
        name: Name of the host.

    Raises:
        SystemExit: The input is invalid; the reason has been printed.
    """
    from mlufleet.run import launcher
    from mlufleet.watch.observation import SEEN, UNREACHABLE

    seen = look_once(inventory, name)
    if seen.outcome != SEEN:
        reason = "a run works on it"
        if seen.failure:
            reason = f"{seen.failure.code}: {seen.failure.sentence}; remedy: {seen.failure.remedy}"
        click.echo(sanitize.escape_line(f"{name} is not rebooted: {reason}"), err=True)
        is_silent = seen.outcome == UNREACHABLE
        return ExitStatus.UNREACHABLE if is_silent else ExitStatus.FAILED
    options = ("--limit", name, "--data", f"reboot_from={seen.boot_id}")
    return launcher.run_deploy(inventory, options).exit or ExitStatus.OK


def look_once(inventory: str, name: str) -> Observation:
    """Look at a host as the watch does.

    Args:
        inventory: File of the inventory.
        name: Name of the host.

    Raises:
        SystemExit: The look process could not begin, and has said why.
    """
    from mlufleet.watch.look_messages import (
        Observed,
        Ready,
        Round,
        decode_message,
        encode_message,
    )

    command = [sys.executable, "-m", "mlufleet.watch.look_process", f"--limit={name}", "--"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, inventory], stdin=pipe, stdout=pipe) as process:
        assert process.stdin and process.stdout
        for line in process.stdout:
            match decode_message(line):
                case Ready(hosts=hosts):
                    if list(hosts) != [name]:
                        process.stdin.close()
                        click.echo(f"{name}: not the name of one host", err=True)
                        sys.exit(ExitStatus.INVALID)
                    process.stdin.write(encode_message(Round(1, [name])))
                    process.stdin.flush()
                case Observed(observation=observation):
                    process.stdin.close()
                    return observation
                case _:
                    break
        process.stdin.close()
    sys.exit(process.returncode or ExitStatus.INTERNAL)
