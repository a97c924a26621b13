"""Paths of the store: only regular files, complete, with names that every system can have."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from fleet.errors import InvalidInput
from fleet.language import N_, _

#: called with a line for each thing that may be wrong
Warn = Callable[[str], object]

#: suffix of the control file that a download program keeps beside an unfinished file
UNFINISHED_SUFFIXES = (".aria2", ".crdownload", ".incomplete", ".td.cfg")
#: targets of links that would put the operator's own files into a store from somebody else
SYSTEM_FOLDERS = ("/etc/", "/proc/", "/sys/", "/dev/", "/boot/")
SECRET_NAMES = {".ssh", ".gnupg", ".aws", ".kube", ".docker", ".netrc", ".git-credentials"}
FILE_TYPES = (
    (stat.S_ISDIR, N_("a folder")),
    (stat.S_ISFIFO, N_("a FIFO")),
    (stat.S_ISSOCK, N_("a socket")),
    (stat.S_ISCHR, N_("a device")),
    (stat.S_ISBLK, N_("a device")),
)


def format_path(path: Path | str) -> str:
    """Write a path on one line.

    Args:
        path: any path, also with control characters in its name.

    Returns:
        The path, quoted and escaped if it is not printable.
    """
    text = str(path)
    return text if text.isprintable() else repr(text)


def find_path_problem(path: Path, store: Path) -> str:
    """Explain why a path cannot be used as an artifact.

    Args:
        path: a path in the store.
        store: folder of the store.

    Returns:
        The reason, or "" if the path can be used.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        if os.path.islink(path):
            target = format_path(os.readlink(path))
            return _(
                "a link to {target}, which does not exist: copy the file itself", target=target
            )
        return error.strerror or str(error)
    if not stat.S_ISREG(status.st_mode):
        type_name = next(name for is_type, name in FILE_TYPES if is_type(status.st_mode))
        return _("{type}, not a regular file", type=_(type_name))
    real = os.path.realpath(path)
    if leads_outside(path, store) and (
        real.startswith(SYSTEM_FOLDERS) or SECRET_NAMES & set(real.split("/"))
    ):
        return _(
            "a link to {target}, which cannot be a vendor's file: remove it",
            target=format_path(real),
        )
    return ""


def check_usable(paths: list[Path], store: Path, warn: Warn) -> None:
    """Check that artifacts are regular, complete files. Warn about links out of the store.

    Args:
        paths: the artifacts.
        store: folder of the store.
        warn: called with a line for each thing that may be wrong.

    Raises:
        InvalidInput: a path cannot be used, or is still being downloaded.
    """
    for path in paths:
        if problem := find_path_problem(path, store):
            raise InvalidInput(f"{format_path(path)}: {problem}")
        for suffix in UNFINISHED_SUFFIXES:
            if os.path.exists(f"{path}{suffix}"):
                raise InvalidInput(
                    _(
                        "{path}: the download is unfinished, because {part} exists: finish it, or "
                        "remove that file",
                        path=format_path(path),
                        part=path.name + suffix,
                    )
                )
    _warn_about_links([path for path in paths if leads_outside(path, store)], warn)


def _warn_about_links(links: list[Path], warn: Warn) -> None:
    """Warn on one line about links that lead out of the store."""
    if links:
        more = _(" (and {count} more)", count=len(links) - 1) if len(links) > 1 else ""
        target = format_path(os.path.realpath(links[0]))
        warn(
            _(
                "{path}{more}: a link to {target}, outside of the store: its present "
                "content is used",
                path=format_path(links[0]),
                more=more,
                target=target,
            )
        )


def leads_outside(path: Path, store: Path) -> bool:
    """Tell whether a path is a link that leads out of the store.

    Args:
        path: a path in the store.
        store: folder of the store.

    Returns:
        True for such a link.
    """
    real, inside = os.path.realpath(path), os.path.realpath(store)
    return os.path.islink(path) and os.path.commonpath((real, inside)) != inside


def find_name_problem(name: str) -> str:
    """Explain why a file cannot have a name on every system that it goes to.

    Args:
        name: file name without folders.

    Returns:
        The reason, or "" if the name can be used.
    """
    if not name.isprintable():
        character = next(char for char in name if not char.isprintable())
        if "\udc80" <= character <= "\udcff":
            return _("the name is not UTF-8")
        return _("the name has an invisible character (U+{code:04X})", code=ord(character))
    if name.startswith("-"):
        return _("the name begins with -, like an option")
    if "\\" in name or name != name.strip():
        return _("the name has a backslash, or a blank at its beginning or end")
    return ""


def list_files(folder: Path, store: Path, warn: Warn) -> list[str]:
    """List all files below a folder of the store. Warn about links out of the store.

    Args:
        folder: the folder.
        store: folder of the store.
        warn: called with a line for each thing that may be wrong.

    Returns:
        Sorted paths relative to the folder.

    Raises:
        InvalidInput: a file cannot be used.
    """
    links: list[Path] = []
    names = sorted(_walk(folder, folder, store, links, warn))
    _warn_about_links(links, warn)
    return names


def _walk(parent: Path, folder: Path, store: Path, links: list[Path], warn: Warn) -> Iterator[str]:
    alike: dict[str, str] = {}
    for entry in _scan_folder(parent):
        path = parent / entry.name
        if entry.name == ".git" or (entry.name, parent.name) == ("huggingface", ".cache"):
            continue  # left by the download program; models do not read it
        if problem := find_name_problem(entry.name):
            raise InvalidInput(
                _("{path}: {problem}: rename it", path=format_path(path), problem=problem)
            )
        twin = alike.setdefault(unicodedata.normalize("NFC", entry.name).casefold(), entry.name)
        if twin != entry.name:
            warn(
                _(
                    "{path}: other systems cannot tell its name from {twin!r} beside it",
                    path=format_path(path),
                    twin=twin,
                )
            )
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, folder, store, links, warn)
            continue
        if os.path.isdir(path):
            raise InvalidInput(
                _(
                    "{path}: a link to the folder {target}: replace it by a copy (`cp -rL`)",
                    path=format_path(path),
                    target=format_path(os.readlink(path)),
                )
            )
        if problem := find_path_problem(path, store):
            raise InvalidInput(f"{format_path(path)}: {problem}")
        if leads_outside(path, store):
            links.append(path)
        yield str(path.relative_to(folder))


def _scan_folder(folder: Path) -> list[os.DirEntry[str]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidInput(
            _(
                "{path}: cannot be read: {reason}",
                path=format_path(folder),
                reason=error.strerror,
            )
        ) from error
    if {"blobs", "snapshots"} <= {entry.name for entry in entries}:
        raise InvalidInput(
            _(
                "{path}: the cache of Hugging Face, which has every file twice: copy "
                "one folder of its snapshots/ instead (`cp -rL`)",
                path=format_path(folder),
            )
        )
    return entries
