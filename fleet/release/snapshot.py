"""A release that passed its smoke test, as the host keeps it: what it takes to go back to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from fleet.checksum import cache
from fleet.documents import atomic_write, loading
from fleet.documents.types import Model
from fleet.errors import InvalidInput
from fleet.release import lockfile
from fleet.release.card_assignment import CardNumbers
from fleet.release.target import ReleaseTarget, load_host_target


class ReleaseSnapshot(Model):
    """Release and lock in one document, named by the digest of both."""

    release: dict[str, object]
    lock: lockfile.Lock
    #: of one of several
    cards: CardNumbers | None = None


class HostSnapshot(Model):
    """All that a host was, where that was more than one release."""

    releases: tuple[ReleaseSnapshot, ...] = Field(min_length=1)


def write_snapshot(wanted: ReleaseTarget) -> Path:
    """What a host is wanted to be, in a file of this machine's cache named by its content."""
    path = cache.index_path().parent / "releases" / f"{wanted.host_identity}.json"
    each = [_to_plain_data(part) for part in wanted.releases]
    text = json.dumps(
        {"releases": each} if wanted.other_releases else each[0], ensure_ascii=False, sort_keys=True
    )
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        atomic_write.replace_file(path, text)
    return path


def _to_plain_data(part: ReleaseTarget) -> dict[str, Any]:
    cards = {"cards": list(part.cards)} if part.cards is not None else {}
    return {
        "release": part.release.model_dump(mode="json"),
        "lock": part.lock.model_dump(),
        **cards,
    }


def restore_snapshot(text: str, folder: Path, name: str, store: str) -> dict[str, Any]:
    """Write a host's document as releases with their locks, and read them as any other.

    :param folder: where NAME.yml and NAME.lock.json are written, of several NAME.1.yml and so on
    :returns: the host's data for it: `release` and `releases`, one of them None
    :raises InvalidInput: it is no such document, or the store has no longer what it needs
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the host's document is not JSON: {error}") from error
    of = Path(f"{name}'s remembered release")
    if isinstance(data, dict) and "releases" in data:
        several = loading.validate_document(HostSnapshot, data, of).releases
        wants: dict[str, Any] = {
            "release": None,
            "releases": {
                _write_release(one, folder, f"{name}.{number}"): one.cards
                for number, one in enumerate(several, 1)
            },
        }
    else:
        one = loading.validate_document(ReleaseSnapshot, data, of)
        wants = {"release": _write_release(one, folder, name), "releases": None}
    load_host_target({**wants, "store": store})
    return wants


def _write_release(found: ReleaseSnapshot, folder: Path, name: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yml"
    # JSON is YAML: what was written by hand once is not written by hand again
    path.write_text(json.dumps(found.release, ensure_ascii=False, indent=1), encoding="utf-8")
    lockfile.lock_path(path).write_text(found.lock.model_dump_json(indent=1), encoding="utf-8")
    return str(path)
