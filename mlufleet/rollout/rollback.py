"""The release that a host can go back to: the last that passed on it and is not the wanted one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pyinfra.api import FactBase, Host, StringCommand

from fleet.errors import InvalidInput
from fleet.release import host_paths, snapshot
from fleet.release.target import STORE
from mlufleet.journal.journal import file_name
from operations.host.facts import HostState
from operations.host.file_edit import content
from operations.host.scripts import script
from operations.stages import Look


class Document(FactBase[str]):
    """A text file of a host; "" when it cannot be read."""

    def command(self, path: str) -> StringCommand:
        return StringCommand(script("read", path), "||", "true")

    def process(self, output: list[str]) -> str:
        return (content(output) or b"").decode(errors="replace")


#: of all that a host was: what else its stamp says is no name of a file
IDENTITY = re.compile(r"[0-9a-f]{16}")
#: of a host: `release` or `releases`, the other one None
Wants = dict[str, Any]


def find(host: Host, look: Look, folder: Path) -> tuple[Wants | None, str]:
    """Where a host can go back to.

    :param folder: where its releases are written, for deploy.py to read
    :returns: the host's data for it, or None and why there is none
    """
    stamps = look.state.stamps if isinstance(look.state, HostState) else {}
    good = (stamps.get(name, "") for name in ("good", "good-before"))
    identity = next(
        (name for name in good if IDENTITY.fullmatch(name) and name != look.wanted.whole), ""
    )
    if not identity:
        return None, "no other release has passed its smoke test on it"
    path = f"{host_paths.REMEMBERED}/{identity}.json"
    name = file_name(host.name)
    try:
        text = host.get_fact(Document, path=path)
        if not text:
            raise InvalidInput(f"{path} cannot be read on the host")
        return snapshot.restore(text, folder, name, str(host.data.get("store") or STORE)), ""
    except (InvalidInput, ValueError) as error:
        return None, str(error)


def named(wants: Wants | None) -> str:
    """Files of the releases."""
    return " ".join([wants["release"]] if wants["release"] else wants["releases"]) if wants else ""
