"""Stops a host, with a remedy, before anything is changed on it."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet import compatibility
from fleet.failures import Failure
from fleet.lock import LockedFile
from fleet.wanted import Wanted
from operations import engine, headers, layout, system
from operations.observe import twins
from operations.stage import Body, Decision, Options, Stage
from operations.state import WORKS, HostState

#: seconds; TLS and apt fail long before, but a host a few minutes off can still be provisioned
SKEW = 600
#: an image needs room for its archive and, unpacked, about twice that (measured: 1.9 to 2.4)
UNPACKED = 3
#: files that provisioning makes in one place: the sources with their history and migrated trees
INODES = 20_000
#: seconds past its limit after which a job is stuck: SIGKILL came long before
HUNG = 20
TOOLS = ("git", "timeout", "sha256sum", "base64", "flock")


def unhealthy(state: HostState) -> str:
    """Cards that the loaded driver does not run; those without a node are the driver stage's."""
    return ", ".join(f"{address} ({state.health[address]})" for address in state.running
                     if state.health.get(address, WORKS) != WORKS)  # fmt: skip


def space(wanted: Wanted, state: HostState) -> Failure | None:
    """Room for what is still to come; of an engine that is silent nobody knows what it has."""
    need: dict[str, int] = {}
    #: what is still to come: what several releases share comes once
    unpacked: dict[str, tuple[str, int]] = {}
    arriving: dict[str, int] = {}

    def comes(path: str, file: LockedFile) -> None:
        there = sum(size for name, size in state.parts.items() if file.sha256 in name)
        arriving[path] = max(file.size - there, 0)

    silent = not state.engine and not engine.absent(state)
    for part, seen in ((wanted, state), *((w, state.beside[w.slot]) for w in wanted.beside)):
        if seen.image != part.lock.image.id and not silent:
            archive = part.lock.files[part.release.image.file]
            unpacked[part.lock.image.id] = seen.docker_root, UNPACKED * archive.size
            comes(archive.sha256, archive)
        for weights in part.release.weights:
            if f"weights-{weights.name}" not in seen.stamps:
                for name, file in part.lock.under(weights.folder).items():
                    comes(f"{weights.target}/{name}", file)
        for source in part.release.sources:
            path = layout.on_host(part.release, source.path)
            if path not in seen.sources:
                need.setdefault(path, 0)
    for root, size in unpacked.values():
        need[root] = need.get(root, 0) + size
    if arriving:
        need[layout.STATE] = need.get(layout.STATE, 0) + sum(arriving.values())
    for path, size in need.items():
        known = [p for p in state.disk if path == p or path.startswith(p.rstrip("/") + "/")]
        if known:
            place = max(known, key=len)
            if state.disk[place] < size:
                return Failure(
                    "NO_SPACE", f"{path} has {state.disk[place]:,} bytes free, {size:,} are needed"
                )
            if state.inodes.get(place, INODES) < INODES:
                return Failure("NO_INODES", f"{path} has {state.inodes[place]:,} free, "
                                            f"{INODES:,} are needed")  # fmt: skip
    return None


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    release = wanted.release
    missing = [tool for tool in TOOLS if tool not in state.tools]
    if state.uid != 0:
        return Failure("PROBE_FAILED", f"commands run as uid {state.uid}, not as root")
    if missing:
        return Failure("TOOL_MISSING", ", ".join(missing))
    names = twins(state.machine)
    if len(names) > 1:
        return Failure("DUPLICATE_HOST", ", ".join(names))
    if isinstance(unsupported := system.package(wanted, state), Failure):
        return unsupported
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
    if state.loaded == release.driver.version and (sick := unhealthy(state)):
        return Failure("CARD_UNHEALTHY", sick)
    right = any(p.installed and p.version == release.driver.version for p in state.packages)
    if not (right and state.has_module(state.kernel, release.driver.version)):
        if too_new := compatibility.kernel_problem(release.driver, state.kernel):
            return Failure("KERNEL_TOO_NEW", too_new)
        if not state.headers and not headers.available(wanted, state, state.kernel):
            return Failure("HEADERS_MISSING", headers.absent(state))
    if not (right and state.loaded) and state.secure_boot:
        if options.signing and not state.trusted:
            said = f"{state.secure_boot}: the kernel has no key {options.signing.identity}"
            return Failure("KEY_NOT_ENROLLED", f"{said}, that of {options.signing.file}")
        if not (right or options.signing or state.signer):
            return Failure("SECURE_BOOT", state.secure_boot)
    if abs(state.skew) > SKEW:
        return Failure("CLOCK_SKEW", f"{state.skew:+.0f} seconds")
    for job in state.jobs:
        if job.stuck or job.overdue > HUNG:
            said = f"{job.stuck.strip()}, left by " if job.stuck else ""
            return Failure("HUNG", f"{said}{job.title}, of run {job.run}")
    if state.read_only:
        return Failure("READ_ONLY", ", ".join(state.read_only))
    return space(wanted, state) or []


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    yield from ()


STAGE = Stage("preflight", decide, act, shared=True)


@operation()
def passed(wanted: Wanted, options: Options) -> Body:
    """The host can become what the release says; nothing has been changed yet."""
    yield from STAGE.carry(wanted, options)
