"""A release that passed its smoke test, as the host keeps it: what it takes to go back to it."""

from __future__ import annotations

import json
from pathlib import Path

from fleet import documents, lock, measured, whole
from fleet.failures import InvalidInput
from fleet.shapes import Model
from fleet.wanted import Wanted, load


class Remembered(Model):
    """Release and lock in one document, named by the digest of both."""

    release: dict[str, object]
    lock: lock.Lock


def document(wanted: Wanted) -> Path:
    """The document of a release, in a file of this machine's cache named by its content."""
    path = measured.cache().parent / "releases" / f"{wanted.identity}.json"
    text = json.dumps(
        {"release": wanted.release.model_dump(mode="json"), "lock": wanted.lock.model_dump()},
        ensure_ascii=False, sort_keys=True,
    )  # fmt: skip
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        whole.write(path, text)
    return path


def restore(text: str, folder: Path, name: str, store: str) -> Wanted:
    """Write a host's document as a release with its lock, and read it as any other.

    :param folder: where NAME.yml and NAME.lock.json are written
    :raises InvalidInput: it is no such document, or the store has no longer what it needs
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the host's document is not JSON: {error}") from error
    found = documents.validate(Remembered, data, Path(f"{name}'s remembered release"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yml"
    # JSON is YAML: what was written by hand once is not written by hand again
    path.write_text(json.dumps(found.release, ensure_ascii=False, indent=1), encoding="utf-8")
    lock.beside(path).write_text(found.lock.model_dump_json(indent=1), encoding="utf-8")
    return load(str(path), store)
