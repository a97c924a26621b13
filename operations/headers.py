"""The headers of a kernel, for hosts that have none: from the store, without any network."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api.command import PyinfraCommand

from fleet.wanted import Wanted
from operations import layout
from operations.state import HostState
from operations.step import Step
from operations.transfer import Upload


def package(state: HostState, kernel: str) -> str:
    """Name of the package that has them."""
    return f"{'linux-headers' if 'apt-get' in state.tools else 'kernel-devel'}-{kernel}"


def carried(wanted: Wanted, state: HostState, kernel: str) -> list[str]:
    """Files of the release's folder for this system, when it has the headers of this kernel.

    All of them: what a distribution's headers need of each other is not in their names.
    """
    folder = wanted.release.driver.headers.get(state.system)
    names = list(wanted.lock.under(folder)) if folder else []
    wanted_name = package(state, kernel)
    found = any(name.startswith((f"{wanted_name}_", f"{wanted_name}.")) for name in names)
    return names if found else []


def install(wanted: Wanted, state: HostState, kernel: str) -> Iterator[PyinfraCommand]:
    """The commands that bring them; none where the release does not have them."""
    names = carried(wanted, state, kernel)
    if not names:
        return
    folder = wanted.release.driver.headers[state.system]
    locked, dest = wanted.lock.under(folder), f"{layout.STATE}/artifacts/{folder}"
    yield Upload("kernel headers", [(wanted.store / folder / name, f"{dest}/{name}",
                                     locked[name].sha256) for name in names])  # fmt: skip
    yield Step(f"installing the headers of kernel {kernel}", "install-headers", kernel,
               *(f"{dest}/{name}" for name in names), code="HEADERS_MISSING", timeout=1800,
               uses="packages")  # fmt: skip
