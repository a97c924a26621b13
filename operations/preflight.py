"""Checks that stop a host, with a remedy, before anything is changed on it."""

from __future__ import annotations

from pyinfra.api import operation

from fleet.errors import Failure
from fleet.language import _
from fleet.release import compatibility, host_paths
from fleet.release.instance_cards import find_missing_cards
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.text import word_lists
from fleet.vendor.cnmon import CARD_RUNNING
from operations import (
    disk_space,
    driver_package,
    engine,
    foreign_containers,
    kernel_headers,
    ports,
    weights,
)
from operations.host import engine_storage
from operations.host.facts import HostFacts
from operations.stage import Decision, HostSpec, HostStage, OperationCommands, Plan

#: TLS and apt fail long before, but a host whose clock is a few minutes off can be provisioned
MAX_CLOCK_SKEW_S = 600
#: seconds past its limit after which a job is stuck: SIGKILL was sent long before
HUNG_AFTER_S = 20
REQUIRED_TOOLS = ("git", "timeout", "sha256sum", "base64", "flock")


def list_unhealthy_cards(facts: HostFacts) -> str:
    """Name the cards that the loaded driver reports as not running.

    Cards without a device node are the driver stage's concern.

    Args:
        facts: The host.
    """
    return ", ".join(
        f"{address} ({facts.card_health[address]})"
        for address in facts.driver_by_card
        if facts.card_health.get(address, CARD_RUNNING) != CARD_RUNNING
    )


def check_environment(spec: HostSpec, facts: HostFacts) -> Failure | None:
    """Check that the host can be worked on at all: root, tools, a known operating system.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    if facts.uid != 0:
        return Failure("PROBE_FAILED", _("commands run as uid {uid}, not as root", uid=facts.uid))
    if missing := [tool for tool in REQUIRED_TOOLS if tool not in facts.tools]:
        return Failure("TOOL_MISSING", ", ".join(missing))
    if len(facts.machine_names) > 1:
        return Failure("DUPLICATE_HOST", ", ".join(sorted(facts.machine_names)))
    package = driver_package.select_package(spec.target.primary, facts)
    return package if isinstance(package, Failure) else None


def check_cards(spec: HostSpec, facts: HostFacts) -> Failure | None:
    """Check that all cards of the inventory and of the releases are there, and healthy.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    if dropped := [card.address for card in facts.cards if card.is_dropped]:
        return Failure("CARD_DROPPED", ", ".join(dropped))
    count, expected = len(facts.present_cards), spec.options.cards or 1
    if count < expected:
        return Failure("CARDS_MISSING", _describe_missing_cards(facts, expected))
    for release in spec.target.releases:
        if absent := sorted(set(release.card_numbers(count)) - set(range(count))):
            sentence = _(
                "{release} has card {cards}, and the bus shows {count}: 0 to {last}",
                release=release.release.name,
                cards=word_lists.join_words(absent),
                count=count,
                last=count - 1,
            )
            return Failure("CARDS_MISSING", sentence)
        if problem := next(find_missing_cards(release, count), ""):
            return Failure("CARDS_MISSING", problem)
        if other := _find_other_models(release, facts):
            return Failure(
                "CARD_MODEL",
                _("{release} is not for {other}", release=release.release.name, other=other),
            )
    # another driver may well run a card that this one does not
    if facts.loaded_driver == spec.target.primary.release.driver.version and (
        unhealthy := list_unhealthy_cards(facts)
    ):
        return Failure("CARD_UNHEALTHY", unhealthy)
    return None


def _find_other_models(target: ReleaseTarget, facts: HostFacts) -> str:
    """Describe cards of known models that a release is not for; "" if there are none."""
    wanted, cards = target.release.card_models, facts.present_cards
    if not wanted:
        return ""
    own = [cards[number] for number in target.card_numbers(len(cards))]
    models = {card.address: facts.card_model(card) for card in own}
    others = [
        f"{name} ({address})" for address, name in models.items() if name not in ("", *wanted)
    ]
    return (
        _(
            "{others}: its card_models are {wanted}",
            others=word_lists.join_words(others),
            wanted=word_lists.join_words(wanted),
        )
        if others
        else ""
    )


def _describe_missing_cards(facts: HostFacts, expected: int) -> str:
    addresses = ", ".join(card.address for card in facts.present_cards) or _("none")
    sentence = _(
        "{count} of {expected} ({addresses})",
        count=len(facts.present_cards),
        expected=expected,
        addresses=addresses,
    )
    if facts.missing_cards:
        sentence = _(
            "{sentence}; {cards} gone since the last smoke test",
            sentence=sentence,
            cards=word_lists.join_words(facts.missing_cards),
        )
    subsystems = [card.subsystem for card in facts.present_cards]
    if boards := compatibility.find_partial_boards(subsystems):
        sentence = _(
            "{sentence}; the bus shows a part of a board: {boards}",
            sentence=sentence,
            boards=word_lists.join_words(boards),
        )
    return sentence


def check_kernel_module(spec: HostSpec, facts: HostFacts) -> Failure | None:
    """Check that the driver can be built for the kernel, and that the kernel will load it.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    target = spec.target.primary
    required = target.release.driver
    package = driver_package.find_current(target, facts)
    is_right = bool(package and package.is_installed and package.version == required.version)
    if not (is_right and facts.has_module(facts.kernel, required.version)):
        if too_new := compatibility.find_kernel_problem(required, facts.kernel):
            return Failure("KERNEL_TOO_NEW", too_new)
        failure = kernel_headers.check_build_requirements(target, facts)
        if failure := failure or driver_package.check_hold(target, facts):
            return failure
    if facts.secure_boot and not (is_right and facts.loaded_driver):
        return _check_secure_boot(spec, facts, is_right)
    return None


def _check_secure_boot(spec: HostSpec, facts: HostFacts, is_right: bool) -> Failure | None:
    """Check that the kernel, which takes signed modules only, knows the key."""
    key = spec.options.signing
    if key and not facts.key_enrolled:
        sentence = _(
            "{secure_boot}: the kernel has no key {key}, that of {path}",
            secure_boot=facts.secure_boot,
            key=key.key_id,
            path=key.certificate_file,
        )
        return Failure("KEY_NOT_ENROLLED", sentence)
    if not (is_right or key or facts.dkms_key):
        return Failure("SECURE_BOOT", facts.secure_boot)
    return None


def check_clock_and_jobs(spec: HostSpec, facts: HostFacts) -> Failure | None:
    """Check the clock, and that no job of an earlier run is stuck in the kernel.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    if abs(facts.clock_skew_s) > MAX_CLOCK_SKEW_S:
        return Failure("CLOCK_SKEW", _("{count:+.0f} seconds", count=facts.clock_skew_s))
    for job in facts.jobs:
        if job.stuck_processes or job.overdue_s > HUNG_AFTER_S:
            processes = job.stuck_processes.strip()
            sentence = _("{title}, of run {run}", title=job.title, run=job.run)
            if job.stuck_processes:
                sentence = _(
                    "{processes}, left by {title}, of run {run}",
                    processes=processes,
                    title=job.title,
                    run=job.run,
                )
            return Failure("HUNG", sentence)
    return None


def check_engine(spec: HostSpec, facts: HostFacts) -> Failure | None:
    """Check that the engine can become what the releases need, and hold and run their images.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    if facts.docker_is_podman:
        return Failure("PODMAN", _("no dockerd is there, and `docker` says that it is podman"))
    for release in spec.target.releases:
        unpacked = disk_space.IMAGE_FILES_FACTOR * release.image_bytes
        if facts.releases[release.key].image != release.lock.image.id and (
            failure := engine_storage.check_image_support(facts.storage, unpacked)
        ):
            return failure
    return engine.check_installable(spec.target, facts)


def check_containers(spec: HostSpec, facts: HostFacts) -> Failure | None:
    """Check that containers of somebody else that are in the way may be stopped.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    checks = (
        foreign_containers.check_permission(spec, release, facts)
        for release in spec.target.releases
    )
    return next((failure for failure in checks if failure), None)


def check_folders(spec: HostSpec, facts: HostFacts) -> Failure | None:
    """Check that the folders to change belong to this host alone, and can be written.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    changed = _list_changed_folders(spec.target, facts)
    own = (facts.machine_id.split() or [""])[0]
    for path in changed:
        filesystem, marker = facts.shared_filesystems.get(path, ("", ""))
        if not filesystem:
            continue
        place = f"{path} ({filesystem})"
        if marker not in ("", own):
            sentence = _(
                "{place} is the checkout of another host, machine-id {id}",
                place=place,
                id=marker,
            )
            return Failure("SHARED_FOLDER", sentence)
        if len(names := facts.filesystem_names.get(filesystem, set())) > 1:
            sentence = _(
                "{place} of {hosts}", place=place, hosts=word_lists.join_words(sorted(names))
            )
            return Failure("SHARED_FOLDER", sentence)
    filled = [
        item.target
        for release in spec.target.releases
        for item in weights.list_unplaced(release, facts.releases[release.key])
    ]
    for code, paths in (
        ("ROOT_SQUASH", facts.root_squashed_paths),
        ("READ_ONLY", facts.read_only_paths),
    ):
        if hit := [path for path in paths if _contains_any(path, [*changed, *filled])]:
            return Failure(code, ", ".join(hit))
    return None


def _list_changed_folders(target: HostTarget, facts: HostFacts) -> list[str]:
    """Return the folders that a run changes in place; weights are only added."""
    sources = [
        host_paths.to_host_path(release.release, source.path)
        for release in target.releases
        for source in release.release.sources
    ]
    return [host_paths.STATE_FOLDER, facts.docker_root, *sources]


def _contains_any(place: str, paths: list[str]) -> bool:
    """Return whether a probed folder, "PATH (file system)", contains one of the paths."""
    root = f"{place.split(' ')[0].rstrip('/')}/"
    return any(f"{path}/".startswith(root) for path in paths)


def check_disk_space(spec: HostSpec, facts: HostFacts) -> Failure | None:
    """Check that all file systems have space for everything that is to come.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    return disk_space.check_free_space(spec.target, facts, spec.options.image_source)


#: in this order; the first failure is the host's
CHECKS = (
    check_environment,
    check_cards,
    ports.check_ports,
    check_kernel_module,
    check_clock_and_jobs,
    check_engine,
    check_containers,
    check_folders,
    check_disk_space,
)


def decide(spec: HostSpec, facts: HostFacts) -> Decision:
    """Run all checks; there is never anything to do.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    for check in CHECKS:
        if failure := check(spec, facts):
            return failure
    return Plan()


STAGE = HostStage("preflight", decide)


@operation()
def passed(spec: HostSpec) -> OperationCommands:
    """Check that the host can become what its releases say; nothing is changed yet.

    Args:
        spec: The desired state of the host.
    """
    yield from STAGE.bind(spec.target).converge(spec)
