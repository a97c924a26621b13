"""Load the desired state of a host: releases, lock files and the check of the store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fleet.documents import type_words
from fleet.errors import InvalidInput
from fleet.language import _
from fleet.registry.host_access import load_access
from fleet.registry.reference import Reference
from fleet.release import card_assignment, conflicts, files, image_stack, lockfile
from fleet.release.target import DEFAULT_STORE, LOOPBACK_ADDRESS, HostTarget, ReleaseTarget
from fleet.secret_files import read_key
from fleet.store import measure


@lru_cache
def load_release_target(name: str, store: str = DEFAULT_STORE) -> ReleaseTarget:
    """Load a release and its lock file and check the store, once per process.

    Args:
        name: Name or file of the release.
        store: Folder of the store.

    Returns:
        The release for all cards of a host.

    Raises:
        InvalidInput: With every problem that was found.
    """
    path = files.find_release(name)
    release = files.load_release(path)
    lock = lockfile.load(path, store)
    if not os.path.isdir(store):
        raise InvalidInput(
            _(
                "{path}: the store {store} does not exist: create the folder, or set "
                "`store` in the inventory",
                path=path,
                store=store,
            )
        )
    problems = measure.check_store(release, lock, Path(store))
    if driver_problem := image_stack.find_driver_problem(release, lock.image.labels):
        problems.append(driver_problem)
    if problems:
        raise InvalidInput("\n".join(f"{path}: {problem}" for problem in problems))
    return ReleaseTarget(release, lock, Path(store), file=path)


def load_host_target(data: Mapping[str, Any] | Any) -> HostTarget:
    """Load the releases that a host's data names.

    Args:
        data: Host data with `release` or `releases`, and `store`; a mapping, or pyinfra's host
            data with a `get` method.

    Returns:
        The target of the host.

    Raises:
        InvalidInput: With every problem that was found.
    """
    target = _load_releases(data)
    for part in target.releases:
        _check_image_origin(part, data)
    if not any(part.release.serve for part in target.releases):
        return target
    address, key_file = data.get("serve_address"), data.get("serve_key")
    if key_file:
        for part in target.releases:
            _check_key_is_checked(part)
    address = str(address or LOOPBACK_ADDRESS)
    api_key = read_key(str(key_file), "serve_key") if key_file else ""
    parts = (replace(part, address=address, api_key=api_key) for part in target.releases)
    return replace(target, releases=tuple(parts))


def _check_key_is_checked(target: ReleaseTarget) -> None:
    """Check that the server of a release refuses clients without the inventory's key."""
    serve, file = target.release.serve, target.file
    if serve is None or serve.refuses_wrong_keys:
        return
    field = ("serve", "command")
    place = files.load_document(file).describe_place(field) if file else ".".join(field)
    raise InvalidInput(
        _(
            "serve_key: {place} of {release} checks no key: remove serve_key and "
            "let the site's proxy check keys, or set `serve.checks_key: true` if "
            "this server answers requests without the key with status 401",
            place=place,
            release=target.release.name,
        )
    )


def _check_image_origin(target: ReleaseTarget, data: Mapping[str, Any] | Any) -> None:
    """Check that a host can get the image of a release in the way that its data say."""
    image, wanted = target.release.image, data.get("image_source") or "auto"
    lacking = {"archive": image.file, "registry": image.registry}
    if wanted in lacking and not lacking[wanted]:
        field = {"archive": "file", "registry": "registry"}[wanted]
        raise InvalidInput(
            _(
                "image_source: {wanted}: release {release} has no `image.{field}`",
                wanted=wanted,
                release=target.release.name,
                field=field,
            )
        )
    if image.registry and wanted != "archive":
        load_access(data, Reference.parse(image.registry).host)


def _load_releases(data: Mapping[str, Any] | Any) -> HostTarget:
    store = str(data.get("store") or DEFAULT_STORE)
    if not (assignment := data.get("releases")):
        target = load_release_target(str(data.get("release")), store)
        return HostTarget((target,), target.store)
    try:
        cards_by_name = card_assignment.ASSIGNMENT_ADAPTER.validate_python(assignment)
    except ValidationError as error:
        problem = type_words.describe_problem(error.errors()[0])
        raise InvalidInput(f"releases: {problem}") from error
    return _load_together(tuple(cards_by_name.items()), store)


@lru_cache
def _load_together(assignment: tuple[tuple[str, tuple[int, ...]], ...], store: str) -> HostTarget:
    """Load several releases of one host and check that they can share it."""
    problems = list(card_assignment.find_overlaps(dict(assignment)))
    loaded = [(load_release_target(name, store), cards) for name, cards in assignment]
    targets = [
        replace(target, cards=cards, key=card_assignment.release_key(target.release))
        for target, cards in loaded
    ]
    problems += conflicts.find_conflicts(targets)
    if problems:
        raise InvalidInput(
            "\n".join(_("releases of one host: {problem}", problem=problem) for problem in problems)
        )
    releases = tuple(sorted(targets, key=lambda target: target.key))
    return HostTarget(releases, Path(store))
