"""What an inventory says that is not so where its bundle is unpacked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fleet.documents import loading
from fleet.inventory import csv_table
from fleet.release.target import DEFAULT_STORE

#: of this machine; none of them goes along
LOCAL_FILE_FIELDS = (
    "ssh_key",
    "ssh_known_hosts_file",
    "sudo_password_file",
    "signing_key",
    "signing_certificate",
)


def find_problems(inventory: Path, releases: Iterable[str]) -> list[str]:
    """One line a thing; none of an inventory that is neither YAML nor CSV.

    :param releases: names of those that go along
    :raises InvalidInput: it cannot be read
    """
    ending = inventory.suffix.lower()
    if ending not in (".yml", ".yaml", ".csv"):
        return []
    data, _ = (csv_table.read_hosts if ending == ".csv" else loading.read_mapping)(inventory)
    hosts = data.get("hosts")
    said = [data.get("defaults"), *(hosts.values() if isinstance(hosts, dict) else ())]
    known = set(releases)
    lines = [
        line for one in said if isinstance(one, dict) for line in _find_field_problems(one, known)
    ]
    return list(dict.fromkeys(lines))


def _find_field_problems(said: dict[str, Any], known: set[str]) -> Iterator[str]:
    store, several = said.get("store"), said.get("releases")
    if store and str(store).rstrip("/") != DEFAULT_STORE:
        yield f"`store: {store}`: the bundle has it in {DEFAULT_STORE}: say that there, or nothing"
    for name in (said.get("release"), *(several if isinstance(several, dict) else ())):
        if name and str(name) not in known:
            inside = Path(str(name)).stem in known
            meant = f"there it is `{Path(str(name)).stem}`" if inside else "the bundle has it not"
            yield f"`release: {name}`: {meant}"
    for key in LOCAL_FILE_FIELDS:
        if said.get(key):
            yield f"`{key}: {said[key]}`: does not go along; it has to be there as well"
