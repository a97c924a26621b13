"""The vendor's driver: installed version == loaded version == release, and nodes == cards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from pyinfra import logger
from pyinfra.api import Host, operation
from typing_extensions import override

from fleet.errors import Failure
from fleet.release import compatibility, host_paths
from fleet.release.target import ReleaseTarget
from operations import driver_package, kernel_headers
from operations.host.command import HostCommand
from operations.host.context import run_context
from operations.host.facts import CardUser, HostFacts, Package
from operations.host.job import RemoteJob
from operations.host.probe import invalidate_facts, probe_host
from operations.module_signing import InstallSigningKey
from operations.reboot import Reboot
from operations.stage import Decision, FailHost, HostOptions, OperationCommands, Stage, reprobe
from operations.transfer.upload import Upload

#: what the scripts around the driver's package share
SCRIPT_LIBRARIES = "packages driver-package driver-kept"


def other_card_users(facts: HostFacts) -> list[CardUser]:
    """Processes on a card that are not in a container of the host's releases."""
    ours = {container.id for container in facts.containers if container.spec_digest}
    return [h for h in facts.card_users if h.container not in ours]


def format_card_users(holders: list[CardUser]) -> str:
    return ", ".join(map(str, holders))


def lacks_next_kernel_module(target: ReleaseTarget, facts: HostFacts) -> bool:
    """Whether the next boot takes a kernel that DKMS has not built this driver for."""
    coming = facts.next_kernel
    return coming not in ("", facts.kernel) and not facts.has_module(
        coming, target.release.driver.version
    )


def list_unsigned_kernels(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> list[str]:
    """Kernels that have been given this driver, and not with a signature of the site's key."""
    found, version = find_current_package(target, facts), target.release.driver.version
    if not options.signing or not found or not found.is_installed or found.version != version:
        return []
    kernels = [facts.kernel]
    if facts.next_kernel not in ("", facts.kernel) and not lacks_next_kernel_module(target, facts):
        kernels.append(facts.next_kernel)
    return [kernel for kernel in kernels if (kernel, version) not in facts.signed_modules]


def list_package_entries(target: ReleaseTarget, facts: HostFacts) -> list[Package]:
    """The driver package of this system, as far as it is installed: rpm may have it twice."""
    ours = driver_package.select_package(target, facts)
    name = None if isinstance(ours, Failure) else ours.package
    return [package for package in facts.packages if package.name == name]


def find_current_package(target: ReleaseTarget, facts: HostFacts) -> Package | None:
    """Its only one."""
    found = list_package_entries(target, facts)
    return found[0] if len(found) == 1 else None


def has_right_package(target: ReleaseTarget, facts: HostFacts) -> bool:
    """Whether the package is there, and DKMS agrees: the package's own word can be a lie."""
    found, version = find_current_package(target, facts), target.release.driver.version
    agreed = facts.has_module(facts.kernel, version)
    return found is not None and found.is_installed and found.version == version and agreed


def check_package_hold(target: ReleaseTarget, facts: HostFacts) -> Failure | None:
    """The package would have to change, and somebody said that it must not."""
    found, version = find_current_package(target, facts), target.release.driver.version
    if not found or found.version == version:
        return None
    by = "apt-mark hold" if found.is_held else facts.held.get(found.name)
    said = f"{found.name} {found.version} by {by}, and the release has {version}"
    return Failure("PACKAGE_HELD", said) if by else None


def list_pending_changes(target: ReleaseTarget, facts: HostFacts) -> list[str]:
    """What is to do that needs the cards for itself."""
    version = target.release.driver.version
    todo = []
    if not has_right_package(target, facts):
        package, there = find_current_package(target, facts), list_package_entries(target, facts)
        found = f"{package.version}, {package.status} is" if package else "none is"
        if package and package.is_installed and package.version == version:
            found = f"{version} without a module for {facts.kernel} is"
        if len(there) > 1:
            found = f"{' and '.join(entry.version for entry in there)} at once are"
        todo.append(f"install driver {version} ({found} installed)")
    if facts.loaded_driver != version:
        todo.append(f"load driver {version} ({facts.loaded_driver or 'none'} is loaded)")
    expected = {
        f"/dev/cambricon_{kind}{i}"
        for i in range(len(facts.present_cards))
        for kind in ("dev", "ipcm")
    } | {"/dev/cambricon_ctl"}
    absent = sorted(expected - set(facts.device_nodes))
    if absent:
        without = ", ".join(
            c.address for c in facts.present_cards if c.address not in facts.driver_by_card
        )
        todo.append(
            f"make nodes {', '.join(absent)}" + (f" (no driver runs {without})" if without else "")
        )
    return todo


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    driver = target.release.driver
    if isinstance(package := driver_package.select_package(target, facts), Failure):
        return package
    todo = list_pending_changes(target, facts)
    if not has_right_package(target, facts) and (kept := check_package_hold(target, facts)):
        return kept
    others = other_card_users(facts)
    if todo and others:
        # kubelet makes a pod anew as soon as it is gone
        if (options.evict and (pods := [h for h in others if h.supervisor == "pod"])) or not (
            options.evict or options.busy_timeout
        ):
            return Failure("CARD_BUSY", format_card_users(pods if options.evict else others))
        if not options.evict:
            todo.insert(0, f"wait for {format_card_users(others)}")
    if lacks_next_kernel_module(target, facts):
        coming = facts.next_kernel
        boots = "boots next" + (
            f" as far as is known: {facts.next_kernel_doubt}" * bool(facts.next_kernel_doubt)
        )
        if too_new := compatibility.find_kernel_problem(driver, coming):
            return Failure("KERNEL_TOO_NEW", f"{too_new}; it {boots}")
        todo.append(f"build driver {driver.version} for kernel {coming}, which {boots}")
    todo += [
        f"sign driver {driver.version} for kernel {kernel}"
        for kernel in list_unsigned_kernels(target, facts, options)
    ]
    return todo


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    version = target.release.driver.version
    if options.signing:
        yield InstallSigningKey(options.signing)
    if list_pending_changes(target, facts):
        # before anybody is sent away: the repositories may not have what they say, and what is to
        # be installed may not be fit for it
        if not has_right_package(target, facts):
            yield from kernel_headers.install_headers(
                target, facts, facts.kernel, headers_present=facts.has_headers
            )
            yield from _try_package(target, facts, options)
        yield from _release_cards(target, facts, options)
        if not has_right_package(target, facts):
            yield _install_package(target, facts, options)
            facts = reprobe(target)
        yield from _sign_modules(target, facts, options)
        if not facts.loaded_driver:
            yield from _build_module(target, facts)
            yield RemoteJob("loading the driver", "load-driver", code="DRIVER_NOT_PROVED")
        elif facts.loaded_driver == version and list_pending_changes(target, facts):
            yield RemoteJob(
                "reloading the driver", "load-driver", "again", code="DRIVER_NOT_PROVED"
            )
        facts = reprobe(target)
    else:
        yield from _sign_modules(target, facts, options)
    if lacks_next_kernel_module(target, facts):
        yield from kernel_headers.install_headers(target, facts, facts.next_kernel)
        yield RemoteJob(
            f"building the driver for kernel {facts.next_kernel}, which boots next",
            "build-driver",
            version,
            facts.next_kernel,
            code="NEXT_KERNEL",
            timeout=3600,
        )
    if list_pending_changes(target, facts):
        why = f"{facts.loaded_driver or 'no driver'} is loaded"
        yield Reboot(why, facts.boot_id, target, options.reboot_timeout)
        facts = reprobe(target)
        if (
            not facts.loaded_driver
        ):  # nothing on the host asks for the module at boot, or there is none
            yield from _build_module(target, facts)
            yield RemoteJob("loading the driver", "load-driver", code="DRIVER_NOT_PROVED")
        left = list_pending_changes(target, reprobe(target))
        if left:
            yield RemoteJob(
                "asking the kernel why", "driver-log", "; ".join(left), code="DRIVER_NOT_PROVED"
            )


def _build_module(target: ReleaseTarget, facts: HostFacts) -> Iterator[HostCommand]:
    """A module for the kernel that runs, which may be another one than was expected to boot."""
    version = target.release.driver.version
    if not facts.has_module(facts.kernel, version):
        if not facts.has_headers:
            yield from kernel_headers.install_headers(target, facts, facts.kernel)
        yield RemoteJob(
            "building the driver for the running kernel",
            "build-driver",
            version,
            facts.kernel,
            code="DRIVER_INSTALL",
            timeout=3600,
        )


def _sign_modules(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> Iterator[HostCommand]:
    """Have DKMS build again what it built without the site's key."""
    kernels = list_unsigned_kernels(target, facts, options)
    if kernels and options.signing:  # its own package may have come with the driver's
        yield InstallSigningKey(options.signing)
    for kernel in kernels:
        yield RemoteJob(
            f"building the driver for kernel {kernel} with a signature",
            "build-driver",
            target.release.driver.version,
            kernel,
            "anew",
            code="SIGNING",
            timeout=3600,
        )


def _release_cards(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> Iterator[HostCommand]:
    """Get everybody off the cards, our own container last."""
    if options.evict:
        for holder in other_card_users(facts):
            yield RemoteJob(
                f"evicting {holder.command} ({holder.pid})",
                "evict",
                str(holder.pid),
                holder.container,
                holder.supervisor,
                holder.supervisor_name,
                code="CARD_BUSY",
            )
        if other_card_users(facts) and (back := other_card_users(reprobe(target))):
            yield FailHost(
                Failure("CARD_BUSY", f"{format_card_users(back)}, after it was stopped"), ""
            )
    elif other_card_users(facts):
        yield WaitForCards(target, options.busy_timeout)
    for container in facts.containers:
        if container.running and container.spec_digest:
            yield RemoteJob("stopping the container", "stop", container.id, code="CONTAINER")


def _package_arguments(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> list[str]:
    """What the scripts are told of the package."""
    package = driver_package.select_package(target, facts)
    assert not isinstance(package, Failure)  # decided so
    dest = f"{host_paths.STATE_FOLDER}/artifacts/{package.file}"
    return [package.package, target.release.driver.version, dest, str(options.lock_timeout)]


def _try_package(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> Iterator[HostCommand]:
    """The package arrives, and everything is tried that can be beside the driver that runs."""
    version, (_, _, dest, _) = (
        target.release.driver.version,
        (words := _package_arguments(target, facts, options)),
    )
    local, sha = target.local_file(dest.rpartition("/artifacts/")[2])
    yield Upload("driver package", [(local, dest, sha)])
    if list_package_entries(target, facts):
        yield RemoteJob(
            f"installing driver {version}: a trial beside the one that is there",
            "try-driver",
            *words,
            code="DRIVER_INSTALL",
            timeout=3600 + options.lock_timeout,
            libraries=SCRIPT_LIBRARIES,
        )


def _install_package(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> HostCommand:
    """A step that leaves the driver that was there, and its containers, where it fails."""
    version = target.release.driver.version
    return RemoteJob(
        f"installing driver {version} (its modules are built, this takes minutes)",
        "install-driver",
        *_package_arguments(target, facts, options),
        *(c.id for c in facts.containers if c.running and c.spec_digest),
        code="DRIVER_INSTALL",
        timeout=3600 + options.lock_timeout,
        libraries=SCRIPT_LIBRARIES,
    )


class WaitForCards(HostCommand):
    """Waits until jobs have left the cards."""

    def __init__(
        self,
        target: ReleaseTarget,
        timeout: int,
        jobs: Callable[[HostFacts], list[CardUser]] = other_card_users,
    ) -> None:
        """Prepare the command.

        Args:
            target: the release that needs the cards
            timeout: seconds that jobs may still take
            jobs: selects the jobs that are waited for
        """
        super().__init__(f"waiting up to {timeout} s for the cards")
        self.target: ReleaseTarget = target
        self.timeout, self.select_jobs = timeout, jobs

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        end = time.monotonic() + self.timeout
        while True:
            invalidate_facts(host)
            facts = probe_host(host, self.target)
            if isinstance(facts, Failure):
                return facts
            if not (card_users := self.select_jobs(facts)):
                return None
            left, names = end - time.monotonic(), format_card_users(card_users)
            if left < 0 or run_context(host).stop.requested:
                return Failure("CARD_BUSY", f"{names}, after {self.timeout} s")
            logger.info(f"{host.print_prefix}waiting for {names}, {left:.0f} s left")
            gevent.sleep(min(10, max(left, 0.5)))


STAGE = Stage("driver", decide, act, "DRIVER_NOT_PROVED", host_wide=True)


@operation()
def installed(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """The release's driver is installed, loaded, and has a node for every card."""
    yield from STAGE.converge(target, options)
