"""Packages inside the container; they go with it, so they are keyed to its id."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.release import host_paths
from fleet.release.model import Pip, digest
from fleet.release.target import Wanted
from operations import migration, patches
from operations.host.facts import HostState
from operations.host.job import Step
from operations.stage import Body, Decision, Options, Stage, again
from operations.transfer.upload import Upload


def editable(wanted: Wanted, state: HostState) -> list[str]:
    """What trees that are installed in place, or in part, were made from: another tree has to be
    installed again."""
    paths = [f"{pip.editable}/" for pip in wanted.release.packages.pip if pip.editable]
    made = {
        f"{host_paths.tree(s)}/": state.stamps.get(f"tree-{s.name}", "")
        for s in migration.sources(wanted)
    }
    made |= {f"{s.path}/": wanted.lock.commits[s.name] for s in wanted.release.sources}
    return [made[root] for path in paths for root in made if path.startswith(root)]


def inputs(wanted: Wanted, state: HostState) -> str:
    release = wanted.release
    folder = release.packages.wheelhouse
    wheels = wanted.lock.under(folder) if folder else {}
    return digest(
        [
            state.container.id if state.container else "",
            release.packages.model_dump(),
            {name: wheel.sha256 for name, wheel in wheels.items()},
            editable(wanted, state),
        ]
    )[:16]


def stamp(wanted: Wanted, state: HostState) -> str:
    """What was installed from, and what was there afterwards."""
    return f"{inputs(wanted, state)} {state.container.site if state.container else ''}"


def pip_arguments(pip: Pip, wheelhouse: bool, shared: str) -> list[str]:
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


def complete(wanted: Wanted, state: HostState) -> bool:
    return bool(state.container and state.stamps.get("packages") == stamp(wanted, state))


def unpatched(wanted: Wanted, state: HostState) -> list[patches.Change]:
    """Files of the container itself, which packages may bring."""
    return [c for c in patches.changes(wanted) if c.container and not c.done(state)]


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    todo = [] if complete(wanted, state) else ["install packages in the container"]
    return todo + [f"{change.title} in the container" for change in unpatched(wanted, state)]


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    if not complete(wanted, state):
        yield from _install(wanted)
    after = again(wanted)
    for change in unpatched(wanted, after):
        yield change.rewrite(after)


def carried(wanted: Wanted) -> list[tuple[Path, str, str]]:
    """Files that come from the store: local path, path on the host, sha256."""
    packages, shared = wanted.release.packages, host_paths.shared(wanted.slot)
    names = [p.file for p in packages.system if p.file]
    names += [p.wheel for p in packages.pip if p.wheel and "://" not in p.wheel]
    files = [(wanted.store / name, f"{shared}/{name}", wanted.local(name)[1]) for name in names]
    if folder := packages.wheelhouse:
        for wheel, locked in wanted.lock.under(folder).items():
            path = wanted.store / folder / wheel
            files.append((path, f"{shared}/wheels/{wheel}", locked.sha256))
    return files


def _install(wanted: Wanted) -> Iterator[PyinfraCommand]:
    release = wanted.release
    packages, name, python = release.packages, release.container.name, release.image.python
    inside = host_paths.shared(wanted.slot, inside=True)
    files = carried(wanted)
    if files:
        yield Upload("wheels and packages", files)
    if release.sources:
        yield Step("making git trust the mounted trees", "git-trust", name, code="PACKAGES")
    for package in packages.system:
        where = f"{inside}/{package.file}" if package.file else ""
        yield Step(
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
        yield Step(
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
    yield Step("finding the package folders", "package-folders", name, python, code="PACKAGES")
    after = again(wanted)
    yield Step("stamping packages", "stamp", "packages", stamp(wanted, after), code="PACKAGES")


STAGE = Stage("packages", decide, act, "PACKAGES")


@operation()
def installed(wanted: Wanted, options: Options) -> Body:
    """This very container has the release's packages."""
    yield from STAGE.carry(wanted, options)
