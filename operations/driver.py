"""The vendor's driver: installed version == loaded version == release, and nodes == cards."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.errors import Failure
from fleet.language import _
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
        changes.insert(
            0, DriverChange(_("wait for {users}", users=card_users.format_users(staying)))
        )
    if driver_changes.lacks_next_kernel(target, facts):
        next_kernel = _describe_next_kernel(target, facts)
        if isinstance(next_kernel, Failure):
            return next_kernel
        changes.append(DriverChange(next_kernel))
    changes += _list_signatures(spec, facts)
    if not changes:
        return Plan()

    def commands(reprobe: Reprobe) -> Iterator[HostCommand]:
        return driver_install.change_driver(spec, facts, reprobe)

    words, kinds = zip(*changes, strict=True)
    return Plan((Action(words, commands, kinds),))


def _list_signatures(spec: HostSpec, facts: HostFacts) -> list[DriverChange]:
    target = spec.target.primary
    version = target.release.driver.version
    return [
        DriverChange(_("sign driver {version} for kernel {kernel}", version=version, kernel=kernel))
        for kernel in driver_changes.list_unsigned_kernels(target, facts, spec.options)
    ]


def _describe_next_kernel(target: ReleaseTarget, facts: HostFacts) -> str | Failure:
    coming, driver = facts.next_kernel, target.release.driver
    doubt = facts.next_kernel_doubt
    if too_new := compatibility.find_kernel_problem(driver, coming):
        sentence = _("{problem}; it boots next", problem=too_new)
        if doubt:
            sentence = _(
                "{problem}; it boots next as far as is known: {doubt}",
                problem=too_new,
                doubt=doubt,
            )
        return Failure("KERNEL_TOO_NEW", sentence)
    version = driver.version
    if not doubt:
        return _(
            "build driver {version} for kernel {kernel}, which boots next",
            version=version,
            kernel=coming,
        )
    return _(
        "build driver {version} for kernel {kernel}, which boots next as far as is known: {doubt}",
        version=version,
        kernel=coming,
        doubt=doubt,
    )


STAGE = HostStage("driver", decide, "DRIVER_NOT_PROVED")


@operation()
def installed(spec: HostSpec) -> OperationCommands:
    """Install and load the release's driver, so that every card has its device nodes.

    Args:
        spec: The desired state of the host.
    """
    yield from STAGE.bind(spec.target).converge(spec)
