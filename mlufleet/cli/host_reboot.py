"""`mlufleet host reboot`: one look at the host, and a run that ends exactly that boot."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click

from fleet import quarantine
from fleet.errors import ExitStatus, InvalidInput
from fleet.language import _
from fleet.text import sanitize

if TYPE_CHECKING:
    from mlufleet.watch.look_messages import Ready
    from mlufleet.watch.observation import Observation


def reboot_host(
    inventory: str, name: str, expected: str = "", *, include_quarantined: bool = False
) -> int:
    """Reboot a host, bring it to its release, and return the exit status.

    Args:
        inventory: File of the inventory.
        name: Name of the host.
        expected: Digest of what the host has to be; empty for whatever it is to be.
        include_quarantined: Whether it may be in quarantine.

    Raises:
        InvalidInput: It is in quarantine.
        SystemExit: The input is invalid; the reason has been printed.
    """
    from mlufleet.run import launcher
    from mlufleet.watch.observation import SEEN, UNREACHABLE

    if not include_quarantined:
        refuse_quarantined(inventory, name)
    seen = look_once(inventory, name, expected)
    if seen.outcome != SEEN:
        reason = _("a run works on it")
        if seen.failure:
            reason = _(
                "{code}: {sentence}; remedy: {remedy}",
                code=seen.failure.code,
                sentence=seen.failure.sentence,
                remedy=seen.failure.remedy,
            )
        click.echo(
            sanitize.escape_line(_("{host} is not rebooted: {reason}", host=name, reason=reason)),
            err=True,
        )
        is_silent = seen.outcome == UNREACHABLE
        return ExitStatus.UNREACHABLE if is_silent else ExitStatus.FAILED
    options = ("--limit", name, "--data", f"reboot_from={seen.boot_id}")
    included = launcher.INCLUDE_QUARANTINED if include_quarantined else ()
    report = launcher.run_deploy(inventory, (*included, *options), expected=expected)
    return report.exit or ExitStatus.OK


def refuse_quarantined(inventory: str, name: str) -> None:
    """Refuse a host that is in quarantine, before it is looked at.

    Args:
        inventory: File of the inventory.
        name: Name of the host.

    Raises:
        InvalidInput: It is in quarantine.
    """
    path = quarantine.find_file(inventory)
    if mark := quarantine.load(path).get(name):
        raise InvalidInput(
            _(
                "{host}: is not rebooted, as it is {state}; remedy: "
                "--include-quarantined, or `mlufleet host unquarantine {inventory} "
                "{host}`",
                host=name,
                state=mark.sentence,
                inventory=inventory,
            )
        )


def look_once(inventory: str, name: str, expected: str = "") -> Observation:
    """Look at a host as the watch does.

    Args:
        inventory: File of the inventory.
        name: Name of the host.
        expected: Digest of what the host has to be; empty for whatever it is to be.

    Raises:
        InvalidInput: There is no such host, or the digest is another one.
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
        with process.stdin:
            for line in process.stdout:
                match decode_message(line):
                    case Ready() as ready:
                        _check_host(ready, name, expected)
                        process.stdin.write(encode_message(Round(1, [name])))
                        process.stdin.flush()
                    case Observed(observation=observation):
                        return observation
                    case _:
                        break
    sys.exit(process.returncode or ExitStatus.INTERNAL)


def _check_host(ready: Ready, name: str, expected: str) -> None:
    """Check that a look process has read the host that is meant, and what it is to be."""
    from fleet.inventory.desired_state import check_digest

    if list(ready.hosts) != [name]:
        raise InvalidInput(_("{host}: not the name of one host", host=name))
    check_digest(ready.digests, expected)
