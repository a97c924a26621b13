"""Check that what a release says of serving its model fits its files."""

from __future__ import annotations

import posixpath
from collections.abc import Collection

from fleet.language import _
from fleet.proof import expectations, scripts
from fleet.proof.commands import check_command, check_folder
from fleet.proof.container_files import Presence
from fleet.proof.inputs import ProofInputs
from fleet.proof.loading import check_loaded_folders
from fleet.proof.results import ProofResults
from fleet.release.serve import MODEL_FIELD, PORT_FIELD, Serve

#: Packages of servers by the names of their modules. The others of a program are its model's.
SERVER_MODULES = {
    "fastapi": "fastapi",
    "flask": "flask",
    "sse_starlette": "sse-starlette",
    "starlette": "starlette",
    "uvicorn": "uvicorn",
}
#: What the server of mlu-fleet imports of these.
OWN_SERVER_PACKAGES = ("fastapi", "uvicorn")


def check_serving(inputs: ProofInputs, results: ProofResults) -> None:
    """Check the server of a release, its model, and what it is expected to answer.

    Args:
        inputs: The files of the release.
        results: Collects what is wrong or unproved.
    """
    serve = inputs.release.serve
    if serve is None:
        return
    if serve.command:
        words = list_words(serve)
        if check_command(inputs, results, "serve", words, serve.workdir):
            read = scripts.read_command_scripts(inputs, words, serve.workdir)
            check_loaded_folders(inputs, results, "serve", read)
    if serve.model:
        _check_model(inputs, results, serve.model, is_own=not serve.command)
    if problem := expectations.find_serve_problem(serve):
        expected = _("{expect!r} proves no answer: {problem}", expect=serve.expect, problem=problem)
        results.add_finding(("serve", "expect"), expected)


def list_words(serve: Serve) -> list[str]:
    """List the words of a server's command as its first instance has them.

    Args:
        serve: How the model is served.

    Returns:
        Program and arguments.
    """
    values = {PORT_FIELD: str(serve.listens or serve.port), MODEL_FIELD: serve.model or MODEL_FIELD}
    words = list(serve.command)
    for field, value in values.items():
        words = [word.replace(field, value) for word in words]
    return words


def _check_model(inputs: ProofInputs, results: ProofResults, model: str, *, is_own: bool) -> None:
    files, location = inputs.patched.files, ("serve", "model")
    config = posixpath.join(model, "config.json")
    if not check_folder(files, results, location, model) or not is_own:
        return
    found = files.look_up(config)
    if found.presence is Presence.MISSING:
        results.add_finding(
            location, _("{model} has no config.json: {reason}", model=model, reason=found.reason)
        )
    elif found.presence is Presence.UNKNOWN and files.look_up(model).presence is Presence.FOLDER:
        results.add_unproved(location, _("{what}: {reason}", what=config, reason=found.reason))


def list_server_packages(inputs: ProofInputs) -> dict[str, str]:
    """List the packages that the server of a release imports because it is a server.

    Args:
        inputs: The files of the release.

    Returns:
        What imports each package, as text; empty if the release is not served.
    """
    serve = inputs.release.serve
    if serve is None:
        return {}
    if not serve.command:
        return dict.fromkeys(OWN_SERVER_PACKAGES, _("the server that mlu-fleet brings"))
    found: dict[str, str] = {}
    for script in scripts.read_command_scripts(inputs, list_words(serve), serve.workdir).scripts:
        for module in sorted(scripts.find_imported_modules(script) & SERVER_MODULES.keys()):
            found.setdefault(SERVER_MODULES[module], script.path or _("the command"))
    return found


def check_server_packages(
    inputs: ProofInputs, results: ProofResults, installed: Collection[str] | None, reason: str = ""
) -> None:
    """Check that what a server imports is installed once all pip lines have run.

    Args:
        inputs: The files of the release.
        results: Collects what is wrong or unproved.
        installed: Normalized names of all packages; None if they are not known.
        reason: Why they are not known.
    """
    for package, importer in list_server_packages(inputs).items():
        if installed is None:
            problem = _(
                "whether {package}, which {importer} imports, is installed: {reason}",
                package=package,
                importer=importer,
                reason=reason,
            )
            results.add_unproved(("serve",), problem)
        elif package not in installed:
            results.add_finding(
                ("serve",),
                _(
                    "{importer} imports {package}, which neither the image nor "
                    "packages.pip has: add `{{install: [{package}]}}` to packages.pip",
                    importer=importer,
                    package=package,
                ),
            )
