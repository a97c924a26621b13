"""Stops a host, with a remedy, before anything is changed on it."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.errors import Failure
from fleet.release import compatibility, host_paths
from fleet.release.target import Wanted
from operations import (
    disk_space,
    driver,
    driver_package,
    engine,
    engine_storage,
    kernel_headers,
    weights,
)
from operations.host.facts import WORKS, HostState
from operations.host.probe import sharing, twins
from operations.stage import Body, Decision, Options, Stage

#: seconds; TLS and apt fail long before, but a host a few minutes off can still be provisioned
SKEW = 600
#: seconds past its limit after which a job is stuck: SIGKILL came long before
HUNG = 20
TOOLS = ("git", "timeout", "sha256sum", "base64", "flock")


def unhealthy(state: HostState) -> str:
    """Cards that the loaded driver does not run; those without a node are the driver stage's."""
    return ", ".join(
        f"{address} ({state.health[address]})"
        for address in state.running
        if state.health.get(address, WORKS) != WORKS
    )


def environment(wanted: Wanted, state: HostState, options: Options) -> Failure | None:
    """Whether it can be worked on at all."""
    if state.uid != 0:
        return Failure("PROBE_FAILED", f"commands run as uid {state.uid}, not as root")
    if missing := [tool for tool in TOOLS if tool not in state.tools]:
        return Failure("TOOL_MISSING", ", ".join(missing))
    names = twins(state.machine)
    if len(names) > 1:
        return Failure("DUPLICATE_HOST", ", ".join(names))
    unsupported = driver_package.package(wanted, state)
    return unsupported if isinstance(unsupported, Failure) else None


def cards(wanted: Wanted, state: HostState, options: Options) -> Failure | None:
    """As many as the inventory says and the releases name, and none that is ill."""
    dropped = [card.address for card in state.cards if card.dropped]
    if dropped:
        return Failure("CARD_DROPPED", ", ".join(dropped))
    found = len(state.present)
    if found < (options.cards or 1):
        addresses = ", ".join(card.address for card in state.present) or "none"
        gone = f"; {', '.join(state.gone)} gone since the last smoke test" if state.gone else ""
        half = compatibility.half_boards([card.subsystem for card in state.present])
        part = f"; the bus shows a part of a board: {', '.join(half)}" if half else ""
        said = f"{found} of {options.cards or 1} ({addresses}){gone}{part}"
        return Failure("CARDS_MISSING", said)
    for one in wanted.parts:
        if absent := sorted(set(one.devices(found)) - set(range(found))):
            said = f"{one.release.name} has card {', '.join(map(str, absent))}"
            return Failure("CARDS_MISSING", f"{said}, and the bus shows {found}: 0 to {found - 1}")
    # another driver may well run a card that this one does not
    if state.loaded == wanted.release.driver.version and (sick := unhealthy(state)):
        return Failure("CARD_UNHEALTHY", sick)
    return None


def module(wanted: Wanted, state: HostState, options: Options) -> Failure | None:
    """Whether the driver can be built for the kernel, and loaded by it."""
    release = wanted.release
    package = driver.current(wanted, state)
    right = bool(package and package.installed and package.version == release.driver.version)
    if not (right and state.has_module(state.kernel, release.driver.version)):
        if too_new := compatibility.kernel_problem(release.driver, state.kernel):
            return Failure("KERNEL_TOO_NEW", too_new)
        if cannot := kernel_headers.refusal(wanted, state) or driver.held(wanted, state):
            return cannot
    if not (right and state.loaded) and state.secure_boot:
        if options.signing and not state.trusted:
            said = f"{state.secure_boot}: the kernel has no key {options.signing.identity}"
            return Failure("KEY_NOT_ENROLLED", f"{said}, that of {options.signing.file}")
        if not (right or options.signing or state.signer):
            return Failure("SECURE_BOOT", state.secure_boot)
    return None


def health(wanted: Wanted, state: HostState, options: Options) -> Failure | None:
    """Its clock, and what an earlier run left in its kernel."""
    if abs(state.skew) > SKEW:
        return Failure("CLOCK_SKEW", f"{state.skew:+.0f} seconds")
    for job in state.jobs:
        if job.stuck or job.overdue > HUNG:
            said = f"{job.stuck.strip()}, left by " if job.stuck else ""
            return Failure("HUNG", f"{said}{job.title}, of run {job.run}")
    return None


def docker(wanted: Wanted, state: HostState, options: Options) -> Failure | None:
    """An engine that would take the image and not run it as it should, or not hold it."""
    if state.podman:
        return Failure("PODMAN", "no dockerd is there, and `docker` says that it is podman")
    for part, seen in ((wanted, state), *((w, state.beside[w.slot]) for w in wanted.beside)):
        archive = part.lock.files[part.release.image.file]
        if seen.image != part.lock.image.id and (
            bad := engine_storage.wrong(seen.storage, disk_space.FILES * archive.size)
        ):
            return bad
    return engine.refusal(wanted, state)


def folders(wanted: Wanted, state: HostState, options: Options) -> Failure | None:
    """What is changed on the host is this host's alone, and can be written."""
    changed = [host_paths.STATE, state.docker_root]
    for part in wanted.parts:
        paths = [source.path for source in part.release.sources]
        changed += [host_paths.on_host(part.release, path) for path in paths]
    own = (state.machine.split() or [""])[0]
    for path in changed:
        place, marker = state.shares.get(path, ("", ""))
        if place and marker not in ("", own):
            said = f"{path} ({place}) is the checkout of another host, machine-id {marker}"
            return Failure("SHARED_FOLDER", said)
        if place and len(names := sharing(place)) > 1:
            return Failure("SHARED_FOLDER", f"{path} ({place}) of {', '.join(names)}")
    filled = [
        one.target
        for part in wanted.parts
        for one in weights.wrong(part, state.beside.get(part.slot, state))
    ]
    for found, code in ((state.squashed, "ROOT_SQUASH"), (state.read_only, "READ_ONLY")):
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


def space(wanted: Wanted, state: HostState, options: Options) -> Failure | None:
    return disk_space.short(wanted, state)


#: in this order; the first that refuses names the host's failure
CHECKS = (environment, cards, module, health, docker, folders, space)


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    for check in CHECKS:
        if refused := check(wanted, state, options):
            return refused
    return []


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    yield from ()


STAGE = Stage("preflight", decide, act, shared=True)


@operation()
def passed(wanted: Wanted, options: Options) -> Body:
    """The host can become what the release says; nothing has been changed yet."""
    yield from STAGE.carry(wanted, options)
