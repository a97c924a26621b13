"""The table of operating systems for people: docs/systems.md, and what `explain` says of it."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.release.operating_systems import load_table


def describe_failure(code: str) -> Iterator[str]:
    """What the table has to say of a failure."""
    if code == "OS_UNSUPPORTED":
        for system in load_table():
            yield f"{system.name}: {system.file}".replace("{system}", system.name)
    elif code == "HEADERS_MISSING":
        for system in load_table():
            yield f"{system.name}: {system.tool} install {system.headers}"


HEAD = """\
# Operating systems

What the tool knows of a host's system is `files/systems.yml`, and nothing
else: a new one is a row there. This page is made from it (`make docs`).

`driver: {version: 5.10.10}` is enough in a release whose driver files are named as below. A store
needs the files of its own fleet's systems, one at least: `mlufleet lock` pins those that are there
and says for which systems there is none; a host of one of these is refused before anything is
changed on it (OS_UNSUPPORTED, with the file that it would need). What a release names itself under
`driver.packages` wins, also for a system that is not in the table: its key is then ID and
VERSION_ID of /etc/os-release, `anolis8.8`, and its file must be in the store.

How far each driver follows the kernel is in `files/compatibility.yml`.
"""


def render_page() -> str:
    """The table as a page of the reference."""
    head = (
        "system",
        "name",
        "ID, VERSION_ID",
        "driver",
        "module, below /lib/modules/KERNEL",
        "headers",
        "docker",
        "not tried",
        "from",
        "inferred",
    )
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for system in load_table():
        names = system.file.replace("{system}", system.name)
        cells = (
            system.title,
            system.name,
            f"{system.id}, {system.version}",
            f"`{names}`",
            system.modules,
            f"`{system.headers}`",
            f"{system.tool} install {' or '.join(system.docker)}",
            ", ".join(system.untested),
            "; ".join(system.sources),
            system.inferred,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([HEAD, *rows]) + "\n"
