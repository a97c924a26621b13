"""The `mlufleet` command: what `pyinfra INVENTORY deploy.py` is not enough for."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from typing_extensions import override

from fleet.errors import (
    FAILURE_TABLE,
    ExitStatus,
    InvalidInput,
    canonical_code,
    render_reference,
)
from fleet.text import suggestions
from mlufleet.cli import release as cli_release
from mlufleet.cli import rollout
from mlufleet.cli.bundle import bundle, unbundle
from mlufleet.cli.hardware import golden, validate
from mlufleet.cli.init import init_site
from mlufleet.cli.store import fetch, verify
from mlufleet.run import interrupts, launcher

if TYPE_CHECKING:
    from fleet.release.target import ReleaseTarget


class MainGroup(click.Group):
    """Turns wrong input into one clear message and exit status 3."""

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            near = (
                suggestions.format_suggestions(args[0], self.commands)
                or "; `mlufleet --help` has them all"
            )
            raise InvalidInput(f"no command {args[0]}{near}")
        return super().resolve_command(ctx, args)

    @override
    def invoke(self, ctx: click.Context) -> object:
        interrupts.protect_standard_streams()
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            click.secho(f"error: {error}", fg="red", err=True)
            sys.exit(ExitStatus.INVALID)
        except OSError as error:  # a full disk, a folder that is gone: no fault of this program's
            if error.filename is None and error.errno != errno.ENOSPC:
                raise
            click.secho(f"error: {error}", fg="red", err=True)
            sys.exit(ExitStatus.INTERNAL)


@click.group(cls=MainGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlu-fleet")
def main() -> None:
    """Takes servers with Cambricon MLU370 cards from "SSH works" to "the model answers".

    \b
    mlufleet lock baichuan-7b --store artifacts   # measure the vendor's files once
    mlufleet check inventories/fleet.py           # everything that can be known beforehand
    mlufleet deploy inventories/fleet.py          # provision, with a true exit status
    mlufleet rollout inventories/fleet.py         # the same: canary first, in a window

    Exit status: 0 all as wanted, 1 internal error, 2 some hosts failed, 3 inventory, release or
    lock invalid (nothing was touched), 4 some unreachable, 5 stopped by the budget or rolled back,
    130 interrupted.
    """


@main.command()
@click.argument("release")
@click.option(
    "--store",
    default="artifacts",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of the vendor's files.",
)
@click.option("--quiet", is_flag=True, help="Do not list the files as they are measured.")
def lock(release: str, store: Path, quiet: bool) -> None:
    """Measure the store for RELEASE (a name or a file) and write the lock beside it.

    \b
    Example:  mlufleet lock baichuan-7b --store /srv/mlu
    """
    from fleet.release import driver_packages
    from fleet.release import files as release_files
    from fleet.release import lockfile as locks
    from fleet.store import measure

    path = release_files.find_release(release)
    read = release_files.load_release(path)

    def progress(name: str) -> None:
        if not quiet:
            click.echo(f"  {name}", err=True)

    def warn(line: str) -> None:
        click.secho(f"warning: {line}", fg="yellow", err=True)

    made = measure.create_lock(read, store, progress, warn)
    target = locks.lock_path(path)
    locks.write(made, target)
    click.echo(f"{target}: {len(made.files)} files, image {made.image.id[:19]}")
    have, lack = driver_packages.group_by_availability(read, made.files)
    click.echo(f"  hosts may be {', '.join(have)}")
    if lack and not quiet:
        click.echo(f"  the store has no driver for {', '.join(lack)}")


@main.command()
@click.argument("inventory", type=click.Path(exists=False))
@click.option(
    "--full", is_flag=True, help="Read every byte of the store (minutes), changed or not."
)
def check(inventory: str, full: bool) -> None:
    """Validate INVENTORY, its releases, locks and store, without connecting.

    \b
    Example:  mlufleet check inventories/fleet.py --full
    """
    from mlufleet.report import host_ranges

    read: set[str] = set()
    found = launcher.validate_inventory(inventory)
    said = ((name, f"release {wanted.label}, store {wanted.store}") for name, wanted in found)
    for line in host_ranges.group_lines(said, len(found)):
        click.echo(line)
    for _, wanted in found:
        for part in wanted.releases if full else ():
            if part.identity not in read:
                _check_whole_store(part)
            read.add(part.identity)
    for line in cli_release.compatibility_notes(inventory):
        click.echo(line)
    click.echo("nothing wrong was found")


def _check_whole_store(target: ReleaseTarget) -> None:
    from fleet.store import measure

    problems = measure.check_store(target.release, target.lock, target.store, full=True)
    if problems:
        raise InvalidInput("\n".join(problems))


@main.command()
@click.argument("inventory")
@click.option("--graph", "form", flag_value="graph", default=True, help="As a tree (the default).")
@click.option("--json", "form", flag_value="json", help="As one JSON document.")
def inventory(inventory: str, form: str) -> None:
    """Show what is understood of INVENTORY: its groups, and each host's address, user, release
    and cards, without connecting.

    \b
    Example:  mlufleet inventory inventories/fleet.py --graph
    """
    from fleet.inventory import pyinfra_loader, tree

    found = tree.describe_inventory(pyinfra_loader.load_inventory(inventory))
    if form == "json":
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        tree.print_tree(inventory, found)


@main.command(context_settings=launcher.PASS_THROUGH)
@click.argument("inventory")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def deploy(inventory: str, options: tuple[str, ...]) -> None:
    """Run deploy.py on INVENTORY with pyinfra's own OPTIONS and a true exit status.

    \b
    Examples:  mlufleet deploy inventories/fleet.py
               mlufleet deploy inventories/fleet.py --limit rack1 --dry
               mlufleet deploy inventories/fleet.py --data smoke=always
    """
    sys.exit(launcher.run_deploy(inventory, options).exit)


@main.command(context_settings=launcher.PASS_THROUGH)
@click.argument("inventory")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def doctor(inventory: str, as_json: bool, options: tuple[str, ...]) -> None:
    """Show the health of every host of INVENTORY and how it differs from its release.

    Nothing is written on a host. Exit status: 0 healthy, 2 some host is not, 4 some unreachable.

    \b
    Examples:  mlufleet doctor inventories/fleet.py
               mlufleet doctor inventories/fleet.py --limit rack1 --json
    """
    from mlufleet.cli import doctor as doctors

    report = launcher.dry_run_report(inventory, options)
    if as_json:
        click.echo(json.dumps(doctors.health_by_host(report), indent=1, ensure_ascii=False))
    else:
        doctors.print_health(report)
    sys.exit(doctors.exit_status(report))


@main.command("lock-status", context_settings=launcher.PASS_THROUGH)
@click.argument("inventory")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def lock_status(inventory: str, options: tuple[str, ...]) -> None:
    """Show who holds each host of INVENTORY: which run, since when, why.

    Exit status: 0 all were asked, 2 some could not be, 4 those are unreachable.

    \b
    Example:  mlufleet lock-status inventories/fleet.py
    """
    from mlufleet.cli import doctor as doctors

    report = launcher.dry_run_report(inventory, options)
    for line in doctors.describe_locks(report):
        click.echo(line)
    sys.exit(doctors.probe_exit_status(report))


@main.command(context_settings=launcher.PASS_THROUGH)
@click.argument("inventory")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def unlock(inventory: str, options: tuple[str, ...]) -> None:
    """Take the locks of hosts away from a run that is known to be dead.

    A lock whose holder is dead is taken over by the next run anyway; this is for one that still
    looks alive. The host's audit log says who did it.

    \b
    Example:  mlufleet unlock inventories/fleet.py --limit mlu03
    """
    launcher.validate_inventory(inventory, options)
    code = str(Path(__file__).parents[1] / "run" / "unlock.py")
    words = [sys.executable, "-m", "pyinfra", "-y", inventory, code, *options]
    done = subprocess.run(words, stdin=subprocess.DEVNULL)
    sys.exit(ExitStatus.FAILED if done.returncode else ExitStatus.OK)


@main.command("report")
@click.argument("run", default="latest")
def show_report(run: str) -> None:
    """Print the report of RUN (a name in runs/; the last one without), also of a killed one.

    Beside report.json it writes report.html (one page for people), junit.xml, metrics.prom (for
    the node exporter's textfile collector) and cards.csv and cards.json (a row a card).

    \b
    Example:  mlufleet report 20260314-091502-4711
    """
    from mlufleet.journal.run_folders import find_run
    from mlufleet.report import derive, publish, terminal

    folder = find_run(run)
    try:
        found = derive.write_report(folder, newest=False)
        publish.write_exports(found, folder)
    except OSError as error:  # of somebody else's run, or on a disk that is full
        found = derive.derive_from_journal(folder)
        click.secho(f"warning: {folder}: only shown: {error.strerror}", fg="yellow", err=True)
    terminal.print_summary(found, folder, err=False)
    click.echo(f"page: {folder}/report.html", err=True)


@main.command()
@click.argument("code", required=False)
@click.option("--markdown", is_flag=True, help="All of them, as docs/failures.md has them.")
def explain(code: str | None, markdown: bool) -> None:
    """What a failure code means and what to do; all of them without CODE. Its case is no matter.

    \b
    Example:  mlufleet explain CARD_BUSY
    """
    if markdown:
        click.echo(render_reference(), nl=False)
        return
    if code:
        code = canonical_code(code.strip().upper().replace("-", "_"))
    if code and code not in FAILURE_TABLE:
        near = (
            suggestions.format_suggestions(code, FAILURE_TABLE)
            or f"; codes: {', '.join(FAILURE_TABLE)}"
        )
        raise InvalidInput(f"no failure code {code}{near}")
    for name in [code] if code else FAILURE_TABLE:
        meaning, remedy = FAILURE_TABLE[name]
        click.echo(f"{name}: {meaning}\n  remedy: {remedy}")
    for line in cli_release.related_facts(code) if code else ():
        click.echo(f"  {line}")


for command in (
    rollout.rollout,
    rollout.rollback,
    rollout.status,
    rollout.drift,
    bundle,
    fetch,
    golden,
    init_site,
    cli_release.new,
    cli_release.show,
    unbundle,
    validate,
    verify,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
