"""What a release says of serving its model is compared with its files."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.errors import InvalidInput
from fleet.proof import locking
from fleet.proof.results import ProofResults
from fleet.proof.serving import check_server_packages
from fleet.release import files
from tests.unit.fleet.proof.conftest import Try

SERVER = """\
import uvicorn, json
from fastapi import FastAPI
from sse_starlette.sse import EventSourceResponse
from .fastapi import flask
model = AutoModel.from_pretrained("../weights")
"""
TREE = {"api.py": SERVER, "wrong.py": SERVER.replace("../weights", "../elsewhere")}


def serve(*command: str, **fields: Any) -> dict[str, Any]:
    """A section that is right, but for some fields; without a command, for mlu-fleet's server."""
    found = {"question": "six times seven?", "expect": "42", **fields}
    if command:
        found |= {"command": list(command), "workdir": found.get("workdir", "/workspace/model_mlu")}
    return {"serve": found}


@pytest.mark.parametrize(
    ("fields", "field", "shown"),
    [
        (serve("python", "apis.py"), "serve.command", "/workspace/model_mlu/api.py"),
        (serve("python", "api.py", workdir="/workspace/modle"), "serve.workdir", "/workspace"),
        (serve("python", "wrong.py"), "serve.command", "/workspace/elsewhere"),
        (
            serve("python", "api.py", "{model}/config.yml", model="/workspace/weights"),
            "serve.command",
            "/workspace/weights/config.yml",
        ),
        (serve(model="/workspace/weight"), "serve.model", "nearest: /workspace/weights"),
        (serve(model="/workspace/weights/config.json"), "serve.model", "is a file"),
        (serve(model="/workspace/model"), "serve.model", "no config.json"),
        (serve("python", "api.py", question="42?"), "serve.expect", "question"),
        (serve("python", "api.py", expect='"assistant"'), "serve.expect", "every well-formed"),
        (serve("python", "api.py", expect=" "), "serve.expect", "every well-formed"),
    ],
)
def test_what_cannot_be_served_is_refused(
    prove: Try, fields: dict[str, Any], field: str, shown: str
) -> None:
    (finding,) = prove(fields, TREE).findings
    assert finding.split(": ")[1] == field and shown in finding


@pytest.mark.parametrize(
    "fields",
    [
        serve(
            "python",
            "api.py",
            "--port={port}",
            "--config",
            "{model}/config.json",
            model="/workspace/weights",
        ),
        serve(model="/workspace/weights"),
        serve("python", "api.py", "--api-key-file", "/etc/mlufleet-serve/key"),
    ],
)
def test_what_is_there_is_proved(prove: Try, fields: dict[str, Any]) -> None:
    tried = prove(fields, TREE)
    assert not tried.findings and set(tried.unproved) == {"sources.1"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (serve("python", "-m", "api"), "serve.command"),
        (serve("python", "server.py", workdir="/opt"), "serve.command"),
        (serve(model="/workspace/fork/weights"), "serve.model"),
    ],
)
def test_what_cannot_be_known_is_unproved(prove: Try, fields: dict[str, Any], field: str) -> None:
    tried = prove(fields, TREE)
    assert not tried.findings and field in tried.unproved


@pytest.mark.parametrize(
    ("fields", "installed", "missing"),
    [
        (serve(model="/workspace/weights"), ["uvicorn"], ["fastapi"]),
        (serve("python", "api.py"), ["flask"], ["fastapi", "sse-starlette", "uvicorn"]),
        (serve("python", "api.py"), ["fastapi", "sse-starlette", "uvicorn"], []),
        (serve("python", "demo.py"), [], []),
        ({}, [], []),
    ],
)
def test_what_a_server_imports_is_installed(
    prove: Try, fields: dict[str, Any], installed: list[str], missing: list[str]
) -> None:
    inputs = prove(fields, TREE).inputs
    document = files.load_document(inputs.store.parent / "tried.yml")
    for known in (installed, None):
        results = ProofResults(document, lambda line: None)
        check_server_packages(inputs, results, known, "no wheelhouse")
        told = [line.partition("imports ")[2].partition(",")[0] for line in results.findings]
        assert sorted(told) == ([] if known is None else missing)
        if missing:
            assert bool(results.unproved) == (known is None)


def test_the_pip_lines_bring_what_the_server_imports(site: Any) -> None:
    path = site / "small.yml"
    text = path.read_text() + "serve: {model: /data/models/tiny, question: six, expect: seven}\n"
    path.write_text(text)
    (site / "store/weights/config.json").write_text("{}")
    with pytest.raises(InvalidInput) as error:
        locking.create_lock(files.load_document(path), site / "store")
    assert [line.partition("imports ")[2].partition(",")[0] for line in told(error)] == [
        "fastapi",
        "uvicorn",
    ]


def told(error: pytest.ExceptionInfo[InvalidInput]) -> list[str]:
    return str(error.value).splitlines()
