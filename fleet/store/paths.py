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
UNFINISHED_SUFFIXES = (".aria2", ".crdownload", ".incomplete", ".td.cfg")
#: where a link of a store that was handed over would take the operator's own files from
SYSTEM_FOLDERS = ("/etc/", "/proc/", "/sys/", "/dev/", "/boot/")
SECRET_NAMES = {".ssh", ".gnupg", ".aws", ".kube", ".docker", ".netrc", ".git-credentials"}
FILE_TYPES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def format_path(path: Path | str) -> str:
    """A path in one line, whatever is in its name."""
    text = str(path)
    return text if text.isprintable() else repr(text)


def find_path_problem(path: Path, store: Path) -> str:
    """Why nothing can be taken from a path; "" where it can."""
    try:
        found = os.stat(path)
    except OSError as error:
        if os.path.islink(path):
            return (
                f"a link to {format_path(os.readlink(path))}, which is not there: copy what it was"
            )
        return error.strerror or str(error)
    if not stat.S_ISREG(found.st_mode):
        return next(name for is_one, name in FILE_TYPES if is_one(found.st_mode)) + ", no file"
    real = os.path.realpath(path)
    if leads_outside(path, store) and (
        real.startswith(SYSTEM_FOLDERS) or SECRET_NAMES & set(real.split("/"))
    ):
        return f"a link to {format_path(real)}, where no vendor's file is: remove it"
    return ""


def check_usable(paths: list[Path], store: Path, warn: Warn) -> None:
    """:raises InvalidInput: nothing can be taken from a path, or not all of it is there yet"""
    for path in paths:
        if why := find_path_problem(path, store):
            raise InvalidInput(f"{format_path(path)}: {why}")
        if half := next((e for e in UNFINISHED_SUFFIXES if os.path.exists(f"{path}{e}")), ""):
            raise InvalidInput(
                f"{format_path(path)}: {path.name}{half} is beside it, so its download "
                "has not ended: let it end, or remove that"
            )
    _warn_about_links([path for path in paths if leads_outside(path, store)], warn)


def _warn_about_links(linked: list[Path], warn: Warn) -> None:
    """Links that lead out of the store, in one line."""
    if linked:
        more = f" (and {len(linked) - 1} more)" if len(linked) > 1 else ""
        warn(
            f"{format_path(linked[0])}{more}: a link to "
            f"{format_path(os.path.realpath(linked[0]))}, outside "
            "of the store: what is there now is taken"
        )


def leads_outside(path: Path, store: Path) -> bool:
    """Whether a path leads out of the store."""
    real, inside = os.path.realpath(path), os.path.realpath(store)
    return os.path.islink(path) and os.path.commonpath((real, inside)) != inside


def find_name_problem(name: str) -> str:
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


def list_files(folder: Path, store: Path, warn: Warn) -> list[str]:
    """Paths below a folder of all its files.

    :raises InvalidInput: one cannot be taken
    """
    linked: list[Path] = []
    found = sorted(_walk(folder, folder, store, linked, warn))
    _warn_about_links(linked, warn)
    return found


def _walk(place: Path, folder: Path, store: Path, linked: list[Path], warn: Warn) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidInput(f"{format_path(place)}: cannot be read: {error.strerror}") from error
    names = {entry.name for entry in entries}
    if {"blobs", "snapshots"} <= names:
        raise InvalidInput(
            f"{format_path(place)}: the cache of Hugging Face, which has every file "
            "twice: `cp -rL` one folder of its snapshots/ instead"
        )
    alike: dict[str, str] = {}
    for entry in entries:
        path = place / entry.name
        if entry.name == ".git" or (entry.name, place.name) == ("huggingface", ".cache"):
            continue  # of whoever fetched the rest; no model reads it
        if why := find_name_problem(entry.name):
            raise InvalidInput(f"{format_path(path)}: {why}: rename it")
        same = alike.setdefault(unicodedata.normalize("NFC", entry.name).casefold(), entry.name)
        if same != entry.name:
            warn(f"{format_path(path)}: {same!r} is beside it, the same name to other systems")
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, folder, store, linked, warn)
            continue
        if os.path.isdir(path):
            raise InvalidInput(
                f"{format_path(path)}: a link to the folder {format_path(os.readlink(path))}: "
                "`cp -rL` what is there into its place"
            )
        if why := find_path_problem(path, store):
            raise InvalidInput(f"{format_path(path)}: {why}")
        if leads_outside(path, store):
            linked.append(path)
        yield str(path.relative_to(folder))
