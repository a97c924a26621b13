"""Generate docs/systems.md from files/systems.yml, and describe it for `mlufleet explain`."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.language import _
from fleet.release.operating_systems import load_table
from mlufleet.reference import page_texts

HEAD = """\
# Operating systems

`files/systems.yml` contains everything that mlu-fleet knows about operating
systems. Add a row there to support another one. This page is generated from it by `make docs`.

If the driver files are named as below, `driver: {version: 5.10.10}` is sufficient in a release.
The store needs the files for the systems of its own fleet, at least one: `mlufleet release lock`
pins those that exist and lists the systems without one. A host with such a system is rejected
before anything is changed on it (OS_UNSUPPORTED; the message names the missing file).

What a release names in `driver.packages` takes precedence, also for a system that is not in the
table: use ID and VERSION_ID of its /etc/os-release as the key, such as `anolis8.8`, and put the
file into the store.

`files/compatibility.yml` lists the newest kernel that each driver
supports.
"""


def describe_failure(code: str) -> Iterator[str]:
    """List facts from the table that help with a failure code.

    Args:
        code: A failure code.

    Yields:
        One line per operating system; nothing if the code is unrelated.
    """
    if code == "OS_UNSUPPORTED":
        for system in load_table():
            yield f"{system.name}: {system.file}".replace("{system}", system.name)
    elif code == "HEADERS_MISSING":
        for system in load_table():
            yield f"{system.name}: {system.tool} install {system.headers}"


def render_page() -> str:
    """Render docs/systems.md."""
    head = (
        _("system"),
        _("name"),
        "ID, VERSION_ID",
        _("driver file"),
        _("module folder below /lib/modules/KERNEL"),
        _("kernel headers"),
        "Docker",
        _("untested"),
        _("sources"),
        _("inferred"),
    )
    # between names of packages of which one is installed
    alternatives = _(" or ")
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for system in load_table():
        file = system.file.replace("{system}", system.name)
        cells = (
            system.title,
            system.name,
            f"{system.id}, {system.version}",
            f"`{file}`",
            system.modules,
            f"`{system.headers}`",
            f"{system.tool} install {alternatives.join(system.docker)}",
            ", ".join(system.untested),
            "; ".join(map(_, system.sources)),
            _(system.inferred) if system.inferred else "",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([page_texts.translate_page(HEAD), *rows]) + "\n"


def list_messages() -> Iterator[str]:
    """Yield the messages of the page that are no constants in calls of `_()`."""
    yield from page_texts.list_messages(HEAD)
    for system in load_table():
        yield from filter(None, (*system.sources, system.inferred))
