"""`mlufleet new` and `mlufleet show`: a release begun, and what one comes to for a host."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet import paths
from fleet.errors import InvalidInput
from fleet.text import sanitize, suggestions
from mlufleet.run import launcher

if TYPE_CHECKING:
    from fleet.release.lockfile import Lock
    from fleet.release.model import Release

SKELETON_FILE = paths.FILES_FOLDER / "templates" / "release.yml"


@click.command()
@click.argument("name")
def new(name: str) -> None:
    """Write a commented skeleton of release NAME (or of a file that ends in .yml) to fill in.

    \b
    Example:  mlufleet new llama-3-8b
    """
    from pydantic import TypeAdapter, ValidationError

    from fleet.documents import type_words
    from fleet.documents.types import Name

    if "/" in name and not name.endswith(".yml"):
        raise InvalidInput(f"{name}: a release's name has no folder; a file's name ends in .yml")
    path = Path(name) if name.endswith(".yml") else paths.new_file_path(f"releases/{name}.yml")
    try:
        TypeAdapter[str](Name).validate_python(path.stem)
    except ValidationError as error:
        raise InvalidInput(type_words.describe_problem(error.errors()[0])) from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(SKELETON_FILE.read_text(encoding="utf-8").replace("@NAME@", path.stem))
    except FileExistsError as error:
        raise InvalidInput(f"{path} is there already") from error
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror}") from error
    click.echo(f"{path}: fill in what stands in <>, then `mlufleet lock {name}`")


@click.command()
@click.argument("release", required=False)
@click.option("--inventory", help="Take release, store and cards of a host from here.")
@click.option("--host", help="Which host of the inventory.")
@click.option("--variant", help="Another variant than the release's own.")
def show(release: str | None, inventory: str | None, host: str | None, variant: str | None) -> None:
    """Show what RELEASE comes to: files by system, mounts, commands, digests; nothing connects.

    \b
    Examples:  mlufleet show baichuan-7b
               mlufleet show --host mlu01 --inventory inventories/fleet.py
    """
    from fleet.documents import loading
    from fleet.release import files as release_files
    from fleet.release import lockfile as locks
    from fleet.release.card_assignment import ASSIGNMENT_ADAPTER
    from fleet.release.target import DEFAULT_STORE

    store, cards, several = DEFAULT_STORE, 1, {}
    if bool(host) != bool(inventory):
        raise InvalidInput("say --host and --inventory together")
    if host and inventory:
        from fleet.inventory.pyinfra_loader import load_inventory

        found = load_inventory(inventory).get_host(host, None)
        if found is None:
            near = suggestions.format_suggestions(
                host, (one.name for one in load_inventory(inventory))
            )
            raise InvalidInput(f"{inventory}: no host {host}{near}")
        if not release and (said := found.data.get("releases")):
            several = ASSIGNMENT_ADAPTER.validate_python(said)
        release = release or found.data.get("release")
        store, cards = str(found.data.get("store") or DEFAULT_STORE), found.data.get("cards") or 1
    if not release and not several:
        raise InvalidInput("say a release, or a host of an inventory that has one")
    for name, numbers in several.items() or [(str(release), None)]:
        path = release_files.find_release(name)
        read = release_files.load_release(path, variant)
        locked = locks.load(path) if loading.is_file(locks.lock_path(path)) else None
        stale = locked is not None and locked.release != read.digest
        for line in describe_release(read, None if stale else locked, Path(store), cards, numbers):
            click.echo(sanitize.escape_line(line))
        if locked is None or stale:
            click.echo("no lock for this: `mlufleet lock` measures the store")


def describe_release(
    release: Release,
    lock: Lock | None,
    store: Path,
    cards: int,
    card_numbers: tuple[int, ...] | None = None,
) -> Iterator[str]:
    """What a release comes to, a line a thing.

    :param cards: devices of the host
    :param own: numbers of those that are this release's, where the host has several releases
    """
    from fleet.documents import loading
    from fleet.release import card_assignment, compatibility, driver_packages, host_paths
    from fleet.release.target import ReleaseTarget
    from fleet.text.redact import hide_credentials
    from operations import container, packages, patches
    from operations.host.facts import Card, HostFacts

    def file(name: str) -> str:
        known = lock.files.get(name) if lock else None
        return f"{store}/{name}" + (f"  {known.size} bytes, sha256 {known.sha256}" if known else "")

    yield f"release {release.name}: {release.summary}"
    yield f"driver {release.driver.version}"
    for system, package in sorted(release.driver.packages.items()):
        yield f"  {system}: {file(package.file)}"
    for row, architecture, package in driver_packages.list_from_table(release):
        tried = architecture not in row.untested
        name = package.file
        if name in lock.files if lock else loading.is_file(store / name):
            yield f"  {row.name}: {file(name)}{'' if tried else '  untested'}"
        elif tried:
            yield f"  {row.name}: would need {name}"
    yield f"image {release.image.reference}{f'  id {lock.image.id}' if lock else ''}"
    yield f"  {file(release.image.file)}"
    if lock:
        yield f"  {compatibility.describe_required_driver(release, lock)}"
    yield f"container {release.container.name}"
    for on_host, inside in host_paths.list_mounts(release):
        yield f"  mount {on_host} at {inside}"
    for source in release.sources:
        commit = f" = {lock.commits[source.name]}" if lock else ""
        yield f"source {source.name} at {source.revision}{commit}"
        origin = source.bundle or hide_credentials(source.url or "")
        yield f"  {host_paths.to_host_path(release, source.path)} from {origin}"
    for weights in release.weights:
        files = lock.files_in(weights.folder).values() if lock else ()
        size = f", {sum(f.size for f in files)} bytes in {len(files)} files" if lock else ""
        yield f"weights {store}/{weights.folder} at {weights.target}{size}"
    if lock:
        wanted = ReleaseTarget(release, lock, store, card_numbers)
        state = HostFacts(cards=[Card(f"{n}", "0x0370", "01", "") for n in range(cards)])
        words = container.run_arguments(wanted, state)
        yield f"run docker run {shlex.join(words)} --name {release.container.name} {lock.image.id}"
        for change in patches.group_by_file(wanted):
            place = f"{change.container_name or 'host'}:{change.path}"
            yield f"patch {place}  sha256 {change.expected_sha256 or '?'}"
    for tree in release.migration.trees if release.migration else ():
        assert release.migration is not None
        where = release.find_source(tree).path
        yield f"run {release.image.python} {release.migration.tool} -i {where}"
    shared = host_paths.shared_folder(
        "" if card_numbers is None else card_assignment.release_key(release), in_container=True
    )
    for pip in release.packages.pip:
        words = packages.pip_arguments(pip, release.packages.wheelhouse is not None, shared)
        yield f"run {release.image.python} -m pip {shlex.join(words)}"
    smoke = release.smoke
    judged = smoke.artefact or smoke.url or smoke.expect
    yield f"smoke ({smoke.kind}) {shlex.join(smoke.command)} in {smoke.workdir}: {judged}"


def related_facts(code: str) -> Iterator[str]:
    """What the tables of systems and of what goes with what have to say of a failure."""
    if code in ("OS_UNSUPPORTED", "HEADERS_MISSING"):
        from mlufleet.reference import systems_page

        yield from systems_page.describe_failure(code)
    elif code == "KERNEL_TOO_NEW":
        from fleet.release import compatibility

        for limit in compatibility.load_table().kernels:
            yield f"driver {limit.driver} and older: kernels up to {limit.newest_kernel}"


def compatibility_notes(inventory: str) -> Iterator[str]:
    """What is known of driver and image of each release in an inventory."""
    from fleet.release import compatibility

    parts = {
        part.identity: part
        for _, one in launcher.validate_inventory(inventory)
        for part in one.releases
    }
    for part in sorted(parts.values(), key=lambda one: one.release.name):
        driver = compatibility.describe_required_driver(part.release, part.lock)
        yield f"{part.release.name}: {driver}"
