"""The commands that install, build, sign and load the driver, with a reboot if that is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _, english
from fleet.release import host_paths
from fleet.release.model import DriverPackage
from fleet.release.serve import LONGEST_STOP_S
from fleet.release.target import ReleaseTarget
from operations import (
    card_users,
    driver_changes,
    driver_package,
    foreign_containers,
    kernel_headers,
)
from operations.host.command import HostCommand
from operations.host.facts import STOP_LIMIT_S, HostFacts
from operations.host.job import RemoteJob
from operations.module_signing import InstallSigningKey
from operations.reboot import Reboot
from operations.stage import FailHost, HostOptions, HostSpec, Reprobe

#: seconds that DKMS may take to build the modules for one kernel
BUILD_TIMEOUT_S = 3600


def change_driver(spec: HostSpec, facts: HostFacts, reprobe: Reprobe) -> Iterator[HostCommand]:
    """Give the commands of the driver: on free cards first, then the next kernel, then a reboot.

    Args:
        spec: The desired state of the host.
        facts: The host, which needs something of its driver.
        reprobe: Probes the host again.
    """
    target, options = spec.target.primary, spec.options
    if options.signing:
        yield InstallSigningKey(options.signing)
    if driver_changes.list_pending(target, facts):
        yield from _replace_driver(spec, facts, reprobe)
        facts = reprobe()
    else:
        yield from _sign_modules(target, facts, options)
    if driver_changes.lacks_next_kernel(target, facts):
        yield from _build_for_next_kernel(target, facts)
    if driver_changes.list_pending(target, facts):
        reason = _("no driver is loaded")
        if loaded := facts.loaded_driver:
            reason = _("{version} is loaded", version=loaded)
        yield from _reboot(spec, facts, reprobe, reason)
    elif driver_changes.is_reboot_asked(facts, options):
        yield from _release_cards(spec, facts, reprobe)
        yield from _reboot(spec, facts, reprobe, _("asked for"))


def _replace_driver(spec: HostSpec, facts: HostFacts, reprobe: Reprobe) -> Iterator[HostCommand]:
    """Install and load the driver without a reboot, as far as that is possible.

    The package and its headers are tried before any process is sent away from the cards: the
    repositories may lack what they list, and the package may not install.
    """
    target, options = spec.target.primary, spec.options
    if not driver_package.is_right(target, facts):
        yield from kernel_headers.install_headers(
            target, facts, facts.kernel, headers_present=facts.has_headers
        )
        yield from _try_package(target, facts, options)
    yield from _release_cards(spec, facts, reprobe)
    if not driver_package.is_right(target, facts):
        yield _install_package(target, facts, options)
        facts = reprobe()
    yield from _sign_modules(target, facts, options)
    if not facts.loaded_driver:
        yield from _build_module(target, facts)
        yield RemoteJob(_("loading the driver"), "load-driver", code="DRIVER_NOT_PROVED")
    elif facts.loaded_driver == target.release.driver.version and driver_changes.list_pending(
        target, facts
    ):
        yield RemoteJob(_("reloading the driver"), "load-driver", "again", code="DRIVER_NOT_PROVED")


def _build_for_next_kernel(target: ReleaseTarget, facts: HostFacts) -> Iterator[HostCommand]:
    yield from kernel_headers.install_headers(target, facts, facts.next_kernel)
    yield RemoteJob(
        _(
            "building the driver for kernel {next_kernel}, which boots next",
            next_kernel=facts.next_kernel,
        ),
        "build-driver",
        target.release.driver.version,
        facts.next_kernel,
        code="NEXT_KERNEL",
        timeout=BUILD_TIMEOUT_S,
    )


def _reboot(
    spec: HostSpec, facts: HostFacts, reprobe: Reprobe, reason: str
) -> Iterator[HostCommand]:
    """Reboot into the driver; load it afterwards if nothing does so at boot."""
    target = spec.target.primary
    yield Reboot(reason, facts.boot_id, spec.target, spec.options.reboot_timeout)
    facts = reprobe()
    if not facts.loaded_driver:
        yield from _build_module(target, facts)
        yield RemoteJob(_("loading the driver"), "load-driver", code="DRIVER_NOT_PROVED")
    if left := driver_changes.list_pending(target, reprobe()):
        yield AskKernel([change.words for change in left])


class AskKernel(RemoteJob):
    """Fails a host whose driver is not as it has to be, with what the kernel says of it."""

    def __init__(self, left: list[str]) -> None:
        """Prepare the command.

        Args:
            left: What is still to be done, in words.
        """
        said = "; ".join(map(english, left))
        super().__init__(_("asking the kernel why"), "driver-log", said, code="DRIVER_NOT_PROVED")
        self.left = left

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        failure = super().run(host, arguments)
        if failure is None or failure.code != self.code:
            return failure
        return replace(failure, detail=f"{self.title}: {'; '.join(self.left)}")


def _build_module(target: ReleaseTarget, facts: HostFacts) -> Iterator[HostCommand]:
    """Build the module for the running kernel, which may not be the one expected to boot."""
    version = target.release.driver.version
    if not facts.has_module(facts.kernel, version):
        if not facts.has_headers:
            yield from kernel_headers.install_headers(target, facts, facts.kernel)
        yield RemoteJob(
            _("building the driver for the running kernel"),
            "build-driver",
            version,
            facts.kernel,
            code="DRIVER_INSTALL",
            timeout=BUILD_TIMEOUT_S,
        )


def _sign_modules(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> Iterator[HostCommand]:
    """Have DKMS rebuild the modules that it built without the site's key."""
    kernels = driver_changes.list_unsigned_kernels(target, facts, options)
    if kernels and options.signing:  # DKMS itself may have been installed with the driver
        yield InstallSigningKey(options.signing)
    for kernel in kernels:
        yield RemoteJob(
            _("building the driver for kernel {kernel} with a signature", kernel=kernel),
            "build-driver",
            target.release.driver.version,
            kernel,
            "anew",
            code="SIGNING",
            timeout=BUILD_TIMEOUT_S,
        )


def _release_cards(spec: HostSpec, facts: HostFacts, reprobe: Reprobe) -> Iterator[HostCommand]:
    """Free the cards: other processes first, the host's own containers last."""
    options, others = spec.options, card_users.list_others(facts)
    if ended := [user for user in others if foreign_containers.may_end(user, options)]:
        yield from foreign_containers.end_users(ended)
        others = card_users.list_others(reprobe())
        if returned := [user for user in others if foreign_containers.may_end(user, options)]:
            sentence = _("{users}, after it was stopped", users=card_users.format_users(returned))
            yield FailHost(Failure("CARD_BUSY", sentence))
    if others:
        yield card_users.WaitForCards(spec.target, options.busy_timeout)
    for container_id, limit in _list_running(facts).items():
        yield RemoteJob(
            _("stopping the container"),
            "stop-container",
            container_id,
            code="CONTAINER",
            timeout=limit,
        )


def _list_running(facts: HostFacts) -> dict[str, int]:
    """Map the ids of this host's containers that run, present and former, to seconds for a stop."""
    present = {
        one.id: one.stop_limit_s for one in facts.containers if one.running and one.spec_digest
    }
    former = dict.fromkeys(facts.running_orphans, STOP_LIMIT_S + LONGEST_STOP_S)
    return {**present, **former}


def _package_arguments(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> tuple[DriverPackage, list[str]]:
    """Return the package, and the arguments that the package scripts share."""
    package = driver_package.select_package(target, facts)
    assert not isinstance(package, Failure)  # decide() has checked it
    dest = host_paths.artifact_path(package.file)
    version = target.release.driver.version
    return package, [package.package, version, dest, str(options.lock_timeout)]


def _try_package(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> Iterator[HostCommand]:
    """Upload the package, and try it as far as the running driver allows."""
    package, arguments = _package_arguments(target, facts, options)
    yield driver_package.build_upload(target, package)
    if driver_package.list_entries(target, facts):
        yield RemoteJob(
            _(
                "installing driver {version}: a trial beside the one that is there",
                version=target.release.driver.version,
            ),
            "try-driver",
            *arguments,
            code="DRIVER_INSTALL",
            timeout=BUILD_TIMEOUT_S + options.lock_timeout,
        )


def _install_package(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> HostCommand:
    """Install the package; the job restores the previous driver and its containers on failure."""
    _package, arguments = _package_arguments(target, facts, options)
    return RemoteJob(
        _(
            "installing driver {version} (its modules are built, this takes minutes)",
            version=target.release.driver.version,
        ),
        "install-driver",
        *arguments,
        *_list_running(facts),
        code="DRIVER_INSTALL",
        timeout=BUILD_TIMEOUT_S + options.lock_timeout,
    )
