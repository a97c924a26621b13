"""The folders that a demo loads its model from are in the container."""

from __future__ import annotations

import pytest

from tests.unit.fleet.proof.conftest import Try


def load(path: str) -> dict[str, str]:
    text = f"FOLDER = {path!r}\nmodel = AutoModel.from_pretrained(FOLDER)\n"
    return {"demo.py": text, "tools/chat.py": f"AutoModel.from_pretrained({path!r}, x=1)\n"}


@pytest.mark.parametrize("path", ["../weights", "/workspace/weights", "./tools"])
def test_a_folder_that_is_there(prove: Try, path: str) -> None:
    tried = prove(tree=load(path))
    assert not tried.findings and not tried.warnings


def test_a_folder_that_is_missing_is_refused_with_line_and_nearest_path(prove: Try) -> None:
    (finding,) = prove(tree=load("../weigths")).findings
    assert "demo.py:2 loads ../weigths" in finding and "nearest: /workspace/weights" in finding


def test_a_relative_folder_is_that_of_the_work_folder(prove: Try) -> None:
    command = {"smoke": {"command": ["sh", "-c", "cd tools && python chat.py"]}}
    assert prove(command, tree=load("../weights")).wrong_fields == ["smoke.command"]
    assert not prove(command, tree=load("../../weights")).findings


def test_a_model_of_the_hub_is_warned_of(prove: Try) -> None:
    tried = prove(tree=load("THUDM/chatglm-6b"))
    assert not tried.findings and "THUDM/chatglm-6b" in tried.warnings[0]


def test_a_folder_of_the_image_is_unproved(prove: Try) -> None:
    assert "/models/tiny" in prove(tree=load("/models/tiny")).unproved["smoke.command"]
