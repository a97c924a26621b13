"""`mlufleet release`: create, show and lock releases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet import paths
from fleet.errors import InvalidInput
from fleet.language import _, find_translated_file
from fleet.text import sanitize, suggestions, word_lists
from mlufleet.cli.groups import CommandGroup
from mlufleet.cli.options import STORE_OPTION, complete_release

if TYPE_CHECKING:
    from fleet.release.files import ReleaseDocument
    from fleet.release.lockfile import Lock

SKELETON_FILE = paths.FILES_FOLDER / "templates" / "release.yml"


@click.group(cls=CommandGroup)
def release() -> None:
    """Create, show and lock releases.

    A release describes what a host must be: driver, image, sources, weights and smoke test. Its
    lock file has the sizes and checksums of all files, and the points that remain unproved.

    \b
    Examples:
      mlufleet release new llama-3-8b
      mlufleet release lock baichuan-7b --store artifacts
      mlufleet release show baichuan-7b
    """


@release.command()
@click.argument("name")
def new(name: str) -> None:
    """Write a commented skeleton of release NAME to fill in.

    NAME is a release name, or a file name that ends in .yml.

    \b
    Example:
      mlufleet release new llama-3-8b
    """
    from pydantic import TypeAdapter, ValidationError

    from fleet.documents.type_words import describe_problem
    from fleet.documents.types import Name

    if "/" in name and not name.endswith(".yml"):
        raise InvalidInput(
            _(
                "{name}: a release name has no folder; for a file, use a name that ends in .yml",
                name=name,
            )
        )
    path = Path(name) if name.endswith(".yml") else paths.new_file_path(f"releases/{name}.yml")
    try:
        TypeAdapter[str](Name).validate_python(path.stem)
    except ValidationError as error:
        raise InvalidInput(describe_problem(error.errors()[0])) from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            text = find_translated_file(SKELETON_FILE).read_text(encoding="utf-8")
            file.write(text.replace("@NAME@", path.stem))
    except FileExistsError as error:
        raise InvalidInput(
            _("{path} already exists; remove it, or choose another name", path=path)
        ) from error
    except OSError as error:
        raise InvalidInput(
            _("{path}: cannot be written: {problem}", path=path, problem=error.strerror)
        ) from error
    click.echo(
        _(
            "{path}: replace the texts in <>, then run `mlufleet release lock {release}`",
            path=path,
            release=name,
        )
    )


@release.command()
@click.argument("release", required=False, shell_complete=complete_release)
@click.option("--inventory", help="Inventory of --host.", type=click.Path())
@click.option("--host", help="Show the release of this host, with its store and cards.")
@click.option("--variant", help="Show another variant than the release's default.")
def show(release: str | None, inventory: str | None, host: str | None, variant: str | None) -> None:
    """Show what RELEASE means for a host: files, mounts, commands and checksums.

    Nothing is connected to.

    \b
    Examples:
      mlufleet release show baichuan-7b
      mlufleet release show --host mlu01 --inventory inventories/fleet.py
    """
    from fleet.release.card_assignment import ASSIGNMENT_ADAPTER
    from fleet.release.target import DEFAULT_STORE

    store, cards, assignment = DEFAULT_STORE, 1, {}
    if bool(host) != bool(inventory):
        raise InvalidInput(_("--host and --inventory belong together; set both"))
    if host and inventory:
        data = _load_host_data(inventory, host)
        if not release and data.get("releases"):
            assignment = ASSIGNMENT_ADAPTER.validate_python(data.get("releases"))
        release = release or data.get("release")
        store, cards = str(data.get("store") or DEFAULT_STORE), data.get("cards") or 1
    if not release and not assignment:
        raise InvalidInput(_("missing RELEASE; name one, or a host that has one (--host)"))
    for name, card_numbers in assignment.items() or [(str(release), None)]:
        _show_release(name, variant, Path(store), cards, card_numbers)


def _load_host_data(inventory: str, name: str) -> Any:
    """Return the data of a host as pyinfra reads it.

    Raises:
        InvalidInput: The inventory is invalid, or has no such host.
    """
    from fleet.inventory.pyinfra_loader import load_inventory

    hosts = load_inventory(inventory)
    host = hosts.get_host(name, None)
    if host is None:
        near = suggestions.format_suggestions(name, (host.name for host in hosts))
        raise InvalidInput(
            _("{inventory}: no host {host}{nearest}", inventory=inventory, host=name, nearest=near)
        )
    return host.data


def _show_release(
    name: str, variant: str | None, store: Path, cards: int, card_numbers: tuple[int, ...] | None
) -> None:
    """Print a release; without its lock if the lock is missing or stale."""
    from fleet.documents import loading
    from fleet.release import files, lockfile
    from mlufleet.cli.release_description import describe_release

    path = files.find_release(name)
    release = files.load_release(path, variant)
    lock = lockfile.load(path) if loading.is_file(lockfile.lock_path(path)) else None
    if lock is not None and lock.release != release.digest:
        lock = None
    for line in describe_release(release, lock, store, cards, card_numbers):
        click.echo(sanitize.escape_line(line))
    if lock is None:
        click.echo(
            _(
                "no current lock; run `mlufleet release lock {release}` to measure the store",
                release=name,
            )
        )


@release.command()
@click.argument("release", shell_complete=complete_release)
@STORE_OPTION
@click.option("--quiet", is_flag=True, help="Do not list the files while they are measured.")
def lock(release: str, store: Path, quiet: bool) -> None:
    """Compare RELEASE with its files in the store and write its lock file.

    RELEASE is a name or a file. The lock file, with sizes and checksums, is written next to the
    release. A release that its files contradict gets none; all errors are printed at once. Points
    that cannot be compared are listed as unproved.

    Exit status: 0 locked, 3 files are missing or the release is wrong.

    \b
    Example:
      mlufleet release lock baichuan-7b --store /srv/mlu
    """
    from fleet.release import files

    path = files.find_release(release)
    write_lock(files.load_document(path), store, quiet=quiet)


def write_lock(
    document: ReleaseDocument, store: Path, *, quiet: bool, to_stderr: bool = False
) -> None:
    """Measure the files of a release, write its lock file, and say so.

    Args:
        document: the release.
        store: folder of the vendor's files.
        quiet: do not list the files while they are measured.
        to_stderr: whether standard output is for something else (default: False).

    Raises:
        InvalidInput: a file is missing, or the release is wrong about one.
    """
    from fleet.proof import locking
    from fleet.release import lockfile

    def show_file(name: str) -> None:
        if not quiet:
            click.echo(f"  {name}", err=True)

    def warn(line: str) -> None:
        click.secho(_("warning: {warning}", warning=line), fg="yellow", err=True)

    created = locking.create_lock(document, store, show_file, warn)
    target = lockfile.lock_path(document.path)
    lockfile.write(created, target)
    click.echo(
        _(
            "{path}: {count} files, image {image}",
            path=target,
            count=len(created.files),
            image=created.image.id[:19],
        ),
        err=to_stderr,
    )
    for line in _describe_lock(document, created, quiet=quiet):
        click.echo(f"  {line}", err=to_stderr)


def _describe_lock(document: ReleaseDocument, lock: Lock, *, quiet: bool) -> Iterator[str]:
    """Yield what a new lock covers, and what it does not."""
    from fleet.release import driver_packages, files

    others = [name for name in files.list_variants(document.path) if name != document.variant]
    if others:
        yield _(
            "variant: {variant} (not compared: {others})",
            variant=document.variant,
            others=word_lists.join_words(others),
        )
    available, missing = driver_packages.group_by_availability(document.release, lock.files)
    yield _("drivers found for: {systems}", systems=word_lists.join_words(available))
    unproved = lock.describe_unproved()
    yield _("unproved points: {count}", count=len(unproved) or _("none"))
    for line in unproved:
        yield sanitize.escape_line(f"  {line}")
    if missing and not quiet:
        yield _("no driver in the store for: {systems}", systems=word_lists.join_words(missing))
