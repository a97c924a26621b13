"""The files that a release's commands name are in the container."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.proof.command_words import PathUse, read_command
from tests.unit.fleet.proof.conftest import Try


def smoke(*command: str, **fields: Any) -> dict[str, Any]:
    return {"smoke": {"command": list(command), **fields} if command else fields}


def pip(**fields: str) -> dict[str, Any]:
    return {"packages": {"pip": [fields]}}


def system(image_file: str) -> dict[str, Any]:
    return {"packages": {"system": [{"package": "cnvs", "image_file": image_file}]}}


@pytest.mark.parametrize(
    ("fields", "field", "shown"),
    [
        (smoke("python", "demos.py"), "smoke.command", "/workspace/model_mlu/demo.py"),
        (smoke("python", "-u", "chat.py"), "smoke.command", "tools/chat.py"),
        (smoke("python", "tools"), "smoke.command", "folder"),
        (smoke(workdir="/workspace/models_mlu"), "smoke.workdir", "/workspace/model_mlu"),
        (smoke(workdir="/workspace/model_mlu/demo.py"), "smoke.workdir", "a file"),
        (smoke("sh", "-c", ". ./env.sh && python demo.py"), "smoke.command", "env.sh"),
        (smoke("sh", "-c", "cd tool && python demo.py"), "smoke.command", "model_mlu/tools"),
        (smoke("bash", "scripts/start.sh"), "smoke.command", "scripts/start.sh"),
        (smoke("torchrun", "--nproc=2", "train.py"), "smoke.command", "train.py"),
        (smoke("python", "demo.py", "/workspace/weights/a.pth"), "smoke.command", "a.pth"),
        (
            pip(requirements="/workspace/model_mlu/requirement.txt"),
            "packages.pip.0.requirements",
            "/workspace/model_mlu/requirements.txt",
        ),
        (pip(editable="/workspace/model_mlu/tools"), "packages.pip.0.editable", "setup.py"),
        (pip(editable="/workspace/moodel"), "packages.pip.0.editable", "/workspace/model"),
        (system("/workspace/cnvs.deb"), "packages.system.0.image_file", "/workspace"),
    ],
)
def test_what_is_missing_is_refused_with_what_is_there(
    prove: Try, fields: dict[str, Any], field: str, shown: str
) -> None:
    (finding,) = prove(fields).findings
    assert finding.split(": ")[1] == field and shown in finding


@pytest.mark.parametrize(
    "fields",
    [
        {},
        smoke("python", "-u", "-W", "ignore", "tools/chat.py"),
        smoke("sh", "-c", "cd tools && exec python ./chat.py 2>&1 | cat"),
        smoke("env", "A=1", "timeout", "5", "python", "../model/demo.py"),
        smoke("bash", "-c", "set -e; . scripts/run.sh; python demo.py > /dev/null"),
        smoke("python", "-c", "print(6 * 7)"),
        smoke("python", "demo.py", "--config=/workspace/weights/config.json"),
        pip(editable="/workspace/model_mlu"),
        pip(requirements="/workspace/model/requirements.txt"),
    ],
)
def test_what_is_there_is_proved(prove: Try, fields: dict[str, Any]) -> None:
    tried = prove(fields)
    assert not tried.findings and set(tried.unproved) == {"sources.1"}


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-m", "tools.chat"],
        ["sh", "-c", "cd $HOME && python demo.py"],
        ["sh", "-c", "for n in 1 2; do python demo.py; done"],
        ["sh", "-c", "cp tools/chat.py new.py && python new.py"],
        ["python", "demo.py", "--image=data/in.jpg:out/result.jpg"],
        ["/usr/bin/cat", "demo.py"],
    ],
)
def test_what_cannot_be_known_is_unproved(prove: Try, command: list[str]) -> None:
    tried = prove(smoke(*command))
    assert not tried.findings and tried.unproved["smoke.command"]


def test_a_result_of_the_command_needs_not_be_there(prove: Try) -> None:
    fields = smoke(
        *("python", "demo.py", "--out=./result.png"),
        kind="artefact",
        artefact="/workspace/model_mlu/result.png",
    )
    tried = prove(fields)
    assert not tried.findings and "smoke.command" not in tried.unproved


def test_forks_are_unproved(prove: Try) -> None:
    tried = prove(
        {**smoke("python", "a.py", workdir="/workspace/fork"), **pip(editable="/workspace/fork/x")}
    )
    assert not tried.findings
    fields = {"sources.1", "smoke.command", "packages.pip.0.editable"}
    assert fields <= set(tried.unproved)


def test_a_shell_line_is_read_as_its_commands() -> None:
    text = "cd /a; A=1 python -u b.py --x=/d/e & echo 'f g'\nbash h.sh"
    read = read_command(["bash", "-ec", text], "/w")
    assert [(named.path, named.use) for named in read.paths] == [
        ("/a", PathUse.FOLDER),
        ("/a/b.py", PathUse.SCRIPT),
        ("/d/e", PathUse.ARGUMENT),
        ("/a/h.sh", PathUse.SCRIPT),
    ]
    assert read.printed == ["f g"] and not read.unread


@pytest.mark.parametrize(
    ("target", "link", "wrong"),
    [
        ("/data/work/weights", None, False),
        ("/data/elsewhere", None, True),
        ("/data/work/weights", {"tree": "model", "path": "tiny"}, True),
        ("/same/weights", {"tree": "model", "path": "tiny"}, False),
    ],
)
def test_weights_are_where_a_program_finds_them(
    prove: Try, target: str, link: dict[str, str] | None, wrong: bool
) -> None:
    mounts = [
        {"host": "/data/work", "container": "/workspace"},
        {"host": "/same", "container": "/same"},
    ]
    weights = [{"name": "tiny", "folder": "tiny", "target": target, "link": link}]
    tried = prove({"container": {"mounts": mounts}, "weights": weights})
    assert tried.wrong_fields == ["weights.0.target"] * wrong
