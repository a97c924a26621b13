"""What differs between the driver on a host and the release's."""

from __future__ import annotations

from typing import NamedTuple

from fleet.language import _
from fleet.release.target import ReleaseTarget
from fleet.text.word_lists import join_pair
from operations import driver_package
from operations.host.facts import HostFacts
from operations.stage import LOAD_DRIVER, MAKE_NODES, HostOptions


class DriverChange(NamedTuple):
    """One thing that the driver of a host needs.

    Attributes:
        words: What is to be done, as the operator reads it.
        kind: Its kind, as :class:`operations.stage.Action` has it.
    """

    words: str
    kind: str = ""


def lacks_next_kernel(target: ReleaseTarget, facts: HostFacts) -> bool:
    """Return whether the next boot takes a kernel that this driver is not built for.

    Args:
        target: The release that names the driver.
        facts: The host.
    """
    coming = facts.next_kernel
    return coming not in ("", facts.kernel) and not facts.has_module(
        coming, target.release.driver.version
    )


def list_unsigned_kernels(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> list[str]:
    """Return the kernels whose module of this driver lacks a signature of the site's key.

    Args:
        target: The release that names the driver.
        facts: The host.
        options: They name the site's key; without one, no module has to be signed.
    """
    package, version = driver_package.find_current(target, facts), target.release.driver.version
    if not options.signing or not package or not package.is_installed or package.version != version:
        return []
    kernels = [facts.kernel]
    if facts.next_kernel not in ("", facts.kernel) and not lacks_next_kernel(target, facts):
        kernels.append(facts.next_kernel)
    return [kernel for kernel in kernels if (kernel, version) not in facts.signed_modules]


def list_pending(target: ReleaseTarget, facts: HostFacts) -> list[DriverChange]:
    """Return the changes that need the cards to be free.

    Args:
        target: The release that names the driver.
        facts: The host.
    """
    version = target.release.driver.version
    changes = []
    if not driver_package.is_right(target, facts):
        changes.append(DriverChange(_describe_installation(target, facts)))
    if facts.loaded_driver != version:
        words = _("load driver {version} (none is loaded)", version=version)
        if facts.loaded_driver:
            words = _(
                "load driver {version} ({loaded} is loaded)",
                version=version,
                loaded=facts.loaded_driver,
            )
        changes.append(DriverChange(words, LOAD_DRIVER))
    expected = {
        f"/dev/cambricon_{kind}{number}"
        for number in range(len(facts.present_cards))
        for kind in ("dev", "ipcm")
    } | {"/dev/cambricon_ctl"}
    if absent := sorted(expected - set(facts.device_nodes)):
        without = ", ".join(
            card.address for card in facts.present_cards if card.address not in facts.driver_by_card
        )
        nodes = ", ".join(absent)
        words = _("make nodes {nodes}", nodes=nodes)
        if without:
            words = _(
                "make nodes {nodes} (no driver runs {cards})",
                nodes=nodes,
                cards=without,
            )
        changes.append(DriverChange(words, MAKE_NODES))
    return changes


def list_changes(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> list[DriverChange]:
    """Return all that needs the cards to be free: a reboot that is asked for, too.

    Args:
        target: The release that names the driver.
        facts: The host.
        options: What its inventory and the command say.
    """
    changes = list_pending(target, facts)
    if is_reboot_asked(facts, options):
        changes.append(DriverChange(_("reboot the host, as it was asked for")))
    return changes


def is_reboot_asked(facts: HostFacts, options: HostOptions) -> bool:
    """Return whether the host still runs the boot that a reboot is to end.

    Args:
        facts: The host.
        options: What its inventory and the command say.
    """
    return bool(options.reboot_from) and options.reboot_from == facts.boot_id


def _describe_installation(target: ReleaseTarget, facts: HostFacts) -> str:
    entries, version = driver_package.list_entries(target, facts), target.release.driver.version
    if len(entries) > 1:
        return _(
            "install driver {version} ({versions} at once are installed)",
            version=version,
            versions=join_pair(entry.version for entry in entries),
        )
    if not entries:
        return _("install driver {version} (none is installed)", version=version)
    (package,) = entries
    if package.is_installed and package.version == version:
        return _(
            "install driver {version} ({version} without a module for {kernel} is installed)",
            version=version,
            kernel=facts.kernel,
        )
    return _(
        "install driver {version} ({installed}, {status} is installed)",
        version=version,
        installed=package.version,
        status=package.status,
    )
