"""Check that what the commands of a release name is in the container."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from fleet.documents.field_errors import Location
from fleet.language import N_, _
from fleet.proof import command_words
from fleet.proof.command_words import NamedPath, PathUse
from fleet.proof.container_files import ContainerFiles, Lookup, Presence
from fleet.proof.inputs import ProofInputs
from fleet.proof.results import ProofResults
from fleet.release.model import Weights
from fleet.text.word_lists import join_words

#: Files of which one makes a folder a Python project that pip installs.
PROJECT_FILES = ("setup.py", "setup.cfg", "pyproject.toml")
#: What a path is that a command uses in a way, other than as an argument.
USE_WORDS = {
    PathUse.PROGRAM: N_("program"),
    PathUse.SCRIPT: N_("script"),
    PathUse.FOLDER: N_("folder"),
}


def check_commands(inputs: ProofInputs, results: ProofResults) -> None:
    """Check the files and folders that the release's commands name.

    Args:
        inputs: The files of the release.
        results: Collects what is wrong or unproved.
    """
    release, files = inputs.release, inputs.patched.files
    for number, source in enumerate(release.sources):
        if inputs.trees[source.name] is None:
            results.add_unproved(
                ("sources", number), _("without a bundle, its files are not known")
            )
    for number, package in enumerate(release.packages.system):
        if package.image_file:
            location: Location = ("packages", "system", number, "image_file")
            _check_file(files, results, location, package.image_file)
    for number, pip in enumerate(release.packages.pip):
        location = ("packages", "pip", number)
        if pip.requirements:
            _check_file(files, results, (*location, "requirements"), pip.requirements)
        if pip.editable:
            _check_project(files, results, (*location, "editable"), pip.editable)
    for number, weights in enumerate(release.weights):
        _check_weights(files, results, number, weights)
    smoke = release.smoke
    if not check_command(inputs, results, "smoke", smoke.command, smoke.workdir):
        return
    if smoke.artefact:
        _check_artefact(files, results, smoke.artefact)


def check_command(
    inputs: ProofInputs, results: ProofResults, section: str, words: Iterable[str], workdir: str
) -> bool:
    """Check the files and folders that a command names.

    Args:
        inputs: The files of the release.
        results: Collects what is wrong or unproved.
        section: Section of the release that has the command, `smoke` or `serve`.
        words: Program and arguments.
        workdir: Folder in which it runs.

    Returns:
        Whether that folder may exist; if not, nothing else is checked.
    """
    files, location = inputs.patched.files, (section, "command")
    if not check_folder(files, results, (section, "workdir"), workdir):
        return False
    command = command_words.read_command(words, workdir)
    missing: list[str] = []
    for named in dict.fromkeys(command.paths):
        if any(named.path.startswith(f"{folder}/") for folder in missing):
            continue
        _check_named(inputs, results, location, named)
        if named.use is PathUse.FOLDER and files.look_up(named.path).presence is Presence.MISSING:
            missing.append(named.path)
    for what in dict.fromkeys(command.unread):
        results.add_unproved(location, _("{what} cannot be known here", what=what))
    return True


def _check_file(
    files: ContainerFiles, results: ProofResults, location: Location, path: str
) -> None:
    found = files.look_up(path)
    if found.presence is Presence.FOLDER:
        results.add_finding(location, _("{path} is a folder, not a file", path=path))
    else:
        _report(results, location, path, found)


def _report(results: ProofResults, location: Location, what: str, found: Lookup) -> None:
    """Record a path that is missing or unknown."""
    if found.presence is Presence.MISSING:
        results.add_finding(
            location, _("{what} is missing: {reason}", what=what, reason=found.reason)
        )
    elif found.presence is Presence.UNKNOWN:
        results.add_unproved(location, _("{what}: {reason}", what=what, reason=found.reason))


def check_folder(
    files: ContainerFiles, results: ProofResults, location: Location, path: str
) -> bool:
    """Check that a folder exists.

    Args:
        files: The files of the container.
        results: Collects what is wrong or unproved.
        location: The field that names the folder.
        path: Absolute path in the container.

    Returns:
        Whether it may exist.
    """
    found = files.look_up(path)
    if found.presence is Presence.FILE:
        results.add_finding(location, _("{path} is a file, not a folder", path=path))
        return False
    _report(results, location, path, found)
    return found.presence is not Presence.MISSING


def _check_project(
    files: ContainerFiles, results: ProofResults, location: Location, folder: str
) -> None:
    if not check_folder(files, results, location, folder):
        return
    found = [files.look_up(posixpath.join(folder, name)).presence for name in PROJECT_FILES]
    if Presence.FILE not in found and Presence.UNKNOWN not in found:
        listed = join_words(PROJECT_FILES)
        inner = [path for path in files.find_projects(PROJECT_FILES) if f"{folder}/" in path]
        near = _("; projects below it: {paths}", paths=join_words(inner[:3])) if inner else ""
        results.add_finding(
            location,
            _("{folder} has none of {files}{near}", folder=folder, files=listed, near=near),
        )


def _check_weights(
    files: ContainerFiles, results: ProofResults, number: int, weights: Weights
) -> None:
    """Check that the container sees weights: links to them name their path on the host."""
    folder, target = files.find_weights_folder(weights), weights.target
    location = ("weights", number, "target")
    if folder is None:
        results.add_finding(
            location, _("none of container.mounts shows {target} in the container", target=target)
        )
    elif weights.link and folder != target:
        results.add_finding(
            location,
            _(
                "the container has {target} at {folder}, but the links in {tree}_mlu "
                "lead to {target}: mount it at the same path",
                target=target,
                folder=folder,
                tree=weights.link.tree,
            ),
        )


def _check_named(
    inputs: ProofInputs, results: ProofResults, location: Location, named: NamedPath
) -> None:
    files = inputs.patched.files
    found = files.look_up(named.path)
    what = _describe_named(named)
    if found.presence is Presence.MISSING and named.may_be_made:
        results.add_unproved(
            location, _("{what}: an earlier part of the command may make it", what=what)
        )
    elif found.presence is Presence.MISSING and named.use is PathUse.ARGUMENT:
        _report_argument(inputs, results, location, named, found)
    elif named.use is PathUse.FOLDER:
        check_folder(files, results, location, named.path)
    elif named.use is not PathUse.ARGUMENT and found.presence is Presence.FOLDER:
        results.add_finding(
            location,
            _("{what} is a folder, not a {use}", what=what, use=_(USE_WORDS[named.use])),
        )
    else:
        _report(results, location, what, found)


def _describe_named(named: NamedPath) -> str:
    return named.path if named.word == named.path else f"{named.word} ({named.path})"


def _report_argument(
    inputs: ProofInputs,
    results: ProofResults,
    location: Location,
    named: NamedPath,
    found: Lookup,
) -> None:
    """Record an argument that nothing puts there: it may be a result, or data of the site."""
    if named.path == inputs.release.smoke.artefact:
        return
    what = _describe_named(named)
    folders = [inputs.patched.files.find_weights_folder(w) for w in inputs.release.weights]
    if any(folder and named.path.startswith(f"{folder}/") for folder in folders):
        results.add_finding(
            location, _("{what} is missing: {reason}", what=what, reason=found.reason)
        )
    else:
        results.add_unproved(
            location, _("{what}: {reason}; the command may make it", what=what, reason=found.reason)
        )


def _check_artefact(files: ContainerFiles, results: ProofResults, artefact: str) -> None:
    folder = posixpath.dirname(artefact)
    found = files.look_up(folder)
    if found.presence is Presence.MISSING:
        reason = _(
            "{folder}: {reason}; the command may make it", folder=folder, reason=found.reason
        )
        results.add_unproved(("smoke", "artefact"), reason)
