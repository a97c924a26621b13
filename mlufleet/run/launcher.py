"""Runs of deploy.py by pyinfra, with what `mlufleet` adds: a check before, a report after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

import click

from fleet.errors import ExitStatus, InvalidInput
from mlufleet.run import interrupts, local_permissions

#: settings of a command whose unknown options are pyinfra's
PASS_THROUGH = {"ignore_unknown_options": True, "allow_extra_args": True}

#: connectors of pyinfra that lead to this machine, or to what a driver is never installed in
UNSUPPORTED_CONNECTORS = {
    f"{kind}Connector" for kind in ("Local", "Docker", "DockerSSH", "Podman", "PodmanSSH", "Chroot")
}

if TYPE_CHECKING:
    from pyinfra.api.inventory import Inventory

    from fleet.release.target import HostTarget
    from mlufleet.report.model import Report


def check_hosts(inventory_name: str, inventory: Inventory) -> list[tuple[str, HostTarget]]:
    """Every host's name and what it is wanted to be.

    :param name: of the inventory, for errors
    :raises InvalidInput: anything that can be known before the first connection is wrong
    """
    from pyinfra.connectors.ssh import SSHConnector

    from fleet import module_key
    from fleet.documents import loading
    from fleet.inventory import HostData, addresses, host_file, ssh_config
    from fleet.store import targets
    from fleet.text import sanitize
    from fleet.vendor import validation_suite
    from mlufleet.connect import private_keys

    found = []
    taken: dict[ssh_config.Destination, str] = {}
    for host in inventory:
        if (
            sanitize.escape_line(host.name) != host.name
        ):  # pyinfra puts it before every line it prints
            raise InvalidInput(
                f"{inventory_name}: {host.name!r}: the name has a character that is none"
            )
        # the rest is pyinfra's, or a site's own
        ours = [n for n in HostData.model_fields if n[:4] != "ssh_" and n not in ("groups", "data")]
        said = {key: host.data.get(key) for key in ours}
        said = {k: str(v) if isinstance(v, Path) else v for k, v in said.items()}
        data = loading.validate_document(HostData, said, Path(f"{inventory_name}: {host.name}"))
        if not (data.release or data.releases):
            raise InvalidInput(f"{inventory_name}: {host.name} has no `release`")
        try:
            if host.connector_cls.__name__ in UNSUPPORTED_CONNECTORS:
                raise InvalidInput(
                    f"a connector of pyinfra ({host.connector_cls.__name__}): a "
                    "fleet's hosts are reached by ssh"
                )
            # what vagrant or terraform know is called by their names
            addresses.check_name(host.name[host.name[:1] == "@" and host.name.find("/") + 1 :])
            addresses.check_login(str(host.data.get("ssh_user") or "root"))
            if host.connector_cls is SSHConnector:  # another one has addresses of its own kind
                where = {key: host.data.get(key) for key in ssh_config.ADDRESS_FIELDS}
                ssh_config.claim_destination(host.name, where, taken)
            named = ("sudo_password_file", "ssh_known_hosts_file")
            host_file.check_files({key: host.data.get(key) for key in named})
            if validation_suite.load_tests(data.validation or 0, data.validation_tests or ""):
                validation_suite.load_baselines(
                    validation_suite.DEFAULT_BASELINE_FILE if data.golden is None else data.golden
                )
            module_key.load_host_key(data.explicit_fields())
            if key := host.data.get("ssh_key"):
                private_keys.load(str(key), str(host.data.get("ssh_key_password") or ""))
            found.append((host.name, targets.load_host_target(data.explicit_fields())))
        except (InvalidInput, ValueError) as error:
            raise InvalidInput(f"{inventory_name}: {host.name}: {error}") from error
    return found


def warn_about_permissions(inventory_name: str, inventory: Inventory) -> None:
    """Say what this machine's other users could do to a run."""
    files = (str(host.data.get("sudo_password_file") or "") for host in inventory)
    for warning in local_permissions.permission_warnings(inventory_name, filter(None, files)):
        click.secho(f"warning: {warning}", fg="yellow", err=True)


def validate_inventory(inventory: str, options: Iterable[str] = ()) -> list[tuple[str, HostTarget]]:
    """Every host of an inventory file with what it is wanted to be; as :func:`check`.

    :param options: pyinfra's; its `--data` goes before what the inventory says
    :raises InvalidInput: also where `--limit` or `--exclude` name nobody
    """
    from fleet.inventory import host_selection
    from fleet.inventory.pyinfra_loader import (
        load_inventory,  # what reads inventories is slow to import
    )
    from mlufleet.connect import open_files

    said = parse_pyinfra_options(options)
    found = load_inventory(inventory, parse_data_overrides(said.get("data") or (), said))
    hosts = check_hosts(inventory, found)
    warn_about_permissions(inventory, found)
    chosen = host_selection.apply_limit(found, said.get("limit"))
    chosen = host_selection.apply_exclude(found, chosen, said.get("exclude"))
    open_files.raise_limit(found if chosen is None else chosen)
    return hosts


def parse_pyinfra_options(options: Iterable[str]) -> dict[str, Any]:
    """Options of pyinfra's command, as its own parser reads them.

    :raises InvalidInput: it has no such option, a word belongs to none, or a value is none of it
    """
    from pyinfra_cli.cli import cli

    context = click.Context(cli)
    try:
        said, _, _ = cli.make_parser(context).parse_args(["", "", *options])
        for option in cli.params:
            if option.name in said and isinstance(option, click.Option):
                option.type_cast_value(context, said[option.name])
    except click.UsageError as error:
        raise InvalidInput(error.format_message()) from error
    if more := said.get("operations", ())[1:]:
        raise InvalidInput(f"{more[0]}: what is this? Hosts are named by --limit {more[0]}")
    return dict(said)


def parse_data_overrides(
    data: Iterable[str], options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Pairs KEY=VALUE as pyinfra reads them.

    :param said: options of pyinfra's that are data as well: `--user`, `--key`, `--port`
    :raises InvalidInput: one is no pair
    """
    from pyinfra_cli.util import parse_cli_arg

    pairs = {}
    for word in data:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InvalidInput(f"--data {word}: say KEY=VALUE")
        pairs[key] = parse_cli_arg(value)
    return pairs | {
        key: options[key]
        for key in ("ssh_user", "ssh_key", "ssh_port")
        if options and options.get(key)
    }


def run_deploy(inventory: str, options: tuple[str, ...], output: IO[bytes] | None = None) -> Report:
    """One run of deploy.py by pyinfra.

    :param output: file for all that pyinfra prints; None: the terminal
    :returns: the run's report; ``exit`` is never 0 where pyinfra's own status is not
    :raises InvalidInput: the input is wrong, or the options leave no host
    """
    validate_inventory(inventory, options)
    from mlufleet.journal.journal import RUNS, check_writable, new_run_id
    from mlufleet.report import derive

    check_writable()
    if not {"dry", "yes"} & parse_pyinfra_options(options).keys():
        options = ("-y", *options)  # first: no option before it can take it for its value
    run = new_run_id()
    words = [sys.executable, "-m", "pyinfra", inventory, "deploy.py", *options]
    process = subprocess.Popen(
        words,
        env={**os.environ, "MLUFLEET_RUN": run},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )
    # Ctrl-C reaches pyinfra as well; this process stays to read the report it leaves
    for number in interrupts.stop_signals():
        passed = signal.SIG_IGN if number == signal.SIGINT else partial(_forward_signal, process)
        signal.signal(number, passed)
    status = process.wait()
    folder = RUNS / run
    if not (folder / "journal.jsonl").is_file():
        sys.exit(ExitStatus.INTERNAL if status else ExitStatus.OK)
    result = derive.write_report(folder)
    if status and result.exit == ExitStatus.OK:
        result.exit = ExitStatus.INTERNAL
    return result


def _forward_signal(process: subprocess.Popen[bytes], number: int, frame: FrameType | None) -> None:
    """A service manager may tell only this process."""
    process.send_signal(number)


def dry_run_report(inventory: str, options: tuple[str, ...]) -> Report:
    """The report of a run that only looks at the hosts."""
    with _temporary_file() as output:
        try:
            # first: as the value of an option that lacks its own it would be a run that writes
            return run_deploy(inventory, ("--dry", *options), output)
        except SystemExit:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            raise


def _temporary_file() -> IO[bytes]:
    """A file in memory, where there is such a thing: a folder for temporary ones may be full."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("mlufleet"), "w+b")
    return tempfile.TemporaryFile()
