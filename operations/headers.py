"""The headers of a kernel, for hosts that have none: from the store, without any network."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api.command import PyinfraCommand

from fleet import systems
from fleet.wanted import Wanted
from operations import layout, system
from operations.state import HostState
from operations.step import Step
from operations.transfer import Upload


def package(state: HostState, kernel: str) -> str:
    """Name of the package that has them."""
    return system.of(state).headers.format(kernel=kernel)


def absent(state: HostState) -> str:
    """What a host lacks for its driver to be built, and how it is installed."""
    name = package(state, state.kernel)
    return (f"{name} (there is no /lib/modules/{state.kernel}/build): "
            f"{system.of(state).tool} install {name}")  # fmt: skip


def folder(wanted: Wanted, state: HostState) -> str | None:
    """The release's folder for this system."""
    return systems.said(wanted.release.driver.headers, state.os, state.os_version)


def carried(wanted: Wanted, state: HostState, kernel: str) -> list[str]:
    """Files of that folder, when it has the headers of this kernel.

    All of them: what a distribution's headers need of each other is not in their names.
    """
    names = list(wanted.lock.under(place)) if (place := folder(wanted, state)) else []
    name = package(state, kernel)
    return names if any(n.startswith((f"{name}_", f"{name}.")) for n in names) else []


def install(wanted: Wanted, state: HostState, kernel: str) -> Iterator[PyinfraCommand]:
    """The commands that bring them; none where the release does not have them."""
    names, place = carried(wanted, state, kernel), folder(wanted, state)
    if not names or not place:
        return
    locked, dest = wanted.lock.under(place), f"{layout.STATE}/artifacts/{place}"
    yield Upload("kernel headers", [(wanted.store / place / name, f"{dest}/{name}",
                                     locked[name].sha256) for name in names])  # fmt: skip
    yield Step(f"installing the headers of kernel {kernel}", "install-headers", kernel,
               *(f"{dest}/{name}" for name in names), code="HEADERS_MISSING", timeout=1800,
               uses="packages")  # fmt: skip
