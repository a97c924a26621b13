"""The release that a host can go back to: the last that passed on it and is not the wanted one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pyinfra.api import FactBase, Host, StringCommand
from typing_extensions import override

from fleet.errors import InvalidInput
from fleet.release import host_paths, snapshot
from fleet.store.targets import load_host_target
from mlufleet.journal.journal import safe_file_name
from operations.host.facts import HostFacts
from operations.host.file_edit import decode_content
from operations.host.scripts import script_command
from operations.stages import HostPlan


class TextFile(FactBase[str]):
    """A text file of a host; "" when it cannot be read."""

    @override
    def command(self, path: str) -> StringCommand:
        return StringCommand(script_command("read", path), "||", "true")

    @override
    def process(self, output: list[str]) -> str:
        return (decode_content(output) or b"").decode(errors="replace")


#: of all that a host was: what else its stamp says is no name of a file
RELEASE_ID = re.compile(r"[0-9a-f]{16}")
#: of a host: `release` or `releases`, the other one None
RollbackTarget = dict[str, Any]


def find_target(host: Host, look: HostPlan, folder: Path) -> tuple[RollbackTarget | None, str]:
    """Where a host can go back to.

    :param folder: where its releases are written, for deploy.py to read
    :returns: the host's data for it, or None and why there is none
    """
    stamps = look.facts.stamps if isinstance(look.facts, HostFacts) else {}
    good = (stamps.get(name, "") for name in ("good", "good-before"))
    identity = next(
        (name for name in good if RELEASE_ID.fullmatch(name) and name != look.target.host_identity),
        "",
    )
    if not identity:
        return None, "no other release has passed its smoke test on it"
    path = f"{host_paths.SNAPSHOTS_FOLDER}/{identity}.json"
    name = safe_file_name(host.name)
    try:
        text = host.get_fact(TextFile, path=path)
        if not text:
            raise InvalidInput(f"{path} cannot be read on the host")
        wants = snapshot.restore_snapshot(text, folder, name)
        load_host_target({**wants, "store": host.data.get("store")})
        return wants, ""
    except (InvalidInput, ValueError) as error:
        return None, str(error)


def release_files(wants: RollbackTarget | None) -> str:
    """Files of the releases."""
    return " ".join([wants["release"]] if wants["release"] else wants["releases"]) if wants else ""
