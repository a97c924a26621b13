"""Files of the store as they may be taken: plain ones, by names that any system can have."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from fleet.errors import InvalidInput

Warn = Callable[[str], object]

#: behind the name of a file that is still being fetched to its own place
UNFINISHED = (".aria2", ".crdownload", ".incomplete", ".td.cfg")
#: where a link of a store that was handed over would take the operator's own files from
SYSTEM = ("/etc/", "/proc/", "/sys/", "/dev/", "/boot/")
SECRET = {".ssh", ".gnupg", ".aws", ".kube", ".docker", ".netrc", ".git-credentials"}
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def shown(path: Path | str) -> str:
    """A path in one line, whatever is in its name."""
    text = str(path)
    return text if text.isprintable() else repr(text)


def problem(path: Path, store: Path) -> str:
    """Why nothing can be taken from a path; "" where it can."""
    try:
        found = os.stat(path)
    except OSError as error:
        if os.path.islink(path):
            return f"a link to {shown(os.readlink(path))}, which is not there: copy what it was"
        return error.strerror or str(error)
    if not stat.S_ISREG(found.st_mode):
        return next(name for is_one, name in KINDS if is_one(found.st_mode)) + ", no file"
    real = os.path.realpath(path)
    if outside(path, store) and (real.startswith(SYSTEM) or SECRET & set(real.split("/"))):
        return f"a link to {shown(real)}, where no vendor's file is: remove it"
    return ""


def usable(paths: list[Path], store: Path, warn: Warn) -> None:
    """:raises InvalidInput: nothing can be taken from a path, or not all of it is there yet"""
    for path in paths:
        if why := problem(path, store):
            raise InvalidInput(f"{shown(path)}: {why}")
        if half := next((e for e in UNFINISHED if os.path.exists(f"{path}{e}")), ""):
            raise InvalidInput(
                f"{shown(path)}: {path.name}{half} is beside it, so its download "
                "has not ended: let it end, or remove that"
            )
    _tell([path for path in paths if outside(path, store)], warn)


def _tell(linked: list[Path], warn: Warn) -> None:
    """Links that lead out of the store, in one line."""
    if linked:
        more = f" (and {len(linked) - 1} more)" if len(linked) > 1 else ""
        warn(
            f"{shown(linked[0])}{more}: a link to {shown(os.path.realpath(linked[0]))}, outside "
            "of the store: what is there now is taken"
        )


def outside(path: Path, store: Path) -> bool:
    """Whether a path leads out of the store."""
    real, inside = os.path.realpath(path), os.path.realpath(store)
    return os.path.islink(path) and os.path.commonpath((real, inside)) != inside


def unfit(name: str) -> str:
    """Why a file cannot have a name wherever it goes; "" where it can."""
    if not name.isprintable():
        odd = next(char for char in name if not char.isprintable())
        if "\udc80" <= odd <= "\udcff":
            return "its name is not UTF-8"
        return f"its name has a character that nobody sees (U+{ord(odd):04X})"
    if name.startswith("-"):
        return "its name begins like an option (-)"
    if "\\" in name or name != name.strip():
        return "its name has a backslash, or a blank at an end"
    return ""


def files(folder: Path, store: Path, warn: Warn) -> list[str]:
    """Paths below a folder of all its files.

    :raises InvalidInput: one cannot be taken
    """
    linked: list[Path] = []
    found = sorted(_below(folder, folder, store, linked, warn))
    _tell(linked, warn)
    return found


def _below(place: Path, folder: Path, store: Path, linked: list[Path], warn: Warn) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidInput(f"{shown(place)}: cannot be read: {error.strerror}") from error
    names = {entry.name for entry in entries}
    if {"blobs", "snapshots"} <= names:
        raise InvalidInput(
            f"{shown(place)}: the cache of Hugging Face, which has every file "
            "twice: `cp -rL` one folder of its snapshots/ instead"
        )
    alike: dict[str, str] = {}
    for entry in entries:
        path = place / entry.name
        if entry.name == ".git" or (entry.name, place.name) == ("huggingface", ".cache"):
            continue  # of whoever fetched the rest; no model reads it
        if why := unfit(entry.name):
            raise InvalidInput(f"{shown(path)}: {why}: rename it")
        same = alike.setdefault(unicodedata.normalize("NFC", entry.name).casefold(), entry.name)
        if same != entry.name:
            warn(f"{shown(path)}: {same!r} is beside it, the same name to other systems")
        if entry.is_dir(follow_symlinks=False):
            yield from _below(path, folder, store, linked, warn)
            continue
        if os.path.isdir(path):
            raise InvalidInput(
                f"{shown(path)}: a link to the folder {shown(os.readlink(path))}: "
                "`cp -rL` what is there into its place"
            )
        if why := problem(path, store):
            raise InvalidInput(f"{shown(path)}: {why}")
        if outside(path, store):
            linked.append(path)
        yield str(path.relative_to(folder))
