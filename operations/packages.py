"""Packages inside the container; they go with it, so they are keyed to its id."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyinfra.api import operation

from fleet.release import host_paths
from fleet.release.model import PipCommand, compute_digest
from fleet.release.target import ReleaseTarget
from operations import migration, patches
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.stage import Decision, HostOptions, OperationCommands, Stage, reprobe
from operations.transfer.upload import Upload


def editable_inputs(target: ReleaseTarget, facts: HostFacts) -> list[str]:
    """What trees that are installed in place, or in part, were made from: another tree has to be
    installed again."""
    paths = [f"{pip.editable}/" for pip in target.release.packages.pip if pip.editable]
    made = {
        f"{host_paths.migrated_path(s)}/": facts.stamps.get(f"tree-{s.name}", "")
        for s in migration.migrated_sources(target)
    }
    made |= {f"{s.path}/": target.lock.commits[s.name] for s in target.release.sources}
    return [made[root] for path in paths for root in made if path.startswith(root)]


def input_digest(target: ReleaseTarget, facts: HostFacts) -> str:
    release = target.release
    folder = release.packages.wheelhouse
    wheels = target.lock.files_in(folder) if folder else {}
    return compute_digest(
        [
            facts.container.id if facts.container else "",
            release.packages.model_dump(),
            {name: wheel.sha256 for name, wheel in wheels.items()},
            editable_inputs(target, facts),
        ]
    )[:16]


def stamp_value(target: ReleaseTarget, facts: HostFacts) -> str:
    """What was installed from, and what was there afterwards."""
    return f"{input_digest(target, facts)} {facts.container.site if facts.container else ''}"


def pip_arguments(pip: PipCommand, wheelhouse: bool, shared: str) -> list[str]:
    """Arguments of `python -m pip` for one step.

    :param shared: folder of what was carried along, as the container sees it
    """
    if pip.uninstall:
        return ["uninstall", "--yes", *pip.uninstall]
    arguments = ["install", "--no-build-isolation", "--disable-pip-version-check"]
    if wheelhouse:
        arguments += ["--no-index", "--find-links", f"{shared}/wheels"]
    if pip.find_links:
        arguments += ["--find-links", pip.find_links]
    if pip.no_deps:
        arguments.append("--no-deps")
    if pip.upgrade:
        arguments.append("--upgrade")
    if pip.editable:
        arguments += ["--editable", pip.editable]
    if pip.requirements:
        arguments += ["--requirement", "/tmp/mlufleet-requirements.txt"]
    if pip.wheel:
        local = pip.wheel if "://" in pip.wheel else f"{shared}/{pip.wheel}"
        arguments.append(local)
    return arguments + list(pip.install)


def are_installed(target: ReleaseTarget, facts: HostFacts) -> bool:
    return bool(facts.container and facts.stamps.get("packages") == stamp_value(target, facts))


def list_unpatched(target: ReleaseTarget, facts: HostFacts) -> list[patches.FilePatch]:
    """Files of the container itself, which packages may bring."""
    return [
        c for c in patches.group_by_file(target) if c.container_name and not c.is_applied(facts)
    ]


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    todo = [] if are_installed(target, facts) else ["install packages in the container"]
    return todo + [f"{change.title} in the container" for change in list_unpatched(target, facts)]


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    if not are_installed(target, facts):
        yield from _install(target)
    after = reprobe(target)
    for change in list_unpatched(target, after):
        yield change.build_edit(after)


def list_store_files(target: ReleaseTarget) -> list[tuple[Path, str, str]]:
    """Files that come from the store: local path, path on the host, sha256."""
    packages, shared = target.release.packages, host_paths.shared_folder(target.key)
    names = [p.file for p in packages.system if p.file]
    names += [p.wheel for p in packages.pip if p.wheel and "://" not in p.wheel]
    files = [
        (target.store / name, f"{shared}/{name}", target.local_file(name)[1]) for name in names
    ]
    if folder := packages.wheelhouse:
        for wheel, locked in target.lock.files_in(folder).items():
            path = target.store / folder / wheel
            files.append((path, f"{shared}/wheels/{wheel}", locked.sha256))
    return files


def _install(target: ReleaseTarget) -> Iterator[HostCommand]:
    release = target.release
    packages, name, python = release.packages, release.container.name, release.image.python
    inside = host_paths.shared_folder(target.key, in_container=True)
    files = list_store_files(target)
    if files:
        yield Upload("wheels and packages", files)
    if release.sources:
        yield RemoteJob("making git trust the mounted trees", "git-trust", name, code="PACKAGES")
    for package in packages.system:
        where = f"{inside}/{package.file}" if package.file else ""
        yield RemoteJob(
            f"installing {package.package}",
            "system-package",
            name,
            package.package,
            where,
            code="PACKAGES",
            timeout=1800,
        )
    for pip in packages.pip:
        arguments = pip_arguments(pip, packages.wheelhouse is not None, inside)
        yield RemoteJob(
            f"pip {arguments[0]} {arguments[-1]}",
            "pip",
            name,
            python,
            pip.requirements or "",
            "|".join(pip.exclude),
            *arguments,
            code="PACKAGES",
            timeout=3600,
        )
    yield RemoteJob("finding the package folders", "package-folders", name, python, code="PACKAGES")
    after = reprobe(target)
    yield RemoteJob(
        "stamping packages", "stamp", "packages", stamp_value(target, after), code="PACKAGES"
    )


STAGE = Stage("packages", decide, act, "PACKAGES")


@operation()
def installed(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """This very container has the release's packages."""
    yield from STAGE.converge(target, options)
