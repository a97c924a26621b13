"""Containers that somebody made by hand: whose they are, and which of them are in the way."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fleet.errors import Failure
from fleet.language import _
from fleet.release import host_paths
from fleet.release.target import ReleaseTarget
from fleet.text.word_lists import join_words
from operations import driver_changes, foreign_containers
from operations.adoption.engine_contents import EngineContents, MadeContainer
from operations.adoption.findings import Finding, Relation
from operations.card_users import format_users
from operations.host.facts import CardUser, HostFacts
from operations.host.inspection import InspectionFailed
from operations.stage import HostSpec

#: packages that one finding lists
MAX_PACKAGES = 12
#: what the tutorials' containers mount of the system itself, which says nothing about their use
SYSTEM_MOUNTS = ("/sys/", "/proc/", "/dev/", "/tmp/.X11-unix/", "/usr/bin/cnmon/")


def describe_containers(
    spec: HostSpec, facts: HostFacts, contents: EngineContents
) -> Iterator[Finding]:
    """Yield a finding for each container of the releases, and for each that concerns them.

    Args:
        spec: The desired state of the host.
        facts: The host.
        contents: What its engine has.
    """
    for release in spec.target.releases:
        name = release.release.container.name
        found = facts.releases[release.key].container
        if found and found.spec_digest:
            evidence = (
                _("made by mlu-fleet, running")
                if found.running
                else _("made by mlu-fleet, not running")
            )
            yield Finding(_("container {name}", name=name), Relation.PRESENT, "", evidence)
        elif not found:
            yield Finding(_("container {name}", name=name), Relation.MISSING, action=_("create it"))
    for container in contents.containers:
        if not container.is_ours and _concerns_releases(spec, facts, container):
            yield describe_container(spec, facts, container)


def describe_container(spec: HostSpec, facts: HostFacts, container: MadeContainer) -> Finding:
    """Return whose a container is, what it uses, and whether it is in the way.

    Args:
        spec: The desired state of the host.
        facts: The host.
        container: A container that this tool did not make.
    """
    conflicts = list(list_conflicts(spec, facts, container))
    relation = Relation.IN_THE_WAY if conflicts else Relation.LEFT_ALONE
    is_renamed = container.name in _container_names(spec)
    return Finding(
        _("container {name}", name=container.name),
        relation,
        container.reference,
        _("owner: {evidence}", evidence=container.owner_evidence) if container.owner else "",
        container.owner,
        (*conflicts, *_describe(container)),
        _describe_action(container, is_renamed) if conflicts else "",
        (start_command(container, by_id=is_renamed),) if conflicts and container.running else (),
        find_blocker(spec, facts, container),
    )


def _describe_action(container: MadeContainer, is_renamed: bool) -> str:
    if not container.running:
        return _("give it another name; nothing of it is deleted")
    if is_renamed:
        return _(
            "stop it and give it another name; nothing of it is deleted, and this starts it again:"
        )
    return _("stop it; nothing of it is deleted, and this starts it again:")


def list_conflicts(spec: HostSpec, facts: HostFacts, container: MadeContainer) -> Iterator[str]:
    """Yield in words what a container occupies that the releases need.

    Args:
        spec: The desired state of the host.
        facts: The host.
        container: A container that this tool did not make.
    """
    if container.name in _container_names(spec):
        yield _("it has the name of the release's container")
    if users := _list_card_users(spec, facts, container):
        yield _("it holds cards: {users}", users=format_users(users))


def find_blocker(spec: HostSpec, facts: HostFacts, container: MadeContainer) -> str:
    """Return why adoption may not stop a container, and what would allow it; "" if it may.

    Args:
        spec: The desired state of the host, and what is allowed on it.
        facts: The host.
        container: A container that this tool did not make.
    """
    options = spec.options
    has_name = container.running and container.name in _container_names(spec)
    users = _list_card_users(spec, facts, container)
    if users and container.pod:
        return _(
            "pod {pod}: kubelet would start it again; keep it off this node first",
            pod=container.pod,
        )
    if users and container.is_removed_when_stopped:
        return _("docker removes it when it stops (--rm): its owner has to end it")
    held = [user for user in users if not foreign_containers.may_end(user, options)]
    is_allowed = options.evict or container.name in options.stop
    if (has_name and not is_allowed) or (held and not options.busy_timeout):
        return _(
            "it runs, and nothing permits stopping it: use --stop {container}, or "
            "set `evict: true` in the inventory",
            container=container.name,
        )
    return ""


def _list_card_users(spec: HostSpec, facts: HostFacts, container: MadeContainer) -> list[CardUser]:
    """Return the processes of a container that keep cards from a release or a driver change."""
    users = [user for user in facts.card_users if user.container == container.id]
    if driver_changes.list_pending(spec.target.primary, facts):
        return users
    held: list[CardUser] = []
    for release in spec.target.releases:
        holders = foreign_containers.list_holders(release, facts)
        if isinstance(holders, Failure):
            raise InspectionFailed(holders)
        held += holders
    return [user for user in users if user in held]


def start_command(container: MadeContainer, *, by_id: bool = False) -> str:
    """Return the command that starts a container again as it was, after it was stopped.

    Args:
        container: The container.
        by_id: Whether its name will have changed.
    """
    name = container.id[:12] if by_id else quote(container.name)
    start = f"docker start {name}"
    if container.restart in ("", "no"):
        return start
    return f"docker update --restart {quote(container.restart)} {name} && {start}"


def _container_names(spec: HostSpec) -> set[str]:
    return {release.release.container.name for release in spec.target.releases}


def _concerns_releases(spec: HostSpec, facts: HostFacts, container: MadeContainer) -> bool:
    """Return whether a container has something to do with cards, images or folders of releases."""
    if container.reaches_cards or any(list_conflicts(spec, facts, container)):
        return True
    return any(_shares_release(release, container) for release in spec.target.releases)


def _shares_release(target: ReleaseTarget, container: MadeContainer) -> bool:
    release = target.release
    if container.image == target.lock.image.id or container.reference == release.image.reference:
        return True
    folders = [mount.host for mount in release.container.mounts]
    folders += host_paths.list_trees(release)
    return any(
        f"{source}/".startswith(f"{folder}/") or f"{folder}/".startswith(f"{source}/")
        for source in container.mounts.values()
        for folder in folders
        if source != "/"
    )


def _describe(container: MadeContainer) -> Iterator[str]:
    """Yield what a container is, in a line for each kind of thing."""
    words = [_("running") if container.running else _("stopped")]
    words += [_("privileged")] if container.privileged else []
    words += (
        [_("restart policy {restart}", restart=container.restart)]
        if container.restart != "no"
        else []
    )
    words += [_("removed when it stops")] if container.is_removed_when_stopped else []
    yield join_words(words)
    if nodes := [node for node in container.devices if node.startswith("/dev/cambricon")]:
        yield _("device nodes: {nodes}", nodes=", ".join(nodes))
    mounts = [
        _("{source} at {inside}", source=source, inside=inside)
        for inside, source in sorted(container.mounts.items())
        if not f"{source}/".startswith(SYSTEM_MOUNTS)
    ]
    if mounts:
        yield _("mounts: {mounts}", mounts=", ".join(mounts))
    if container.packages:
        yield _(
            "packages installed since it was made: {packages}",
            packages=_list_packages(container.packages),
        )


def _list_packages(records: tuple[str, ...]) -> str:
    names = [record.rpartition(".")[0].replace("-", " ", 1) for record in records]
    shown, more = ", ".join(names[:MAX_PACKAGES]), len(names) - MAX_PACKAGES
    return _("{names} and {count} more", names=shown, count=more) if more > 0 else shown
