"""Files of a store, fetched from where the release says; each is the lock's or is not there."""

from __future__ import annotations

import fnmatch
import time
from pathlib import Path
from urllib.parse import urlsplit

from fleet.checksum import chunks
from fleet.documents import loading
from fleet.errors import Failure
from fleet.store import http
from fleet.store.progress_bar import Told
from fleet.store.required_files import File
from fleet.store.verify import Wrong, wrong
from fleet.text.redact import withheld

#: tries in a row that bring no byte, and seconds before the second; they double
TRIES, PAUSE = 5, 1.0


def chosen(files: list[File], only: tuple[str, ...]) -> list[File]:
    """Files by path, by folder, or by a pattern; all without."""
    if not only:
        return files
    return [
        f
        for f in files
        if any(
            fnmatch.fnmatchcase(f.name, one) or f.name.startswith(one.rstrip("/") + "/")
            for one in only
        )
    ]


def all_of(files: list[File], store: Path, told: Told, pause: float = PAUSE) -> list[Wrong]:
    """Fill the store. A file that is there is never replaced.

    :returns: what is still missing or wrong
    """
    found = []
    plain = sorted(
        {
            urlsplit(f.url).netloc.rpartition("@")[2]
            for f in files
            if f.url and f.url.startswith("http:")
        }
    )
    if plain:
        told.say(
            f"plain http ({', '.join(plain)}): others can see what is fetched; the lock's "
            "sha256 still says whether it is right"
        )
    for file in files:
        failure, how = None, "there already"
        if loading.is_file(store / file.name):
            failure = wrong(store / file.name, file.locked, told.more)
        else:
            failure, how = _fetched(file, store / file.name, told, pause), "fetched"
        told.ended(file.name, file.locked.size, failure.code if failure else how, right=not failure)
        if failure:
            found.append(Wrong(file.name, failure))
    return found


def _fetched(file: File, path: Path, told: Told, pause: float) -> Failure | None:
    if not file.url:
        said = f"the release has no URL for it; sha256 {file.locked.sha256}"
        return Failure("FILE_MISSING", f"{said}, {file.locked.size} bytes")
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        told.more(part.stat().st_size if part.is_file() else 0)
        while True:
            resumed = _whole(file, file.url, part, told, pause)
            sha, _ = chunks.read(part, lambda _: None)
            if sha == file.locked.sha256:
                part.replace(path)
                http.forget(part)
                return None
            part.unlink()
            http.forget(part)
            if not resumed:  # what was begun by an earlier run may be what was wrong
                said = f"{withheld(file.url)}: sha256 is {sha}, the lock says {file.locked.sha256}"
                return Failure("FETCHED_OTHER", said)
    except http.Final as error:
        return Failure("FETCH", str(error))
    except OSError as error:
        return Failure("FETCH", f"{path}: cannot be written: {error.strerror or error}")


def _whole(file: File, url: str, part: Path, told: Told, pause: float) -> bool:
    """Try until all of it is there. Returns whether some of it is from an earlier try.

    :raises http.Final: it is not to be had
    """
    resumed, failed = False, 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            return http.get(url, part, file.locked.size, told.more, told.say) or resumed
        except http.Cut as error:
            after = part.stat().st_size if part.is_file() else 0
            failed = 1 if after > before else failed + 1
            if failed >= TRIES:
                raise http.Final(f"{error} ({TRIES} tries)") from error
            told.say(f"{file.name}: {error}; again in {pause * 2 ** (failed - 1):.0f} s")
            time.sleep(pause * 2 ** (failed - 1))
