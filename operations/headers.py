"""The headers of a kernel, for hosts that have none: from the store, without any network, or from
what repositories the host has."""

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


def available(wanted: Wanted, state: HostState, kernel: str) -> bool:
    """Whether they can be brought."""
    return kernel in state.offered or bool(carried(wanted, state, kernel))


def install(wanted: Wanted, state: HostState, kernel: str) -> Iterator[PyinfraCommand]:
    """The commands that bring them: the release's, else those of the host's repositories."""
    names, place = carried(wanted, state, kernel), folder(wanted, state)
    files, where = [package(state, kernel)], "of its repositories"
    if names and place:
        locked, dest = wanted.lock.under(place), f"{layout.STATE}/artifacts/{place}"
        yield Upload("kernel headers", [(wanted.store / place / name, f"{dest}/{name}",
                                         locked[name].sha256) for name in names])  # fmt: skip
        files, where = [f"{dest}/{name}" for name in names], "of the release"
    elif kernel not in state.offered:
        return
    yield Step(f"installing the headers of kernel {kernel} {where}", "install-headers", kernel,
               *files, code="HEADERS_MISSING", timeout=1800, uses="packages")  # fmt: skip
