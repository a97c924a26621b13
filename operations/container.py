"""The container: created from a spec, made anew when the spec differs, and only then."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation

from fleet.release import host_paths
from fleet.release.model import compute_digest
from fleet.release.target import ReleaseTarget
from operations import engine, patches
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.host.probe import CONTAINER_TEMPLATE
from operations.stage import Decision, HostOptions, OperationCommands, Stage


def run_arguments(target: ReleaseTarget, facts: HostFacts) -> list[str]:
    """`docker run` options: its cards' nodes alone, and no more rights than the release says."""
    spec = target.release.container
    arguments = ["--init", "--restart", "unless-stopped", "--shm-size", spec.shm_size]
    arguments += ["--network", spec.network]
    if spec.privileged:
        arguments.append("--privileged")
    numbers = target.card_numbers(len(facts.present_cards))
    for node in ["/dev/cambricon_ctl"] + [
        f"/dev/cambricon_{kind}{i}" for i in numbers for kind in ("dev", "ipcm")
    ]:
        arguments += ["--device", node]
    arguments += ["--volume", "/usr/bin/cnmon:/usr/bin/cnmon:ro"]
    arguments += ["--volume", f"{host_paths.SHARED_FOLDER}:{host_paths.SHARED_IN_CONTAINER}:ro"]
    for mount in spec.mounts:
        mode = ":ro" if mount.read_only else ""
        arguments += ["--volume", f"{mount.host}:{mount.container}{mode}"]
    for name, value in sorted(spec.environment.items()):
        arguments += ["--env", f"{name}={value}"]
    return arguments


def spec_digest(target: ReleaseTarget, facts: HostFacts) -> str:
    """A patch of the image's own files that changes needs the original again: a new container."""
    release = target.release
    own = [
        target.patch_inputs(p) for p in release.patches if not release.container.is_mounted(p.file)
    ]
    return compute_digest([run_arguments(target, facts), target.lock.image.id, *own])


def matches_spec(target: ReleaseTarget, facts: HostFacts) -> bool:
    """Whether the container is what was created, and what would be created today."""
    found, label = facts.container, spec_digest(target, facts)
    return (
        found is not None
        and found.image == target.lock.image.id
        and (
            found.spec_digest == label and facts.stamps.get("container") == f"{label} {found.facts}"
        )
    )


def list_edited_files(target: ReleaseTarget, facts: HostFacts) -> list[str]:
    """The image's own files that somebody changed after they were patched."""
    return [change.file for change in patches.group_by_file(target) if change.is_edited(facts)]


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    if silent := engine.check_answers(target, facts):
        return silent
    old = [
        f"remove container {name}: no release of this host has it any more"
        for name in facts.orphaned_containers
    ]
    return old + _own_changes(target, facts)


def _own_changes(target: ReleaseTarget, facts: HostFacts) -> list[str]:
    name, found = target.release.container.name, facts.container
    if found is None:
        return [f"create container {name}"]
    if found.image != target.lock.image.id:
        return [f"recreate container {name}: it runs another image"]
    if not matches_spec(target, facts):
        return [f"recreate container {name}: its spec or the cards differ"]
    if files := list_edited_files(target, facts):
        return [f"recreate container {name}: {', '.join(files)} was edited"]
    if not found.running:
        early = "/dev/cambricon" in found.error
        why = "it was to start before the driver was there: " * early + found.error
        return [f"start container {name}" + (f" ({why})" if why else "")]
    if found.stale_mounts:
        return [f"restart container {name}: it shows an old {', '.join(found.stale_mounts)}"]
    return []


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    for name in facts.orphaned_containers:
        yield RemoteJob(f"removing container {name}", "container", "retire", name, code="CONTAINER")
    if not _own_changes(target, facts):
        return
    spec, found = target.release.container, facts.container
    label = spec_digest(target, facts)
    if found and matches_spec(target, facts) and not list_edited_files(target, facts):
        how = "restart" if found.running else "start"
        yield RemoteJob(f"{how}ing the container", "container", how, spec.name, code="CONTAINER")
        return
    if found:
        how = "remove" if found.spec_digest else "keep"
        yield RemoteJob(f"{how} the old container", "container", how, spec.name, code="CONTAINER")
    folders = [host_paths.SHARED_FOLDER, *(mount.host for mount in spec.mounts)]
    yield RemoteJob("making the mounted folders", "folders", *folders, code="CONTAINER")
    yield RemoteJob(
        "creating the container",
        "container",
        "create",
        spec.name,
        label,
        CONTAINER_TEMPLATE,
        *run_arguments(target, facts),
        "--name",
        spec.name,
        "--label",
        f"mlufleet.spec={label}",
        "--label",
        f"mlufleet.release={target.release.name}",
        target.lock.image.id,
        "sleep",
        "infinity",
        code="CONTAINER",
        libraries="images follow-driver",
    )


STAGE = Stage("container", decide, act, "CONTAINER")


@operation()
def running(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """The release's container runs as specified, with every card."""
    yield from STAGE.converge(target, options)
