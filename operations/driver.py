"""The vendor's driver: installed version == loaded version == release, and nodes == cards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from pyinfra import logger
from pyinfra.api import Host, operation
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from fleet.errors import Failure
from fleet.release import compatibility, host_paths
from fleet.release.target import Wanted
from operations import driver_package, kernel_headers
from operations.host import events
from operations.host.facts import Holder, HostState, Package
from operations.host.failures import alone, fail
from operations.host.job import Step
from operations.host.probe import forget, observe
from operations.module_signing import GiveKey
from operations.reboot import Reboot
from operations.stage import Body, Decision, Options, Refusal, Stage, again
from operations.transfer.upload import Upload

#: what the scripts around the driver's package share
USES = "packages driver-package driver-kept"


def foreign(state: HostState) -> list[Holder]:
    """Processes on a card that are not in a container of the host's releases."""
    ours = {container.id for container in state.containers if container.spec}
    return [h for h in state.holders if h.container not in ours]


def who(holders: list[Holder]) -> str:
    return ", ".join(map(str, holders))


def unbuilt(wanted: Wanted, state: HostState) -> bool:
    """Whether the next boot takes a kernel that DKMS has not built this driver for."""
    coming = state.next_kernel
    return coming not in ("", state.kernel) and not state.has_module(
        coming, wanted.release.driver.version
    )


def unsigned(wanted: Wanted, state: HostState, options: Options) -> list[str]:
    """Kernels that have been given this driver, and not with a signature of the site's key."""
    found, version = current(wanted, state), wanted.release.driver.version
    if not options.signing or not found or not found.installed or found.version != version:
        return []
    kernels = [state.kernel]
    if state.next_kernel not in ("", state.kernel) and not unbuilt(wanted, state):
        kernels.append(state.next_kernel)
    return [kernel for kernel in kernels if (kernel, version) not in state.signed]


def entries(wanted: Wanted, state: HostState) -> list[Package]:
    """The driver package of this system, as far as it is installed: rpm may have it twice."""
    ours = driver_package.package(wanted, state)
    name = None if isinstance(ours, Failure) else ours.package
    return [package for package in state.packages if package.name == name]


def current(wanted: Wanted, state: HostState) -> Package | None:
    """Its only one."""
    found = entries(wanted, state)
    return found[0] if len(found) == 1 else None


def right_package(wanted: Wanted, state: HostState) -> bool:
    """Whether the package is there, and DKMS agrees: the package's own word can be a lie."""
    found, version = current(wanted, state), wanted.release.driver.version
    agreed = state.has_module(state.kernel, version)
    return found is not None and found.installed and found.version == version and agreed


def held(wanted: Wanted, state: HostState) -> Failure | None:
    """The package would have to change, and somebody said that it must not."""
    found, version = current(wanted, state), wanted.release.driver.version
    if not found or found.version == version:
        return None
    by = "apt-mark hold" if found.held else state.held.get(found.name)
    said = f"{found.name} {found.version} by {by}, and the release has {version}"
    return Failure("PACKAGE_HELD", said) if by else None


def changes(wanted: Wanted, state: HostState) -> list[str]:
    """What is to do that needs the cards for itself."""
    version = wanted.release.driver.version
    todo = []
    if not right_package(wanted, state):
        package, there = current(wanted, state), entries(wanted, state)
        found = f"{package.version}, {package.status} is" if package else "none is"
        if package and package.installed and package.version == version:
            found = f"{version} without a module for {state.kernel} is"
        if len(there) > 1:
            found = f"{' and '.join(entry.version for entry in there)} at once are"
        todo.append(f"install driver {version} ({found} installed)")
    if state.loaded != version:
        todo.append(f"load driver {version} ({state.loaded or 'none'} is loaded)")
    expected = {
        f"/dev/cambricon_{kind}{i}" for i in range(len(state.present)) for kind in ("dev", "ipcm")
    } | {"/dev/cambricon_ctl"}
    absent = sorted(expected - set(state.nodes))
    if absent:
        without = ", ".join(c.address for c in state.present if c.address not in state.running)
        todo.append(
            f"make nodes {', '.join(absent)}" + (f" (no driver runs {without})" if without else "")
        )
    return todo


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    driver = wanted.release.driver
    if isinstance(package := driver_package.package(wanted, state), Failure):
        return package
    todo = changes(wanted, state)
    if not right_package(wanted, state) and (kept := held(wanted, state)):
        return kept
    others = foreign(state)
    if todo and others:
        # kubelet makes a pod anew as soon as it is gone
        if (options.evict and (pods := [h for h in others if h.kind == "pod"])) or not (
            options.evict or options.busy_timeout
        ):
            return Failure("CARD_BUSY", who(pods if options.evict else others))
        if not options.evict:
            todo.insert(0, f"wait for {who(others)}")
    if unbuilt(wanted, state):
        coming = state.next_kernel
        boots = "boots next" + (f" as far as is known: {state.next_guess}" * bool(state.next_guess))
        if too_new := compatibility.kernel_problem(driver, coming):
            return Failure("KERNEL_TOO_NEW", f"{too_new}; it {boots}")
        todo.append(f"build driver {driver.version} for kernel {coming}, which {boots}")
    todo += [
        f"sign driver {driver.version} for kernel {kernel}"
        for kernel in unsigned(wanted, state, options)
    ]
    return todo


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    version = wanted.release.driver.version
    if options.signing:
        yield GiveKey(options.signing)
    if changes(wanted, state):
        # before anybody is sent away: the repositories may not have what they say, and what is to
        # be installed may not be fit for it
        if not right_package(wanted, state):
            yield from kernel_headers.install(wanted, state, state.kernel, there=state.headers)
            yield from _tried(wanted, state, options)
        yield from _free(wanted, state, options)
        if not right_package(wanted, state):
            yield _install(wanted, state, options)
            state = again(wanted)
        yield from _sign(wanted, state, options)
        if not state.loaded:
            yield from _built(wanted, state)
            yield Step("loading the driver", "load-driver", code="DRIVER_NOT_PROVED")
        elif state.loaded == version and changes(wanted, state):
            yield Step("reloading the driver", "load-driver", "again", code="DRIVER_NOT_PROVED")
        state = again(wanted)
    else:
        yield from _sign(wanted, state, options)
    if unbuilt(wanted, state):
        yield from kernel_headers.install(wanted, state, state.next_kernel)
        yield Step(
            f"building the driver for kernel {state.next_kernel}, which boots next",
            "build-driver",
            version,
            state.next_kernel,
            code="NEXT_KERNEL",
            timeout=3600,
        )
    if changes(wanted, state):
        why = f"{state.loaded or 'no driver'} is loaded"
        yield Reboot(why, state.boot, wanted, options.reboot_timeout)
        state = again(wanted)
        if not state.loaded:  # nothing on the host asks for the module at boot, or there is none
            yield from _built(wanted, state)
            yield Step("loading the driver", "load-driver", code="DRIVER_NOT_PROVED")
        left = changes(wanted, again(wanted))
        if left:
            yield Step(
                "asking the kernel why", "driver-log", "; ".join(left), code="DRIVER_NOT_PROVED"
            )


def _built(wanted: Wanted, state: HostState) -> Iterator[PyinfraCommand]:
    """A module for the kernel that runs, which may be another one than was expected to boot."""
    version = wanted.release.driver.version
    if not state.has_module(state.kernel, version):
        if not state.headers:
            yield from kernel_headers.install(wanted, state, state.kernel)
        yield Step(
            "building the driver for the running kernel",
            "build-driver",
            version,
            state.kernel,
            code="DRIVER_INSTALL",
            timeout=3600,
        )


def _sign(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    """Have DKMS build again what it built without the site's key."""
    kernels = unsigned(wanted, state, options)
    if kernels and options.signing:  # its own package may have come with the driver's
        yield GiveKey(options.signing)
    for kernel in kernels:
        yield Step(
            f"building the driver for kernel {kernel} with a signature",
            "build-driver",
            wanted.release.driver.version,
            kernel,
            "anew",
            code="SIGNING",
            timeout=3600,
        )


def _free(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    """Get everybody off the cards, our own container last."""
    if options.evict:
        for holder in foreign(state):
            yield Step(
                f"evicting {holder.command} ({holder.pid})",
                "evict",
                str(holder.pid),
                holder.container,
                holder.kind,
                holder.name,
                code="CARD_BUSY",
            )
        if foreign(state) and (back := foreign(again(wanted))):
            yield Refusal(Failure("CARD_BUSY", f"{who(back)}, after it was stopped"), "")
    elif foreign(state):
        yield WaitForCards(wanted, options.busy_timeout)
    for container in state.containers:
        if container.running and container.spec:
            yield Step("stopping the container", "stop", container.id, code="CONTAINER")


def _words(wanted: Wanted, state: HostState, options: Options) -> list[str]:
    """What the scripts are told of the package."""
    package = driver_package.package(wanted, state)
    assert not isinstance(package, Failure)  # decided so
    dest = f"{host_paths.STATE}/artifacts/{package.file}"
    return [package.package, wanted.release.driver.version, dest, str(options.lock_timeout)]


def _tried(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    """The package arrives, and everything is tried that can be beside the driver that runs."""
    version, (_, _, dest, _) = (
        wanted.release.driver.version,
        (words := _words(wanted, state, options)),
    )
    local, sha = wanted.local(dest.rpartition("/artifacts/")[2])
    yield Upload("driver package", [(local, dest, sha)])
    if entries(wanted, state):
        yield Step(
            f"installing driver {version}: a trial beside the one that is there",
            "try-driver",
            *words,
            code="DRIVER_INSTALL",
            timeout=3600 + options.lock_timeout,
            uses=USES,
        )


def _install(wanted: Wanted, state: HostState, options: Options) -> PyinfraCommand:
    """A step that leaves the driver that was there, and its containers, where it fails."""
    version = wanted.release.driver.version
    return Step(
        f"installing driver {version} (its modules are built, this takes minutes)",
        "install-driver",
        *_words(wanted, state, options),
        *(c.id for c in state.containers if c.running and c.spec),
        code="DRIVER_INSTALL",
        timeout=3600 + options.lock_timeout,
        uses=USES,
    )


class WaitForCards(PyinfraCommand):
    """:param timeout: seconds that jobs on the cards may still take
    :param jobs: which of them are waited for"""

    def __init__(
        self, wanted: Wanted, timeout: int, jobs: Callable[[HostState], list[Holder]] = foreign
    ) -> None:
        super().__init__()
        self.wanted, self.timeout, self.jobs, self.stage = wanted, timeout, jobs, ""

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        end = time.monotonic() + self.timeout
        while True:
            forget(host)
            seen = observe(host, self.wanted)
            if isinstance(seen, Failure):
                return fail(host, seen, self.stage)
            if not (left_there := self.jobs(seen)):
                return True
            left = end - time.monotonic()
            if left < 0 or events.halted():
                said = f"{who(left_there)}, after {self.timeout} s"
                return fail(host, Failure("CARD_BUSY", said), self.stage)
            logger.info(f"{host.print_prefix}waiting for {who(left_there)}, {left:.0f} s left")
            gevent.sleep(min(10, max(left, 0.5)))


STAGE = Stage("driver", decide, act, "DRIVER_NOT_PROVED", shared=True)


@operation()
def installed(wanted: Wanted, options: Options) -> Body:
    """The release's driver is installed, loaded, and has a node for every card."""
    yield from STAGE.carry(wanted, options)
