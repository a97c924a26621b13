"""The `mlufleet` command: what `pyinfra INVENTORY deploy.py` is not enough for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click

from fleet.failures import TABLE, Exit, InvalidInput

#: what we read of a host's data; the rest is pyinfra's, or a site's own
OURS = ("release", "store", "cards", "evict", "keep_dirty", "smoke", "reboot_timeout",
        "sudo_password_file")  # fmt: skip


class Command(click.Group):
    """Turns wrong input into one clear message and exit status 3."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            click.secho(f"error: {error}", fg="red", err=True)
            sys.exit(Exit.INVALID)


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlu-fleet")
def main() -> None:
    """Takes servers with Cambricon MLU370 cards from "SSH works" to "the model answers".

    \b
    mlufleet lock baichuan-7b --store artifacts   # measure the vendor's files once
    mlufleet check inventories/fleet.py           # everything that can be known beforehand
    mlufleet deploy inventories/fleet.py          # provision, with a true exit status

    Exit status: 0 all as wanted, 1 internal error, 2 some hosts failed, 3 inventory, release or
    lock invalid (nothing was touched), 4 some unreachable, 130 interrupted.
    """


@main.command()
@click.argument("release")
@click.option("--store", default="artifacts", show_default=True,
              type=click.Path(path_type=Path), help="Folder of the vendor's files.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Do not list the files as they are measured.")
def lock(release: str, store: Path, quiet: bool) -> None:
    """Measure the store for RELEASE (a name or a file) and write the lock beside it.

    \b
    Example:  mlufleet lock baichuan-7b --store /srv/mlu
    """
    from fleet import lock as locks
    from fleet import release as releases

    path = releases.find(release)

    def progress(name: str) -> None:
        if not quiet:
            click.echo(f"  {name}", err=True)

    made = locks.make(releases.load(path), store, progress)
    target = locks.beside(path)
    part = target.with_suffix(".part")
    part.write_text(made.model_dump_json(indent=1) + "\n")
    part.replace(target)
    click.echo(f"{target}: {len(made.files)} files, image {made.image.id[:19]}")


@main.command()
@click.argument("inventory", type=click.Path(exists=False))
@click.option("--full", is_flag=True, help="Read every byte of the store (minutes).")
def check(inventory: str, full: bool) -> None:
    """Validate INVENTORY, its releases, locks and store, without connecting.

    \b
    Example:  mlufleet check inventories/fleet.py --full
    """
    for name, release, store in validated(inventory):
        click.echo(f"{name}: release {release}, store {store}")
        if full:
            _full(release, store)
    click.echo("nothing wrong was found")


def _full(release: str, store: str) -> None:
    from fleet import lock as locks
    from fleet.wanted import load

    wanted = load(release, store)
    problems = locks.check(wanted.release, wanted.lock, Path(store), full=True)
    if problems:
        raise InvalidInput("\n".join(problems))


def validated(inventory: str) -> list[tuple[str, str, str]]:
    """(host, release, store) of an inventory, as pyinfra itself will read it.

    :raises InvalidInput: anything that can be known before the first connection is wrong
    """
    from pyinfra.api.state import State
    from pyinfra.context import ctx_state
    from pyinfra_cli.exceptions import CliError, UnexpectedExternalError
    from pyinfra_cli.inventory import make_inventory_from_files

    from fleet import documents, wanted
    from fleet.inventory import HostData

    if not Path(inventory).is_file():
        raise InvalidInput(f"{inventory}: no such inventory file")
    sys.path.insert(0, os.getcwd())
    ctx_state.set(State())  # type: ignore[no-untyped-call]
    try:
        hosts = list(make_inventory_from_files(inventory, cwd=os.getcwd()))
    except InvalidInput:
        raise
    except (CliError, UnexpectedExternalError, OSError) as error:
        raise InvalidInput(f"{inventory}: {error}") from error
    if not hosts:
        raise InvalidInput(f"{inventory}: it has no hosts")
    found = []
    for host in hosts:
        said = {name: host.data.get(name) for name in OURS}
        said = {k: str(v) if isinstance(v, Path) else v for k, v in said.items()}
        data = documents.validate(HostData, said, Path(f"{inventory}: {host.name}"))
        if not data.release:
            raise InvalidInput(f"{inventory}: {host.name} has no `release`")
        store = data.store or wanted.STORE
        wanted.load(data.release, store)
        found.append((host.name, data.release, store))
    return found


@main.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("inventory")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def deploy(inventory: str, options: tuple[str, ...]) -> None:
    """Run deploy.py on INVENTORY with pyinfra's own OPTIONS and a true exit status.

    \b
    Examples:  mlufleet deploy inventories/fleet.py
               mlufleet deploy inventories/fleet.py --limit rack1 --dry
               mlufleet deploy inventories/fleet.py --data smoke=always
    """
    names = [name for name, _, _ in validated(inventory)]
    from fleet import report
    from fleet.journal import RUNS

    identity = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    words = [sys.executable, "-m", "pyinfra", inventory, "deploy.py", *options]
    if not {"--dry", "-y", "--yes"} & set(options):
        words.append("-y")
    process = subprocess.Popen(words, env={**os.environ, "MLUFLEET_RUN": identity})
    # Ctrl-C reaches pyinfra as well; this process stays to read the report it leaves
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = process.wait()
    folder = RUNS / identity
    if not (folder / "journal.jsonl").is_file():
        sys.exit(Exit.INTERNAL if status else Exit.OK)
    result = report.write(folder)
    if not result["hosts"]:
        raise InvalidInput(f"{' '.join(options)}: no host is left of {', '.join(names)}")
    exit_status = result["exit"]
    if status and exit_status == Exit.OK:
        exit_status = Exit.INTERNAL
    sys.exit(exit_status)


@main.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """What a failure code means and what to do; all of them without CODE."""
    if code and code not in TABLE:
        raise InvalidInput(f"no failure code {code}; codes: {', '.join(TABLE)}")
    for name in [code] if code else TABLE:
        meaning, remedy = TABLE[name]
        click.echo(f"{name}: {meaning}\n  remedy: {remedy}")


if __name__ == "__main__":
    main()
