"""Check that the folders that a smoke test loads its model from are in the container."""

from __future__ import annotations

import posixpath

from fleet.language import _
from fleet.proof import scripts
from fleet.proof.container_files import Presence
from fleet.proof.inputs import ProofInputs
from fleet.proof.results import ProofResults


def check_loading(inputs: ProofInputs, results: ProofResults) -> None:
    """Check the folders that the scripts of the smoke test name themselves.

    Args:
        inputs: The files of the release.
        results: Collects what is wrong or unproved.
    """
    check_loaded_folders(inputs, results, "smoke", scripts.read_scripts(inputs))


def check_loaded_folders(
    inputs: ProofInputs, results: ProofResults, section: str, read: scripts.CommandScripts
) -> None:
    """Check the folders that scripts name themselves.

    Args:
        inputs: The files of the release.
        results: Collects what is wrong or unproved.
        section: Section of the release that has the command, `smoke` or `serve`.
        read: The scripts.
    """
    location, workdir = (section, "command"), read.command.workdir
    if workdir is None:
        return
    for script in read.scripts:
        lines: dict[str, int] = {}
        for line, name in scripts.find_loaded_paths(script):
            lines.setdefault(name, line)
        for name, line in lines.items():
            path = posixpath.normpath(posixpath.join(workdir, name))
            what = _("{place} loads {name}", place=script.describe_line(line), name=name)
            found = inputs.patched.files.look_up(path)
            if found.presence is Presence.UNKNOWN:
                results.add_unproved(location, _describe_missing(what, path, found.reason))
            elif found.presence is Presence.MISSING and name.startswith(("/", "./", "../")):
                results.add_finding(location, _describe_missing(what, path, found.reason))
            elif found.presence is Presence.MISSING:
                results.add_warning(
                    location,
                    _(
                        "{what}, which is no folder in {workdir}: the host would ask the hub "
                        "of Hugging Face for it",
                        what=what,
                        workdir=workdir,
                    ),
                )


def _describe_missing(what: str, path: str, reason: str) -> str:
    return _("{what} ({path}): {reason}", what=what, path=path, reason=reason)
