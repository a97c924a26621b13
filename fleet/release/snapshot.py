"""Snapshots: a host's releases and lock files in one document, which the host keeps for rollback.

A host stores the snapshot of each state that passed its smoke test.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from fleet.checksum import cache
from fleet.documents import atomic_write, loading
from fleet.documents.types import Model
from fleet.errors import InvalidInput
from fleet.language import _
from fleet.release import lockfile
from fleet.release.card_assignment import CardNumbers
from fleet.release.target import HostTarget, ReleaseTarget


class ReleaseSnapshot(Model):
    """One release and its lock file."""

    #: Fields of the release.
    release: dict[str, object]
    #: Its lock file.
    lock: lockfile.Lock
    #: Its cards, if the inventory names them (`releases`).
    cards: CardNumbers | None = None


class HostSnapshot(Model):
    """The releases of a host that has several."""

    #: All releases of the host.
    releases: tuple[ReleaseSnapshot, ...] = Field(min_length=1)


def write_snapshot(target: HostTarget) -> Path:
    """Write the snapshot of a host's target into the controller's cache.

    Args:
        target: The target.

    Returns:
        Path of the snapshot, which is named by the target's identity.

    Raises:
        OSError: It cannot be written.
    """
    path = cache.index_path().parent / "releases" / f"{target.identity}.json"
    releases = [_to_plain_data(release) for release in target.releases]
    content = releases[0] if len(releases) == 1 else {"releases": releases}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        atomic_write.replace_file(path, text)
    return path


def _to_plain_data(target: ReleaseTarget) -> dict[str, Any]:
    cards = {"cards": list(target.cards)} if target.cards is not None else {}
    return {
        "release": target.release.model_dump(mode="json"),
        "lock": target.lock.model_dump(),
        **cards,
    }


def restore_snapshot(text: str, folder: Path, name: str) -> dict[str, Any]:
    """Write the releases and lock files of a snapshot, so that they can be loaded as any other.

    Args:
        text: The snapshot.
        folder: Where NAME.yml and NAME.lock.json are written; NAME.1.yml and so on for several
            releases.
        name: Name of the host.

    Returns:
        Host data with `release` and `releases`, one of which is None.

    Raises:
        InvalidInput: The text is not a snapshot.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            _("the snapshot on the host is not valid JSON: {error}", error=error)
        ) from error
    origin = Path(_("snapshot of {name}", name=name))  # stands for a file in error messages
    if isinstance(data, dict) and "releases" in data:
        releases = loading.validate_document(HostSnapshot, data, origin).releases
        cards_by_file = {
            _write_release(release, folder, f"{name}.{number}"): release.cards
            for number, release in enumerate(releases, 1)
        }
        return {"release": None, "releases": cards_by_file}
    release = loading.validate_document(ReleaseSnapshot, data, origin)
    path = _write_release(release, folder, name)
    if release.cards is not None:  # the only one of `releases`, which need not have all cards
        return {"release": None, "releases": {path: release.cards}}
    return {"release": path, "releases": None}


def _write_release(snapshot: ReleaseSnapshot, folder: Path, name: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yml"
    # JSON is valid YAML
    path.write_text(json.dumps(snapshot.release, ensure_ascii=False, indent=1), encoding="utf-8")
    lockfile.lock_path(path).write_text(snapshot.lock.model_dump_json(indent=1), encoding="utf-8")
    return str(path)
