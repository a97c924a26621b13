"""Compares how a release serves its model with the facts of the server's script."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fleet.release.serve import Serve
from tests.upstreams import Upstream

if TYPE_CHECKING:
    from tests.upstreams.releases import ReleaseCheck


def list_serve_problems(check: ReleaseCheck) -> Iterator[str]:
    """Find what `serve` of a release says otherwise than the facts.

    Args:
        check: the release beside the facts.

    Yields:
        A line for each.
    """
    serve = check.release.serve
    if serve is None:
        return
    if check.exists(serve.workdir) is False:
        yield f"serve.workdir: no folder {serve.workdir}"
    if serve.model and not check.is_weights(serve.model):
        yield f"serve.model: no weights at {serve.model}"
    for name in (word for word in serve.command if word.endswith(".py")):
        script = posixpath.normpath(posixpath.join(serve.workdir, name))
        origin = check.locate_origin(check.placed_files.get(script)) or script
        place = check.locate(origin)
        upstream = check.find_upstream(place.source) if place else None
        if not place or not upstream or place.path not in upstream.scripts:
            yield f"serve.command: no facts of {origin}"
            continue
        yield from _compare_script(check, serve, script, place.path, upstream)
        yield from _compare_protocol(check, serve, script, place.path, upstream)


def _compare_script(
    check: ReleaseCheck, serve: Serve, script: str, file: str, upstream: Upstream
) -> Iterator[str]:
    """Compare options, and the weights that it loads."""
    facts = upstream.scripts[file]
    for option in (word for word in serve.command if word.startswith("--")):
        if option not in facts.options:
            yield f"serve.command: {file} has no option {option}"
    for literal in facts.loads:
        for patch in check.release.patches:
            if patch.file == script and patch.find and patch.replace:
                literal = literal.replace(patch.find, patch.replace)
        path = posixpath.normpath(posixpath.join(serve.workdir, literal))
        if literal != "<computed>" and not check.is_weights(path):
            yield f"serve.command: {file} loads {literal}: no weights at {path}"


def _compare_protocol(
    check: ReleaseCheck, serve: Serve, script: str, file: str, upstream: Upstream
) -> Iterator[str]:
    """Compare port, path, the name of the model and the keys of the question."""
    texts = {anchor.text for anchor in upstream.anchors if anchor.file == file and anchor.count}
    patched = {patch.find for patch in check.release.patches if patch.file == script}
    fixed, port = texts - patched, serve.listens or serve.port
    if serve.takes_port:
        if ports := [text for text in fixed if text.startswith("port=")]:
            yield f"serve.command: {file} has {ports[0]}, whatever it is told"
        if not any(text in patched for text in texts if text.startswith("port=")):
            yield f"serve.command: no facts say which port {file} listens on"
    elif fixed.isdisjoint((f"port={port}", str(port))):
        yield f"serve.listens: no facts say that {file} has port {port}"
    path = serve.question_path
    if texts.isdisjoint((f'@app.post("{path}")', path)):
        yield f"serve.path: no facts say that {file} has {path}"
    if serve.api == "openai" and f'ModelCard(id="{serve.name}")' not in texts:
        yield f"serve.name: no facts say that {file} lists {serve.name}"
    for key in _list_keys(serve):
        if key not in upstream.scripts[file].keys:
            yield f"serve.question: {file} does not read {key!r}"
    for name in serve.environment:
        written = [patch.replace or "" for patch in check.release.patches if patch.file == script]
        is_read = name in upstream.scripts[file].keys or any(name in text for text in written)
        if not is_read and name[:6] != "PYTHON":
            yield f"serve.environment: {file} does not read {name}"


def _list_keys(serve: Serve) -> set[str]:
    """List the keys of a question's body that carry it."""
    if serve.api == "openai":
        return set()
    keys = set(re.findall(r'"(\w+)" *:', serve.question))
    assert isinstance(json.loads(serve.question), dict)
    return keys & {"prompt", "history", "top_p", "temperature", "role", "message", "content"}
