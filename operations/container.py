"""The container: created from a spec, made anew when the spec differs, and only then."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.release import host_paths
from fleet.release.model import digest
from fleet.release.target import Wanted
from operations import engine, patches
from operations.host.facts import HostState
from operations.host.job import Step
from operations.host.probe import CONTAINER_FACTS
from operations.stage import Body, Decision, Options, Stage


def run_arguments(wanted: Wanted, state: HostState) -> list[str]:
    """`docker run` options: its cards' nodes alone, and no more rights than the release says."""
    spec = wanted.release.container
    arguments = ["--init", "--restart", "unless-stopped", "--shm-size", spec.shm_size]
    arguments += ["--network", spec.network]
    if spec.privileged:
        arguments.append("--privileged")
    numbers = wanted.devices(len(state.present))
    for node in ["/dev/cambricon_ctl"] + [
        f"/dev/cambricon_{kind}{i}" for i in numbers for kind in ("dev", "ipcm")
    ]:
        arguments += ["--device", node]
    arguments += ["--volume", "/usr/bin/cnmon:/usr/bin/cnmon:ro"]
    arguments += ["--volume", f"{host_paths.SHARED}:{host_paths.SHARED_IN_CONTAINER}:ro"]
    for mount in spec.mounts:
        mode = ":ro" if mount.read_only else ""
        arguments += ["--volume", f"{mount.host}:{mount.container}{mode}"]
    for name, value in sorted(spec.environment.items()):
        arguments += ["--env", f"{name}={value}"]
    return arguments


def spec_digest(wanted: Wanted, state: HostState) -> str:
    """A patch of the image's own files that changes needs the original again: a new container."""
    release = wanted.release
    own = [wanted.made_from(p) for p in release.patches if not release.container.shows(p.file)]
    return digest([run_arguments(wanted, state), wanted.lock.image.id, *own])


def fits(wanted: Wanted, state: HostState) -> bool:
    """Whether the container is what was created, and what would be created today."""
    found, label = state.container, spec_digest(wanted, state)
    return (
        found is not None
        and found.image == wanted.lock.image.id
        and (found.spec == label and state.stamps.get("container") == f"{label} {found.facts}")
    )


def edited(wanted: Wanted, state: HostState) -> list[str]:
    """The image's own files that somebody changed after they were patched."""
    return [change.file for change in patches.changes(wanted) if change.edited(state)]


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    if silent := engine.unanswered(wanted, state):
        return silent
    old = [
        f"remove container {name}: no release of this host has it any more"
        for name in state.retired
    ]
    return old + _own(wanted, state)


def _own(wanted: Wanted, state: HostState) -> list[str]:
    name, found = wanted.release.container.name, state.container
    if found is None:
        return [f"create container {name}"]
    if found.image != wanted.lock.image.id:
        return [f"recreate container {name}: it runs another image"]
    if not fits(wanted, state):
        return [f"recreate container {name}: its spec or the cards differ"]
    if files := edited(wanted, state):
        return [f"recreate container {name}: {', '.join(files)} was edited"]
    if not found.running:
        early = "/dev/cambricon" in found.error
        why = "it was to start before the driver was there: " * early + found.error
        return [f"start container {name}" + (f" ({why})" if why else "")]
    if found.stale:
        return [f"restart container {name}: it shows an old {', '.join(found.stale)}"]
    return []


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    for name in state.retired:
        yield Step(f"removing container {name}", "container", "retire", name, code="CONTAINER")
    if not _own(wanted, state):
        return
    spec, found = wanted.release.container, state.container
    label = spec_digest(wanted, state)
    if found and fits(wanted, state) and not edited(wanted, state):
        how = "restart" if found.running else "start"
        yield Step(f"{how}ing the container", "container", how, spec.name, code="CONTAINER")
        return
    if found:
        how = "remove" if found.spec else "keep"
        yield Step(f"{how} the old container", "container", how, spec.name, code="CONTAINER")
    folders = [host_paths.SHARED, *(mount.host for mount in spec.mounts)]
    yield Step("making the mounted folders", "folders", *folders, code="CONTAINER")
    yield Step(
        "creating the container",
        "container",
        "create",
        spec.name,
        label,
        CONTAINER_FACTS,
        *run_arguments(wanted, state),
        "--name",
        spec.name,
        "--label",
        f"mlufleet.spec={label}",
        "--label",
        f"mlufleet.release={wanted.release.name}",
        wanted.lock.image.id,
        "sleep",
        "infinity",
        code="CONTAINER",
        uses="images follow-driver",
    )


STAGE = Stage("container", decide, act, "CONTAINER")


@operation()
def running(wanted: Wanted, options: Options) -> Body:
    """The release's container runs as specified, with every card."""
    yield from STAGE.carry(wanted, options)
