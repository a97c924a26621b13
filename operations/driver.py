"""The vendor's driver: installed version == loaded version == release, and nodes == cards."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.errors import Failure
from fleet.release import compatibility
from fleet.release.target import ReleaseTarget
from operations import (
    card_users,
    driver_changes,
    driver_install,
    driver_package,
    foreign_containers,
)
from operations.driver_changes import DriverChange
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.stage import (
    Action,
    Decision,
    HostSpec,
    HostStage,
    OperationCommands,
    Plan,
    Reprobe,
)


def decide(spec: HostSpec, facts: HostFacts) -> Decision:
    """Compare driver package, loaded modules, device nodes and signatures with the release.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    target, options = spec.target.primary, spec.options
    if isinstance(package := driver_package.select_package(target, facts), Failure):
        return package
    changes = driver_changes.list_changes(target, facts, options)
    if not driver_package.is_right(target, facts) and (
        hold := driver_package.check_hold(target, facts)
    ):
        return hold
    others = card_users.list_others(facts)
    staying = [user for user in others if not foreign_containers.may_end(user, options)]
    if changes and staying:
        # kubelet starts a pod again as soon as it is gone
        if options.evict or not options.busy_timeout:
            return Failure("CARD_BUSY", card_users.format_users(staying))
        changes.insert(0, DriverChange(f"wait for {card_users.format_users(staying)}"))
    if driver_changes.lacks_next_kernel(target, facts):
        next_kernel = _describe_next_kernel(target, facts)
        if isinstance(next_kernel, Failure):
            return next_kernel
        changes.append(DriverChange(next_kernel))
    version = target.release.driver.version
    changes += [
        DriverChange(f"sign driver {version} for kernel {kernel}")
        for kernel in driver_changes.list_unsigned_kernels(target, facts, options)
    ]
    if not changes:
        return Plan()

    def commands(reprobe: Reprobe) -> Iterator[HostCommand]:
        return driver_install.change_driver(spec, facts, reprobe)

    words, kinds = zip(*changes, strict=True)
    return Plan((Action(words, commands, kinds),))


def _describe_next_kernel(target: ReleaseTarget, facts: HostFacts) -> str | Failure:
    coming, driver = facts.next_kernel, target.release.driver
    doubt = f" as far as is known: {facts.next_kernel_doubt}" if facts.next_kernel_doubt else ""
    if too_new := compatibility.find_kernel_problem(driver, coming):
        return Failure("KERNEL_TOO_NEW", f"{too_new}; it boots next{doubt}")
    return f"build driver {driver.version} for kernel {coming}, which boots next{doubt}"


STAGE = HostStage("driver", decide, "DRIVER_NOT_PROVED")


@operation()
def installed(spec: HostSpec) -> OperationCommands:
    """Install and load the release's driver, so that every card has its device nodes.

    Args:
        spec: The desired state of the host.
    """
    yield from STAGE.bind(spec.target).converge(spec)
