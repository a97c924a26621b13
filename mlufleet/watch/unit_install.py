"""Writes systemd's units for this machine: whole, and nothing of somebody else's is lost."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from fleet.documents import atomic_write
from fleet.errors import InvalidInput
from fleet.language import _

UNIT_FOLDER = Path("/etc/systemd/system")


@dataclass(frozen=True)
class Written:
    """A unit that was installed.

    Attributes:
        path: Its file.
        is_new: Whether it was not there with this text before.
        copy: Where what was there with another text is kept; None for nothing.
    """

    path: Path
    is_new: bool
    copy: Path | None = None


def install_units(units: dict[str, str], folder: Path | None = None) -> list[Written]:
    """Write units for the service manager of this machine, each whole or not at all.

    A unit that is there with another text, which somebody may have edited, is kept as a copy that
    systemd does not read.

    Args:
        units: Name of the file -> text.
        folder: Where they belong; None for systemd's own.

    Raises:
        InvalidInput: There is no right to write it.
    """
    folder = folder or UNIT_FOLDER
    return [_install_unit(folder / name, text) for name, text in units.items()]


def _install_unit(path: Path, text: str) -> Written:
    copy = None
    try:
        if not path.parent.is_dir():
            raise NotADirectoryError(errno.ENOENT, os.strerror(errno.ENOENT))
        if path.exists():
            former = path.read_bytes()
            if former == text.encode():
                return Written(path, is_new=False)
            copy = _choose_copy(path)
            atomic_write.replace_file(copy, former, mode=0o644)
        atomic_write.replace_file(path, text, mode=0o644)
    except OSError as error:
        raise InvalidInput(
            _(
                "{path}: {error}; remedy: print it with --print, and have root put "
                "it there: mlufleet watch … --install --print > unit && sudo install "
                "-m 644 unit {path}",
                path=path,
                error=error.strerror,
            )
        ) from None
    return Written(path, is_new=True, copy=copy)


def _choose_copy(path: Path) -> Path:
    number = 1
    while (copy := path.with_name(f"{path.name}.former-{number}")).exists():
        number += 1
    return copy
