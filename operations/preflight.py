"""Stops a host, with a remedy, before anything is changed on it."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.errors import Failure
from fleet.release import compatibility, host_paths
from fleet.release.target import ReleaseTarget
from operations import (
    disk_space,
    driver,
    driver_package,
    engine,
    engine_storage,
    kernel_headers,
    weights,
)
from operations.host.command import HostCommand
from operations.host.facts import CARD_RUNNING, HostFacts
from operations.stage import Decision, HostOptions, OperationCommands, Stage

#: seconds; TLS and apt fail long before, but a host a few minutes off can still be provisioned
MAX_CLOCK_SKEW_S = 600
#: seconds past its limit after which a job is stuck: SIGKILL came long before
HUNG_AFTER_S = 20
REQUIRED_TOOLS = ("git", "timeout", "sha256sum", "base64", "flock")


def list_unhealthy_cards(facts: HostFacts) -> str:
    """Cards that the loaded driver does not run; those without a node are the driver stage's."""
    return ", ".join(
        f"{address} ({facts.card_health[address]})"
        for address in facts.driver_by_card
        if facts.card_health.get(address, CARD_RUNNING) != CARD_RUNNING
    )


def check_environment(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> Failure | None:
    """Whether it can be worked on at all."""
    if facts.uid != 0:
        return Failure("PROBE_FAILED", f"commands run as uid {facts.uid}, not as root")
    if missing := [tool for tool in REQUIRED_TOOLS if tool not in facts.tools]:
        return Failure("TOOL_MISSING", ", ".join(missing))
    if len(facts.machine_names) > 1:
        return Failure("DUPLICATE_HOST", ", ".join(sorted(facts.machine_names)))
    unsupported = driver_package.select_package(target, facts)
    return unsupported if isinstance(unsupported, Failure) else None


def check_cards(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Failure | None:
    """As many as the inventory says and the releases name, and none that is ill."""
    dropped = [card.address for card in facts.cards if card.is_dropped]
    if dropped:
        return Failure("CARD_DROPPED", ", ".join(dropped))
    found = len(facts.present_cards)
    if found < (options.cards or 1):
        addresses = ", ".join(card.address for card in facts.present_cards) or "none"
        gone = (
            f"; {', '.join(facts.missing_cards)} gone since the last smoke test"
            if facts.missing_cards
            else ""
        )
        half = compatibility.find_partial_boards([card.subsystem for card in facts.present_cards])
        part = f"; the bus shows a part of a board: {', '.join(half)}" if half else ""
        said = f"{found} of {options.cards or 1} ({addresses}){gone}{part}"
        return Failure("CARDS_MISSING", said)
    for one in target.releases:
        if absent := sorted(set(one.card_numbers(found)) - set(range(found))):
            said = f"{one.release.name} has card {', '.join(map(str, absent))}"
            return Failure("CARDS_MISSING", f"{said}, and the bus shows {found}: 0 to {found - 1}")
    # another driver may well run a card that this one does not
    if facts.loaded_driver == target.release.driver.version and (
        sick := list_unhealthy_cards(facts)
    ):
        return Failure("CARD_UNHEALTHY", sick)
    return None


def check_kernel_module(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> Failure | None:
    """Whether the driver can be built for the kernel, and loaded by it."""
    release = target.release
    package = driver.find_current_package(target, facts)
    right = bool(package and package.is_installed and package.version == release.driver.version)
    if not (right and facts.has_module(facts.kernel, release.driver.version)):
        if too_new := compatibility.find_kernel_problem(release.driver, facts.kernel):
            return Failure("KERNEL_TOO_NEW", too_new)
        if cannot := kernel_headers.check_build_requirements(
            target, facts
        ) or driver.check_package_hold(target, facts):
            return cannot
    if not (right and facts.loaded_driver) and facts.secure_boot:
        if options.signing and not facts.key_enrolled:
            said = f"{facts.secure_boot}: the kernel has no key {options.signing.key_id}"
            return Failure(
                "KEY_NOT_ENROLLED", f"{said}, that of {options.signing.certificate_file}"
            )
        if not (right or options.signing or facts.dkms_key):
            return Failure("SECURE_BOOT", facts.secure_boot)
    return None


def check_clock_and_jobs(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> Failure | None:
    """Its clock, and what an earlier run left in its kernel."""
    if abs(facts.clock_skew_s) > MAX_CLOCK_SKEW_S:
        return Failure("CLOCK_SKEW", f"{facts.clock_skew_s:+.0f} seconds")
    for job in facts.jobs:
        if job.stuck_processes or job.overdue_s > HUNG_AFTER_S:
            said = f"{job.stuck_processes.strip()}, left by " if job.stuck_processes else ""
            return Failure("HUNG", f"{said}{job.title}, of run {job.run}")
    return None


def check_engine(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Failure | None:
    """An engine that would take the image and not run it as it should, or not hold it."""
    if facts.docker_is_podman:
        return Failure("PODMAN", "no dockerd is there, and `docker` says that it is podman")
    for part, seen in ((target, facts), *((w, facts.beside[w.key]) for w in target.other_releases)):
        archive = part.lock.files[part.release.image.file]
        if seen.image != part.lock.image.id and (
            bad := engine_storage.check_image_support(
                seen.storage, disk_space.IMAGE_FILES_FACTOR * archive.size
            )
        ):
            return bad
    return engine.check_installable(target, facts)


def check_folders(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Failure | None:
    """What is changed on the host is this host's alone, and can be written."""
    changed = [host_paths.STATE_FOLDER, facts.docker_root]
    for part in target.releases:
        paths = [source.path for source in part.release.sources]
        changed += [host_paths.to_host_path(part.release, path) for path in paths]
    own = (facts.machine_id.split() or [""])[0]
    for path in changed:
        place, marker = facts.shared_filesystems.get(path, ("", ""))
        if place and marker not in ("", own):
            said = f"{path} ({place}) is the checkout of another host, machine-id {marker}"
            return Failure("SHARED_FOLDER", said)
        if len(names := facts.filesystem_names.get(place, set())) > 1:
            return Failure("SHARED_FOLDER", f"{path} ({place}) of {', '.join(sorted(names))}")
    filled = [
        one.target
        for part in target.releases
        for one in weights.list_unplaced(part, facts.beside.get(part.key, facts))
    ]
    for found, code in (
        (facts.root_squashed_paths, "ROOT_SQUASH"),
        (facts.read_only_paths, "READ_ONLY"),
    ):
        bad = [
            one
            for one in found
            if any(
                f"{path}/".startswith(f"{one.split(' ')[0].rstrip('/')}/")
                for path in (*changed, *filled)
            )
        ]
        if bad:
            return Failure(code, ", ".join(bad))
    return None


def check_disk_space(
    target: ReleaseTarget, facts: HostFacts, options: HostOptions
) -> Failure | None:
    return disk_space.check_free_space(target, facts)


#: in this order; the first that refuses names the host's failure
CHECKS = (
    check_environment,
    check_cards,
    check_kernel_module,
    check_clock_and_jobs,
    check_engine,
    check_folders,
    check_disk_space,
)


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    for check in CHECKS:
        if refused := check(target, facts, options):
            return refused
    return []


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    yield from ()


STAGE = Stage("preflight", decide, act, host_wide=True)


@operation()
def passed(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """The host can become what the release says; nothing has been changed yet."""
    yield from STAGE.converge(target, options)
