"""What a release means for a host, in lines for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from fleet.documents import loading
from fleet.release import card_assignment, driver_packages, endpoints, host_paths, image_stack
from fleet.release.lockfile import Lock
from fleet.release.model import Release
from fleet.release.target import ReleaseTarget
from fleet.text.redact import hide_credentials
from operations import container, file_patches, packages


def describe_release(
    release: Release,
    lock: Lock | None,
    store: Path,
    cards: int,
    card_numbers: tuple[int, ...] | None = None,
) -> Iterator[str]:
    """Yield what a release means for a host, one line for each thing.

    Args:
        release: The release.
        lock: Its lock; None if there is none, then sizes and checksums are left out.
        store: Folder of the vendor's files.
        cards: Number of cards of the host.
        card_numbers: The cards that are this release's, if the host has several releases.
    """
    yield f"release {release.name}: {release.summary}"
    yield from _describe_driver(release, lock, store)
    yield f"image {release.image.reference}{f'  id {lock.image.id}' if lock else ''}"
    if release.image.file:
        yield f"  {_describe_file(release.image.file, lock, store)}"
    if release.image.registry:
        size = f"  {lock.image.size} bytes" if lock and lock.image.size else ""
        yield f"  {release.image.registry}{size}"
    if lock:
        for line in image_stack.describe_stack(release, lock):
            yield f"  {line}"
    yield f"container {release.container.name}"
    for host_path, container_path in host_paths.list_mounts(release):
        yield f"  mount {host_path} at {container_path}"
    yield from _describe_inputs(release, lock, store)
    if lock:
        yield from _describe_container(ReleaseTarget(release, lock, store, card_numbers), cards)
    yield from _describe_commands(release, card_numbers)
    if lock:
        yield from _describe_serve(ReleaseTarget(release, lock, store, card_numbers), cards)
        yield from (f"unproved {line}" for line in lock.describe_unproved())


def _describe_file(name: str, lock: Lock | None, store: Path) -> str:
    locked = lock.files.get(name) if lock else None
    measured = f"  {locked.size} bytes, sha256 {locked.sha256}" if locked else ""
    return f"{store}/{name}{measured}"


def _describe_driver(release: Release, lock: Lock | None, store: Path) -> Iterator[str]:
    yield f"driver {release.driver.version}"
    for key, package in sorted(release.driver.packages.items()):
        yield f"  {key}: {_describe_file(package.file, lock, store)}"
    for system, architecture, package in driver_packages.list_from_table(release):
        tested = architecture not in system.untested
        name = package.file
        if name in lock.files if lock else loading.is_file(store / name):
            mark = "" if tested else "  untested"
            yield f"  {system.name}: {_describe_file(name, lock, store)}{mark}"
        elif tested:
            yield f"  {system.name}: would need {name}"


def _describe_inputs(release: Release, lock: Lock | None, store: Path) -> Iterator[str]:
    for source in release.sources:
        commit = f" = {lock.commits[source.name]}" if lock else ""
        yield f"source {source.name} at {source.revision}{commit}"
        origin = source.bundle or hide_credentials(source.url or "")
        yield f"  {host_paths.to_host_path(release, source.path)} from {origin}"
    for weights in release.weights:
        files = lock.files_in(weights.folder).values() if lock else ()
        size = f", {sum(f.size for f in files)} bytes in {len(files)} files" if lock else ""
        yield f"weights {store}/{weights.folder} at {weights.target}{size}"


def _describe_container(target: ReleaseTarget, cards: int) -> Iterator[str]:
    arguments = container.run_arguments(target, target.card_numbers(cards))
    name, image = target.release.container.name, target.lock.image.id
    yield f"run docker run {shlex.join(arguments)} --name {name} {image}"
    for change in file_patches.group_by_file(target):
        where = change.container_name or "host"
        yield f"patch {where}:{change.path}  sha256 {change.expected_sha256 or '?'}"
        if origin := change.origin:
            yield f"  from {origin.checkout}:{origin.path} at {origin.commit}"


def _describe_commands(release: Release, card_numbers: tuple[int, ...] | None) -> Iterator[str]:
    python = release.image.python
    if migration := release.migration:
        for tree in migration.trees:
            path = release.find_source(tree).path
            yield f"run {python} {migration.tool} -i {path}"
    key = "" if card_numbers is None else card_assignment.release_key(release)
    shared = host_paths.shared_folder(key, in_container=True)
    for pip in release.packages.pip:
        arguments = packages.pip_arguments([pip], release.packages.wheelhouse is not None, shared)
        yield f"run {python} -m pip {shlex.join(arguments)}"
    smoke = release.smoke
    expectation = smoke.artefact or smoke.url or smoke.expect
    command = shlex.join(smoke.command)
    yield f"smoke ({smoke.kind}) {command} in {smoke.workdir}: {expectation}"


def _describe_serve(target: ReleaseTarget, cards: int) -> Iterator[str]:
    serve = target.release.serve
    if serve is None:
        return
    model = endpoints.get_model_name(target)
    yield f"serve ({serve.api}) {model} in {serve.workdir}: {serve.expect}"
    instances = endpoints.build_definition(target, cards)["instances"]
    for endpoint, instance in zip(endpoints.list_endpoints(target, cards), instances, strict=True):
        numbers = ", ".join(map(str, endpoint.cards))
        yield f"  port {endpoint.port}, cards {numbers}: {shlex.join(instance['command'])}"
