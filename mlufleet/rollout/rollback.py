"""Finds the releases that a host can be rolled back to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyinfra.api import Host

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.release import host_paths, snapshot
from fleet.store.targets import load_host_target
from mlufleet.journal.journal import safe_file_name
from operations.host.facts import HostFacts
from operations.host.text_file import TextFile
from operations.stages import HostPlan

#: stamps of the last two sets of releases that passed their smoke tests, the newer one first
PASSED_STAMPS = ("good", "good-before")
#: identity of all releases of a host; a stamp with anything else does not name a snapshot
RELEASE_ID = re.compile(r"[0-9a-f]{16}")
#: data of a host: `release` or `releases`, the other one None
RollbackTarget = dict[str, Any]


def find_target(host: Host, plan: HostPlan, folder: Path) -> tuple[RollbackTarget | None, str]:
    """Find the last releases that passed on a host and are not those that it is to have.

    Args:
        host: A connected host.
        plan: What its last probe found.
        folder: Folder that the releases are written to, for deploy.py to read.

    Returns:
        The host's data for these releases and "", or None and why there are none.
    """
    stamps = plan.facts.stamps if isinstance(plan.facts, HostFacts) else {}
    identity = _previous_identity(stamps, plan.target.identity)
    if not identity:
        return None, _("no other release has passed its smoke test on the host")
    path = f"{host_paths.SNAPSHOTS_FOLDER}/{identity}.json"
    try:
        text = host.get_fact(TextFile, path=path)
        if not text:
            raise InvalidInput(_("{path} cannot be read on the host", path=path))
        data = snapshot.restore_snapshot(text, folder, safe_file_name(host.name))
        load_host_target({**data, "store": host.data.get("store")})
    except (InvalidInput, ValueError) as error:
        return None, str(error)
    return data, ""


def _previous_identity(stamps: Mapping[str, str], desired: str) -> str:
    """Return the identity of the last releases that passed and are not the desired ones."""
    for name in PASSED_STAMPS:
        identity = stamps.get(name, "")
        if RELEASE_ID.fullmatch(identity) and identity != desired:
            return identity
    return ""


def release_files(target: RollbackTarget | None) -> str:
    """Return the files of the releases, separated by blanks.

    Args:
        target: Data of a host, or None.
    """
    if not target:
        return ""
    return str(target["release"]) if target["release"] else " ".join(target["releases"])
