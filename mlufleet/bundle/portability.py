"""Values in an inventory that are not valid where its bundle is unpacked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fleet.inventory import file_formats, host_file
from fleet.language import _
from fleet.release.target import DEFAULT_STORE

#: fields that name files of this machine, which are not packed
LOCAL_FILE_FIELDS = (
    "ssh_key",
    "ssh_known_hosts_file",
    "sudo_password_file",
    "signing_key",
    "signing_certificate",
    "registry_login",
    "registry_ca",
)


def find_problems(inventory: Path, releases: Iterable[str]) -> list[str]:
    """Find values in an inventory that are valid on this machine only.

    Args:
        inventory: a list of hosts; other files are not examined.
        releases: names of the releases in the bundle.

    Returns:
        A line for each value.

    Raises:
        InvalidInput: the inventory cannot be read.
    """
    if not file_formats.is_host_list(inventory):
        return []
    data = host_file.read_document(inventory)[0]
    hosts = data.get("hosts")
    packed = set(releases)
    lines: list[str] = []
    for fields in (data.get("defaults"), *(hosts.values() if isinstance(hosts, dict) else ())):
        if isinstance(fields, dict):
            lines += _find_field_problems(fields, packed)
    return list(dict.fromkeys(lines))


def _find_field_problems(fields: dict[str, Any], packed: set[str]) -> Iterator[str]:
    store, releases = fields.get("store"), fields.get("releases")
    if store and str(store).rstrip("/") != DEFAULT_STORE:
        field = f"`store: {store}`"
        yield _(
            "{field}: in the bundle it is {store}: set that, or remove it",
            field=field,
            store=DEFAULT_STORE,
        )
    for name in (fields.get("release"), *(releases if isinstance(releases, dict) else ())):
        if name and str(name) not in packed:
            stem = Path(str(name)).stem
            field = f"`release: {name}`"
            if stem in packed:
                yield _("{field}: in the bundle it is `{release}`", field=field, release=stem)
            else:
                yield _("{field}: not in the bundle", field=field)
    for key in LOCAL_FILE_FIELDS:
        if fields.get(key):
            field = f"`{key}: {fields[key]}`"
            yield _("{field}: not in the bundle; the other site needs its own", field=field)
