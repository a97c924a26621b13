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

from fleet.errors import Exit, InvalidInput
from mlufleet.run import interrupts, local_permissions

#: settings of a command whose unknown options are pyinfra's
FOR_PYINFRA = {"ignore_unknown_options": True, "allow_extra_args": True}

#: connectors of pyinfra that lead to this machine, or to what a driver is never installed in
NO_SERVERS = {
    f"{kind}Connector" for kind in ("Local", "Docker", "DockerSSH", "Podman", "PodmanSSH", "Chroot")
}

if TYPE_CHECKING:
    from pyinfra.api.inventory import Inventory

    from fleet.release.target import Wanted


def check(name: str, inventory: Inventory) -> list[tuple[str, Wanted]]:
    """Every host's name and what it is wanted to be.

    :param name: of the inventory, for errors
    :raises InvalidInput: anything that can be known before the first connection is wrong
    """
    from pyinfra.connectors.ssh import SSHConnector

    from fleet import module_key
    from fleet.documents import loading
    from fleet.inventory import HostData, addresses, host_file, ssh_config
    from fleet.release import target
    from fleet.text import sanitize
    from fleet.vendor import validation_suite
    from mlufleet.connect import private_keys

    found = []
    taken: dict[ssh_config.Destination, str] = {}
    for host in inventory:
        if sanitize.line(host.name) != host.name:  # pyinfra puts it before every line it prints
            raise InvalidInput(f"{name}: {host.name!r}: the name has a character that is none")
        # the rest is pyinfra's, or a site's own
        ours = [n for n in HostData.model_fields if n[:4] != "ssh_" and n not in ("groups", "data")]
        said = {key: host.data.get(key) for key in ours}
        said = {k: str(v) if isinstance(v, Path) else v for k, v in said.items()}
        data = loading.validate(HostData, said, Path(f"{name}: {host.name}"))
        if not (data.release or data.releases):
            raise InvalidInput(f"{name}: {host.name} has no `release`")
        try:
            if host.connector_cls.__name__ in NO_SERVERS:
                raise InvalidInput(
                    f"a connector of pyinfra ({host.connector_cls.__name__}): a "
                    "fleet's hosts are reached by ssh"
                )
            # what vagrant or terraform know is called by their names
            addresses.check_name(host.name[host.name[:1] == "@" and host.name.find("/") + 1 :])
            addresses.check_login(str(host.data.get("ssh_user") or "root"))
            if host.connector_cls is SSHConnector:  # another one has addresses of its own kind
                where = {key: host.data.get(key) for key in ssh_config.READ}
                ssh_config.claim(host.name, where, taken)
            named = ("sudo_password_file", "ssh_known_hosts_file")
            host_file.check_files({key: host.data.get(key) for key in named})
            if validation_suite.tests(data.validation or 0, data.validation_tests or ""):
                validation_suite.golden(
                    validation_suite.GOLDEN if data.golden is None else data.golden
                )
            module_key.of(data.said())
            if key := host.data.get("ssh_key"):
                private_keys.load(str(key), str(host.data.get("ssh_key_password") or ""))
            found.append((host.name, target.of_host(data.said())))
        except (InvalidInput, ValueError) as error:
            raise InvalidInput(f"{name}: {host.name}: {error}") from error
    return found


def warned(name: str, inventory: Inventory) -> None:
    """Say what this machine's other users could do to a run."""
    files = (str(host.data.get("sudo_password_file") or "") for host in inventory)
    for warning in local_permissions.warnings(name, filter(None, files)):
        click.secho(f"warning: {warning}", fg="yellow", err=True)


def validated(inventory: str, options: Iterable[str] = ()) -> list[tuple[str, Wanted]]:
    """Every host of an inventory file with what it is wanted to be; as :func:`check`.

    :param options: pyinfra's; its `--data` goes before what the inventory says
    :raises InvalidInput: also where `--limit` or `--exclude` name nobody
    """
    from fleet.inventory import host_selection
    from fleet.inventory.pyinfra_loader import load  # what reads inventories is slow to import
    from mlufleet.connect import open_files

    said = parsed(options)
    found = load(inventory, override(said.get("data") or (), said))
    hosts = check(inventory, found)
    warned(inventory, found)
    chosen = host_selection.limited(found, said.get("limit"))
    chosen = host_selection.without(found, chosen, said.get("exclude"))
    open_files.allow(found if chosen is None else chosen)
    return hosts


def parsed(options: Iterable[str]) -> dict[str, Any]:
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


def override(data: Iterable[str], said: Mapping[str, Any] | None = None) -> dict[str, Any]:
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
        key: said[key] for key in ("ssh_user", "ssh_key", "ssh_port") if said and said.get(key)
    }


def run(inventory: str, options: tuple[str, ...], output: IO[bytes] | None = None) -> Any:
    """One run of deploy.py by pyinfra.

    :param output: file for all that pyinfra prints; None: the terminal
    :returns: the run's report; ``exit`` is never 0 where pyinfra's own status is not
    :raises InvalidInput: the input is wrong, or the options leave no host
    """
    validated(inventory, options)
    from mlufleet.journal.journal import RUNS, identity, ready
    from mlufleet.report import derive

    ready()
    if not {"dry", "yes"} & parsed(options).keys():
        options = ("-y", *options)  # first: no option before it can take it for its value
    run = identity()
    words = [sys.executable, "-m", "pyinfra", inventory, "deploy.py", *options]
    process = subprocess.Popen(
        words,
        env={**os.environ, "MLUFLEET_RUN": run},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )
    # Ctrl-C reaches pyinfra as well; this process stays to read the report it leaves
    for number in interrupts.asked():
        passed = signal.SIG_IGN if number == signal.SIGINT else partial(_pass_on, process)
        signal.signal(number, passed)
    status = process.wait()
    folder = RUNS / run
    if not (folder / "journal.jsonl").is_file():
        sys.exit(Exit.INTERNAL if status else Exit.OK)
    result = derive.write(folder)
    if status and result["exit"] == Exit.OK:
        result["exit"] = Exit.INTERNAL
    return result


def _pass_on(process: subprocess.Popen[bytes], number: int, frame: FrameType | None) -> None:
    """A service manager may tell only this process."""
    process.send_signal(number)


def look(inventory: str, options: tuple[str, ...]) -> Any:
    """The report of a run that only looks at the hosts."""
    with _scratch() as output:
        try:
            # first: as the value of an option that lacks its own it would be a run that writes
            return run(inventory, ("--dry", *options), output)
        except SystemExit:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            raise


def _scratch() -> IO[bytes]:
    """A file in memory, where there is such a thing: a folder for temporary ones may be full."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("mlufleet"), "w+b")
    return tempfile.TemporaryFile()
