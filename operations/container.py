"""The container: created from a spec, and recreated only if the spec or the image differs."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pyinfra.api import operation

from fleet.errors import Failure
from fleet.language import _
from fleet.release import endpoints, host_paths
from fleet.release.model import compute_digest
from fleet.release.serve import LONGEST_STOP_S, STOP_GRACE_S
from fleet.release.target import ReleaseTarget
from fleet.text import word_lists
from operations import engine, file_patches, foreign_containers, serving
from operations.host.command import HostCommand
from operations.host.facts import STOP_LIMIT_S, ContainerFacts, HostFacts, ReleaseFacts
from operations.host.job import RemoteJob
from operations.host.probe import CONTAINER_TEMPLATE
from operations.stage import (
    RESTART_CONTAINER,
    START_CONTAINER,
    Action,
    Decision,
    HostSpec,
    OperationCommands,
    Plan,
    ReleaseStage,
)


def run_arguments(target: ReleaseTarget, card_numbers: Collection[int]) -> list[str]:
    """Return the options of `docker run`: the release's cards, and no rights that it does not name.

    Args:
        target: The release.
        card_numbers: Numbers of the host's cards that are this release's.
    """
    spec = target.release.container
    arguments = ["--init", "--restart", "unless-stopped", "--shm-size", spec.shm_size]
    arguments += ["--network", spec.network]
    if spec.privileged:
        arguments.append("--privileged")
    for node in ["/dev/cambricon_ctl"] + [
        f"/dev/cambricon_{kind}{number}" for number in card_numbers for kind in ("dev", "ipcm")
    ]:
        arguments += ["--device", node]
    arguments += ["--volume", "/usr/bin/cnmon:/usr/bin/cnmon:ro"]
    shared = f"{host_paths.SHARED_FOLDER}:{host_paths.SHARED_IN_CONTAINER}:ro"
    arguments += ["--volume", shared]
    arguments += _serve_arguments(target, card_numbers)
    for mount in spec.mounts:
        mode = ":ro" if mount.read_only else ""
        arguments += ["--volume", f"{mount.host}:{mount.container}{mode}"]
    for name, value in sorted(spec.environment.items()):
        arguments += ["--env", f"{name}={value}"]
    return arguments


def _serve_arguments(target: ReleaseTarget, card_numbers: Collection[int]) -> list[str]:
    """Return what a container needs whose first process starts the release's servers."""
    serve = target.release.serve
    if serve is None:
        return []
    folder = host_paths.serve_folder(target.key)
    stop_timeout_s = serve.drain_timeout + STOP_GRACE_S
    arguments = ["--volume", f"{folder}:{host_paths.SERVE_IN_CONTAINER}:ro"]
    arguments += ["--stop-timeout", str(stop_timeout_s)]
    arguments += [
        "--log-driver",
        "json-file",
        "--log-opt",
        "max-size=10m",
        "--log-opt",
        "max-file=3",
    ]
    for endpoint in endpoints.list_endpoints(target, len(card_numbers)):
        port = f"{target.address}:{endpoint.port}:{endpoint.container_port}"
        arguments += ["--publish", port]
    return arguments


def _first_process(target: ReleaseTarget) -> list[str]:
    if target.release.serve is None:
        return ["sleep", "infinity"]
    return [target.release.image.python, f"{host_paths.SERVE_IN_CONTAINER}/supervisor.py"]


def _host_run_arguments(target: ReleaseTarget, facts: HostFacts) -> list[str]:
    return run_arguments(target, target.card_numbers(len(facts.present_cards)))


def spec_digest(target: ReleaseTarget, facts: HostFacts) -> str:
    """Return the digest of everything a container is created from.

    Patches of the image's own files are part of it: to change such a patch takes the original
    file, and so a new container.

    Args:
        target: The release.
        facts: The host.
    """
    release = target.release
    own = [
        target.patch_inputs(patch)
        for patch in release.patches
        if not release.container.is_mounted(patch.file)
    ]
    return compute_digest([_host_run_arguments(target, facts), target.lock.image.id, *own])


def matches_spec(target: ReleaseTarget, facts: HostFacts) -> bool:
    """Return whether the container is as it was created, and as it would be created today.

    Args:
        target: The release.
        facts: The host.
    """
    found, digest = facts.releases[target.key], spec_digest(target, facts)
    container = found.container
    return (
        container is not None
        and container.image == target.lock.image.id
        and (
            container.spec_digest == digest
            and found.stamps.get("container") == f"{digest} {container.config_digest}"
        )
    )


def list_edited_files(target: ReleaseTarget, found: ReleaseFacts) -> list[str]:
    """Return the image's own files that were edited after they had been patched.

    Args:
        target: The release.
        found: The release on the host.
    """
    return [patch.file for patch in file_patches.group_by_file(target) if patch.is_edited(found)]


def decide(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Decision:
    """Compare the container with its spec.

    Args:
        spec: The desired state of the host.
        target: The release.
        facts: The host.
    """
    if failure := engine.check_answers(target, facts.releases[target.key]):
        return failure
    if failure := foreign_containers.check_permission(spec, target, facts):
        return failure
    freed = foreign_containers.plan_release(spec, target, facts)
    if isinstance(freed, Failure):
        return freed
    orphans = tuple(_remove_orphan(name) for name in facts.orphaned_containers)
    return Plan((*orphans, *freed, *_plan_container(target, facts)))


def _remove_orphan(name: str) -> Action:
    return Action(
        (_("remove container {name}: no release of this host has it any more", name=name),),
        lambda _reprobe: (
            RemoteJob(
                _("removing container {name}", name=name),
                "container",
                "retire",
                name,
                code="CONTAINER",
                timeout=STOP_LIMIT_S + LONGEST_STOP_S,
            ),
        ),
    )


def _plan_container(target: ReleaseTarget, facts: HostFacts) -> tuple[Action, ...]:
    """Return what is to be done about the release's own container: nothing, or one action."""
    name, found = target.release.container.name, facts.releases[target.key]
    container = found.container
    if container is None:
        return (_create(_("create container {name}", name=name), target, facts),)
    if container.is_foreign:
        words = _(
            "create container {name}, and keep the one of somebody else that is there", name=name
        )
    elif container.image != target.lock.image.id:
        words = _("recreate container {name}: it runs another image", name=name)
    elif not matches_spec(target, facts):
        words = _("recreate container {name}: its spec or the cards differ", name=name)
    elif files := list_edited_files(target, found):
        words = _(
            "recreate container {name}: {files} was edited",
            name=name,
            files=word_lists.join_words(files),
        )
    elif not container.running:
        early = "/dev/cambricon" in container.error
        words = _("start container {name}", name=name)
        if early:
            words = _(
                "start container {name} (it was to start before the driver was there: {error})",
                name=name,
                error=container.error,
            )
        elif container.error:
            words = _("start container {name} ({error})", name=name, error=container.error)
        return (_start(words, name),)
    elif container.stale_mounts:
        words = _(
            "restart container {name}: it shows an old {stale_mounts}",
            name=name,
            stale_mounts=word_lists.join_words(container.stale_mounts),
        )
        return (_restart(words, name, container),)
    else:
        return ()
    return (_create(words, target, facts),)


def _start(words: str, name: str) -> Action:
    job = (_("starting the container"), "container", "start", name)
    start = RemoteJob(*job, code="CONTAINER")
    return Action((words,), lambda _: (start,), (START_CONTAINER,))


def _restart(words: str, name: str, container: ContainerFacts) -> Action:
    job = (_("restarting the container"), "container", "restart", name)
    limit = container.stop_limit_s
    restart = RemoteJob(*job, code="CONTAINER", timeout=limit)
    return Action((words,), lambda _: (restart,), (RESTART_CONTAINER,))


def _create(words: str, target: ReleaseTarget, facts: HostFacts) -> Action:
    def commands() -> Iterator[HostCommand]:
        spec, container = target.release.container, facts.releases[target.key].container
        digest = spec_digest(target, facts)
        if container:  # one that is not ours is kept under another name
            how = "remove" if container.spec_digest else "keep"
            yield RemoteJob(
                _("remove the old container") if how == "remove" else _("keep the old container"),
                "container",
                how,
                spec.name,
                code="CONTAINER",
                timeout=container.stop_limit_s,
            )
        folders = [host_paths.SHARED_FOLDER, *(mount.host for mount in spec.mounts)]
        yield RemoteJob(
            _("making the mounted folders"), "make-directories", *folders, code="CONTAINER"
        )
        yield from _prepare_serving(target, facts.releases[target.key])
        yield RemoteJob(
            _("creating the container"),
            "container",
            "create",
            spec.name,
            digest,
            CONTAINER_TEMPLATE,
            *_host_run_arguments(target, facts),
            "--name",
            spec.name,
            "--label",
            f"mlufleet.spec={digest}",
            "--label",
            f"mlufleet.release={target.release.name}",
            target.lock.image.id,
            *_first_process(target),
            code="CONTAINER",
        )

    return Action((words,), lambda _: commands())


def _prepare_serving(target: ReleaseTarget, found: ReleaseFacts) -> Iterator[HostCommand]:
    """Place what a new container serves with, or remove what an earlier one has left of that."""
    if target.release.serve is not None:
        yield from serving.place_files(target, found)
        yield serving.stamp_files()
    elif {serving.FILES_STAMP, serving.STAGE.name} & found.stamps.keys():
        folder = host_paths.serve_folder(target.key)
        title = _("removing the key and the definition of the servers")
        yield RemoteJob(title, "serve", "forget", folder, code="CONTAINER")


STAGE = ReleaseStage("container", decide, "CONTAINER")


@operation()
def running(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Run the release's container as specified, with its cards.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
