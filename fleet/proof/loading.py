"""Check that the folders that a smoke test loads its model from are in the container."""

from __future__ import annotations

import posixpath

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
    read = scripts.read_scripts(inputs)
    if read.command.workdir is None:
        return
    for script in read.scripts:
        lines: dict[str, int] = {}
        for line, name in scripts.find_loaded_paths(script):
            lines.setdefault(name, line)
        for name, line in lines.items():
            _check_folder(inputs, results, script.describe_line(line), read.command.workdir, name)


def _check_folder(
    inputs: ProofInputs, results: ProofResults, place: str, workdir: str, name: str
) -> None:
    path = posixpath.normpath(posixpath.join(workdir, name))
    found = inputs.patched.files.look_up(path)
    location = ("smoke", "command")
    if found.presence is Presence.UNKNOWN:
        results.add_unproved(location, f"{place} loads {name} ({path}): {found.reason}")
    elif found.presence is Presence.MISSING:
        if name.startswith(("/", "./", "../")):
            results.add_finding(location, f"{place} loads {name} ({path}): {found.reason}")
        else:
            results.add_warning(
                location,
                f"{place} loads {name}, which is no folder in {workdir}: the host would ask the "
                "hub of Hugging Face for it",
            )
