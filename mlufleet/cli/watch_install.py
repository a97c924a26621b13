"""`mlufleet watch --install`: systemd's units, once all that they start with is valid."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fleet.errors import ExitStatus, InvalidInput
from fleet.language import _
from mlufleet.cli.watch_remediation import build_policy, list_words
from mlufleet.watch import state_folder, unit_files, unit_install, unit_user
from mlufleet.watch.look_messages import Ready, decode_message

#: there if systemd has started this machine
SYSTEMD_FOLDER = Path("/run/systemd/system")


def install(
    inventory: str,
    look_command: Sequence[str],
    every_s: int,
    listen: tuple[str, int],
    given: dict[str, Any],
) -> None:
    """Write or print the units.

    Args:
        inventory: File of the inventory.
        look_command: Starts the look process of the service.
        every_s: Seconds between two looks at a host.
        listen: Address and port of the pages; an empty address for none.
        given: The options of the command; those that have a form of their own are valid.

    Raises:
        InvalidInput: The service could not start with them, or a unit cannot be written.
        SystemExit: The look process has found the input to be invalid, and has said why.
    """
    path, state = Path(os.path.abspath(inventory)), Path(os.path.abspath(given["state"]))
    if not path.is_file():
        raise InvalidInput(_("{path}: no such file; remedy: name the inventory", path=inventory))
    options = [f"--state={state}", *_list_options(given)]
    check_address(*listen)
    ready = ask_look_process(look_command)
    once, mends = given["once"], bool(ready.modes) and not given["once"]
    settings = unit_files.UnitSettings(
        path, options, state, every_s, once, mends, host_count=len(ready.hosts)
    )
    units = unit_files.render_units(settings)
    if given["only_print"]:
        _print(units)
    else:
        with unit_user.acting_as(unit_user.find_sudo_user()):
            state_folder.prepare(state)  # the unit may write nowhere else
            unit_files.find_cache_folder().mkdir(parents=True, exist_ok=True)
        _write(units)


def _list_options(given: dict[str, Any]) -> list[str]:
    """Return the words of the command in the unit, whose files are valid."""
    from mlufleet.watch.notices import receivers

    build_policy(given)  # raises if it is invalid
    words = [f"--keep-days={given['keep_days']}"]
    if file := given["notify"]:
        receivers.load_settings(file)  # the service would end with the same error
        words.append(f"--notify={os.path.abspath(file)}")
    words += [f"--limit={hosts}" for hosts in given["limit"]]
    words += [f"--exclude={hosts}" for hosts in given["exclude"]]
    if given["once"]:
        return [*words, "--once"]
    words += [f"--every={given['every']}", f"--listen={given['listen']}", *list_words(given)]
    if file := given["token_file"]:
        words.append(f"--token-file={os.path.abspath(file)}")
    return words


def check_address(address: str, port: int) -> None:
    """Check that an address is this machine's; its port may be that of a watch that runs.

    Args:
        address: IP address; empty for none.
        port: The port, for the error.

    Raises:
        InvalidInput: It is not.
    """
    if not address:
        return
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.bind((address, 0))
    except OSError as error:
        raise InvalidInput(
            _(
                "--listen {address}:{port}: {problem}; remedy: an address of this machine",
                address=address,
                port=port,
                problem=error.strerror,
            )
        ) from None


def ask_look_process(command: Sequence[str]) -> Ready:
    """Return what the look process of the service would begin with.

    Args:
        command: Starts it.

    Raises:
        SystemExit: It could not begin; it has said why.
    """
    # without rounds to run, it ends when it is ready
    as_user = unit_user.process_settings(unit_user.find_sudo_user())
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **as_user)
    message = decode_message(done.stdout) if done.stdout and not done.returncode else None
    if not isinstance(message, Ready):
        sys.exit(done.returncode if done.returncode > 0 else ExitStatus.INTERNAL)
    return message


def _print(units: dict[str, str]) -> None:
    for name, text in units.items():
        name_line = f"# {unit_install.UNIT_FOLDER / name}\n" if len(units) > 1 else ""
        click.echo(name_line + text, nl=False)


def _describe_user() -> str:
    if sudo_user := unit_user.find_sudo_user():
        return _("the service runs as {user}, who called sudo", user=sudo_user.pw_name)
    return _("the service runs as {user}", user=unit_files.find_user())


def _write(units: dict[str, str]) -> None:
    written = unit_install.install_units(units)
    for one in written:
        if one.copy:
            click.echo(_("kept: {path}, which was there with another text", path=one.copy))
        written_words = _("written: {path}", path=one.path)
        click.echo(written_words if one.is_new else _("unchanged: {path}", path=one.path))
    click.echo(_describe_user())
    last = list(units)[-1]
    reload = "systemctl daemon-reload"
    if any(one.is_new for one in written) and SYSTEMD_FOLDER.is_dir():
        done = subprocess.run(reload.split(), stdin=subprocess.DEVNULL)
        reload = "" if done.returncode == 0 else reload
    start = f"{f'{reload} && ' if reload else ''}systemctl enable --now {last}"
    click.echo(_("start it: {command}", command=start))
    files = " ".join(str(one.path) for one in written)
    stop = f"systemctl disable --now {last} && rm {files} && systemctl daemon-reload"
    click.echo(_("remove it: {command}", command=stop))
    timer = unit_install.UNIT_FOLDER / f"{unit_files.UNIT_NAME}.timer"
    if timer.name not in units and timer.exists():
        command = f"systemctl disable --now {timer.name} && rm {timer}"
        message = _(
            "{path}: is there, and starts the service as well; remedy: {command}",
            path=timer,
            command=command,
        )
        click.echo(message)
