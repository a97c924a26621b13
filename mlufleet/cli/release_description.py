"""What a release means for a host, in lines for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from fleet.documents import loading
from fleet.language import _
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
    yield _("release {release}: {summary}", release=release.name, summary=release.summary)
    yield from _describe_driver(release, lock, store)
    image = _("image {image}", image=release.image.reference)
    yield f"{image}  id {lock.image.id}" if lock else image
    if release.image.file:
        yield f"  {_describe_file(release.image.file, lock, store)}"
    if release.image.registry:
        size = "  " + _("{size} bytes", size=lock.image.size) if lock and lock.image.size else ""
        yield f"  {release.image.registry}{size}"
    if lock:
        for line in image_stack.describe_stack(release, lock):
            yield f"  {line}"
    yield _("container {container}", container=release.container.name)
    for host_path, container_path in host_paths.list_mounts(release):
        yield "  " + _("mount {path} at {target}", path=host_path, target=container_path)
    yield from _describe_inputs(release, lock, store)
    if lock:
        yield from _describe_container(ReleaseTarget(release, lock, store, card_numbers), cards)
    yield from _describe_commands(release, card_numbers)
    if lock:
        yield from _describe_serve(ReleaseTarget(release, lock, store, card_numbers), cards)
        yield from (_("unproved {point}", point=line) for line in lock.describe_unproved())


def _describe_file(name: str, lock: Lock | None, store: Path) -> str:
    locked = lock.files.get(name) if lock else None
    path = f"{store}/{name}"
    if not locked:
        return path
    return _(
        "{path}  {size} bytes, sha256 {checksum}",
        path=path,
        size=locked.size,
        checksum=locked.sha256,
    )


def _describe_driver(release: Release, lock: Lock | None, store: Path) -> Iterator[str]:
    yield _("driver {driver}", driver=release.driver.version)
    for key, package in sorted(release.driver.packages.items()):
        yield f"  {key}: {_describe_file(package.file, lock, store)}"
    for system, architecture, package in driver_packages.list_from_table(release):
        tested = architecture not in system.untested
        name = package.file
        if name in lock.files if lock else loading.is_file(store / name):
            mark = "" if tested else "  " + _("untested")
            yield f"  {system.name}: {_describe_file(name, lock, store)}{mark}"
        elif tested:
            yield "  " + _("{system}: would need {file}", system=system.name, file=name)


def _describe_inputs(release: Release, lock: Lock | None, store: Path) -> Iterator[str]:
    for source in release.sources:
        commit = f" = {lock.commits[source.name]}" if lock else ""
        place = _("source {source} at {revision}", source=source.name, revision=source.revision)
        yield place + commit
        origin = source.bundle or hide_credentials(source.url or "")
        path = host_paths.to_host_path(release, source.path)
        yield "  " + _("{path} from {origin}", path=path, origin=origin)
    for weights in release.weights:
        files = lock.files_in(weights.folder).values() if lock else ()
        path = f"{store}/{weights.folder}"
        place = _("weights {path} at {target}", path=path, target=weights.target)
        total = sum(one.size for one in files)
        size = _(", {size} bytes in {count} files", size=total, count=len(files)) if lock else ""
        yield place + size


def _describe_container(target: ReleaseTarget, cards: int) -> Iterator[str]:
    arguments = container.run_arguments(target, target.card_numbers(cards))
    name, image = target.release.container.name, target.lock.image.id
    command = f"docker run {shlex.join(arguments)} --name {name} {image}"
    yield _("run {command}", command=command)
    for change in file_patches.group_by_file(target):
        path = f"{change.container_name or 'host'}:{change.path}"
        checksum = change.expected_sha256 or "?"
        yield _("patch {path}  sha256 {checksum}", path=path, checksum=checksum)
        if origin := change.origin:
            path = f"{origin.checkout}:{origin.path}"
            yield "  " + _("from {path} at {commit}", path=path, commit=origin.commit)


def _describe_commands(release: Release, card_numbers: tuple[int, ...] | None) -> Iterator[str]:
    python = release.image.python
    if migration := release.migration:
        for tree in migration.trees:
            path = release.find_source(tree).path
            command = f"{python} {migration.tool} -i {path}"
            yield _("run {command}", command=command)
    key = "" if card_numbers is None else card_assignment.release_key(release)
    shared = host_paths.shared_folder(key, in_container=True)
    for pip in release.packages.pip:
        arguments = packages.pip_arguments([pip], release.packages.wheelhouse is not None, shared)
        command = f"{python} -m pip {shlex.join(arguments)}"
        yield _("run {command}", command=command)
    smoke = release.smoke
    expectation = smoke.artefact or smoke.url or smoke.expect
    command = shlex.join(smoke.command)
    yield _(
        "smoke ({kind}) {command} in {folder}: {expected}",
        kind=smoke.kind,
        command=command,
        folder=smoke.workdir,
        expected=expectation,
    )


def _describe_serve(target: ReleaseTarget, cards: int) -> Iterator[str]:
    serve = target.release.serve
    if serve is None:
        return
    model = endpoints.get_model_name(target)
    yield _(
        "serve ({api}) {model} in {folder}: {expected}",
        api=serve.api,
        model=model,
        folder=serve.workdir,
        expected=serve.expect,
    )
    instances = endpoints.build_definition(target, cards)["instances"]
    for endpoint, instance in zip(endpoints.list_endpoints(target, cards), instances, strict=True):
        numbers = ", ".join(map(str, endpoint.cards))
        yield "  " + _(
            "port {port}, cards {cards}: {command}",
            port=endpoint.port,
            cards=numbers,
            command=shlex.join(instance["command"]),
        )
