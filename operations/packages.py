"""Packages inside the container; they are lost with it, so they are keyed to its id."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from pyinfra.api import operation

from fleet.language import _
from fleet.release import host_paths
from fleet.release.model import PipCommand, SystemPackage, compute_digest
from fleet.release.target import ReleaseTarget
from operations import engine, file_patches, migration
from operations.host.command import HostCommand
from operations.host.facts import HostFacts, ReleaseFacts
from operations.host.job import RemoteJob
from operations.stage import (
    Action,
    Decision,
    HostSpec,
    OperationCommands,
    Plan,
    ReleaseStage,
    Reprobe,
)
from operations.transfer.upload import Upload


def editable_inputs(target: ReleaseTarget, found: ReleaseFacts) -> list[str]:
    """Return what the trees were made from that pip installs in place, wholly or in part.

    Another tree has to be installed again.

    Args:
        target: The release.
        found: The release on the host.
    """
    paths = [f"{pip.editable}/" for pip in target.release.packages.pip if pip.editable]
    inputs = {
        f"{host_paths.migrated_path(source)}/": found.stamps.get(f"tree-{source.name}", "")
        for source in migration.migrated_sources(target)
    }
    inputs |= {f"{s.path}/": target.lock.commits[s.name] for s in target.release.sources}
    return [inputs[root] for path in paths for root in inputs if path.startswith(root)]


def input_digest(target: ReleaseTarget, found: ReleaseFacts) -> str:
    """Return the digest of the container and of everything that is installed into it.

    Args:
        target: The release.
        found: The release on the host.
    """
    release = target.release
    folder = release.packages.wheelhouse
    wheels = target.lock.files_in(folder) if folder else {}
    return compute_digest(
        [
            found.container.id if found.container else "",
            release.packages.model_dump(),
            {name: wheel.sha256 for name, wheel in wheels.items()},
            editable_inputs(target, found),
        ]
    )[:16]


def stamp_value(target: ReleaseTarget, found: ReleaseFacts) -> str:
    """Return the stamp: what was installed, and the package folders as they were afterwards.

    Args:
        target: The release.
        found: The release on the host.
    """
    site = found.container.packages_digest if found.container else ""
    return f"{input_digest(target, found)} {site}"


def group_pip_lines(target: ReleaseTarget) -> list[list[PipCommand]]:
    """Return the pip lines of a release, those together that one call of pip installs.

    Args:
        target: The release.
    """
    group_of = {number: group for group in target.lock.pip_groups for number in group}
    calls: list[list[PipCommand]] = []
    group_before = None
    for number, line in enumerate(target.release.packages.pip):
        group = group_of.get(number)
        is_joined = group is not None and group == group_before
        # the script reads one requirements file
        if is_joined and not (line.requirements and any(one.requirements for one in calls[-1])):
            calls[-1].append(line)
        else:
            calls.append([line])
        group_before = group
    return calls


def pip_arguments(lines: Sequence[PipCommand], wheelhouse: bool, shared: str) -> list[str]:
    """Return the arguments of `python -m pip` for one call.

    Args:
        lines: The pip lines of the call, as the release has them.
        wheelhouse: Whether the release has a folder of wheels; pip then uses no index.
        shared: Folder with the uploaded files, as the container sees it.
    """
    if lines[0].uninstall:
        return ["uninstall", "--yes", *lines[0].uninstall]
    # Python compiles what it imports, and writes that once: of numpy, that is a fifth of its files
    arguments = ["install", "--no-compile", "--no-build-isolation", "--disable-pip-version-check"]
    if wheelhouse:
        arguments += ["--no-index", "--find-links", f"{shared}/wheels"]
    for line in lines:
        arguments += _line_arguments(line, shared)
    return arguments


def _line_arguments(line: PipCommand, shared: str) -> list[str]:
    arguments = []
    if line.find_links:
        arguments += ["--find-links", line.find_links]
    if line.no_deps:
        arguments.append("--no-deps")
    if line.upgrade:
        arguments.append("--upgrade")
    if line.editable:
        arguments += ["--editable", line.editable]
    if line.requirements:
        arguments += ["--requirement", "/tmp/mlufleet-requirements.txt"]
    if line.wheel:
        arguments.append(line.wheel if "://" in line.wheel else f"{shared}/{line.wheel}")
    return [*arguments, *line.install]


def are_installed(target: ReleaseTarget, found: ReleaseFacts) -> bool:
    """Return whether this container has the release's packages, and nothing changed since.

    Args:
        target: The release.
        found: The release on the host.
    """
    return bool(found.container and found.stamps.get("packages") == stamp_value(target, found))


def list_unpatched(target: ReleaseTarget, found: ReleaseFacts) -> list[file_patches.FilePatch]:
    """Return the container's own files to patch; packages may bring them.

    Args:
        target: The release.
        found: The release on the host.
    """
    return [
        patch
        for patch in file_patches.group_by_file(target)
        if patch.container_name and not patch.is_applied(found)
    ]


def list_store_files(target: ReleaseTarget) -> list[tuple[Path, str, str]]:
    """Return the files that are uploaded from the store.

    Args:
        target: The release.

    Returns:
        Path on the controller, path on the host, and sha256 of each file.
    """
    packages, shared = target.release.packages, host_paths.shared_folder(target.key)
    names = [package.file for package in packages.system if package.file]
    names += [pip.wheel for pip in packages.pip if pip.wheel and "://" not in pip.wheel]
    files = [(*target.local_file(name), f"{shared}/{name}") for name in names]
    if folder := packages.wheelhouse:
        for wheel, locked in target.lock.files_in(folder).items():
            path = target.store / folder / wheel
            files.append((path, locked.sha256, f"{shared}/wheels/{wheel}"))
    return [(local, dest, sha) for local, sha, dest in files]


def decide(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Decision:
    """Compare the packages and patched files of the container with the release.

    Args:
        spec: The desired state of the host.
        target: The release.
        facts: The host.
    """
    found = facts.releases[target.key]
    if failure := engine.check_answers(target, found):
        return failure
    words = [
        _("{title} in the container", title=patch.title) for patch in list_unpatched(target, found)
    ]
    must_install = not are_installed(target, found)
    if must_install:
        words.insert(0, _("install packages in the container"))

    def commands(reprobe: Reprobe) -> Iterator[HostCommand]:
        after = found
        if must_install:  # which may replace patched files
            after = yield from _install(target, reprobe)
        for patch in list_unpatched(target, after):
            yield patch.build_edit(after)

    return Plan((Action(tuple(words), commands),)) if words else Plan()


def _install(target: ReleaseTarget, reprobe: Reprobe) -> Generator[HostCommand, None, ReleaseFacts]:
    """Install and stamp everything; return the release on the host as it is afterwards."""
    release = target.release
    packages, name, python = release.packages, release.container.name, release.image.python
    shared = host_paths.shared_folder(target.key, in_container=True)
    if files := list_store_files(target):
        yield Upload(_("wheels and packages"), files)
    if release.sources:
        yield RemoteJob(_("making git trust the mounted trees"), "git-trust", name, code="PACKAGES")
    for package in packages.system:
        yield _install_system_package(name, package, shared)
    for lines in group_pip_lines(target):
        yield _run_pip(target, lines, shared)
    yield RemoteJob(
        _("finding the package folders"), "package-folders", name, python, code="PACKAGES"
    )
    after = reprobe().releases[target.key]
    stamp = stamp_value(target, after)
    yield RemoteJob(_("stamping packages"), "stamp", "packages", stamp, code="PACKAGES")
    return after


def _install_system_package(container: str, package: SystemPackage, shared: str) -> RemoteJob:
    return RemoteJob(
        _("installing {package}", package=package.package),
        "system-package",
        container,
        package.package,
        package.image_file or (f"{shared}/{package.file}" if package.file else ""),
        code="PACKAGES",
        timeout=1800,
    )


def _run_pip(target: ReleaseTarget, lines: Sequence[PipCommand], shared: str) -> RemoteJob:
    packages, container = target.release.packages, target.release.container.name
    arguments = pip_arguments(lines, packages.wheelhouse is not None, shared)
    wanted = " ".join(pip_arguments([line], False, shared)[-1] for line in lines)
    from_file = next((line for line in lines if line.requirements), PipCommand())
    return RemoteJob(
        f"pip {arguments[0]} {wanted}",
        "pip",
        container,
        target.release.image.python,
        from_file.requirements or "",
        "|".join(from_file.exclude),
        *arguments,
        code="PACKAGES",
        timeout=3600,
    )


STAGE = ReleaseStage("packages", decide, "PACKAGES")


@operation()
def installed(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Install the release's packages into its container.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
