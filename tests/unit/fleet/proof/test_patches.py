"""Patches are compared with the files as the migration tool leaves them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fleet.proof.conftest import Try

CHAT = "/workspace/model_mlu/tools/chat.py"
DEMO = "/workspace/model_mlu/demo.py"


def edit(file: str = CHAT, find: str = "'a'", **fields: Any) -> dict[str, Any]:
    return {"file": file, "find": find, "replace": "'b'", **fields}


def patched(*patches: dict[str, Any]) -> dict[str, Any]:
    return {"patches": list(patches)}


def test_a_wrong_count_is_refused_with_the_lines_where_it_stands(prove: Try) -> None:
    (finding,) = prove(patched(edit(count=2))).findings
    assert finding.startswith("18: patches.0.count: ") or "patches.0.count" in finding
    assert "3 times (lines 1, 2, 3), not 2" in finding


def test_the_right_count_is_proved(prove: Try) -> None:
    tried = prove(patched(edit(count=3)))
    assert not tried.findings and "patches.0" not in tried.unproved
    text = b"path = 'b'\nprint('b')\nprint('b')\n"
    assert tried.inputs.patched.files.files[CHAT].versions == {"": text}


def test_an_anchor_is_looked_for_in_the_migrated_text(prove: Try) -> None:
    assert not prove(patched(edit(DEMO, "torch.mlu.is_available"))).findings


def test_an_anchor_that_the_tool_rewrites_is_refused(prove: Try) -> None:
    (finding,) = prove(patched(edit(DEMO, "print(torch.cuda.is_available())"))).findings
    assert "patches.0.count: " in finding and "line 3: print(torch.mlu.is_available())" in finding


def test_a_patch_of_the_source_itself_sees_the_original(prove: Try) -> None:
    assert not prove(patched(edit("/workspace/model/demo.py", "torch.cuda"))).findings


@pytest.mark.parametrize(
    ("file", "nearest"),
    [
        ("/workspace/model_mlu/chat.py", "/workspace/model/tools/chat.py"),
        ("/workspace/model_mlu/tools/chats.py", "/workspace/model_mlu/tools/chat.py"),
    ],
)
def test_a_missing_file_is_refused_with_the_nearest_path(
    prove: Try, file: str, nearest: str
) -> None:
    (finding,) = prove(patched(edit(file))).findings
    assert "patches.0.file: " in finding and nearest in finding


def test_all_wrong_patches_are_named_at_once(prove: Try) -> None:
    tried = prove(patched(edit(count=2), edit(DEMO, "nowhere"), edit("/workspace/none.py")))
    assert tried.wrong_fields == ["patches.0.count", "patches.1.count", "patches.2.file"]


def test_patches_of_one_file_follow_one_another(prove: Try) -> None:
    second = {"file": CHAT, "after": "path = 'b'\n", "insert": "import os\n"}
    assert not prove(patched(edit(count=3), second)).findings
    assert prove(patched(second, edit(count=3))).wrong_fields == ["patches.0.count"]


def test_the_result_has_the_checksum_that_the_release_gives(prove: Try, tmp_path: Path) -> None:
    right = hashlib.sha256(b"path = 'b'\nprint('b')\nprint('b')\n").hexdigest()
    assert not prove(patched(edit(count=3, sha256=right))).findings


def test_another_checksum_is_refused(prove: Try) -> None:
    (finding,) = prove(patched(edit(count=3, sha256="0" * 64))).findings
    assert "patches.0.sha256: " in finding


GENERATIONS = {"demo.py": "torch.backends.cudnn.enabled\n"}


def test_a_count_that_depends_on_the_generation_is_unproved(prove: Try) -> None:
    tried = prove(patched(edit(DEMO, "mlufusion")), tree=GENERATIONS)
    assert not tried.findings and "catch 1.1.2" in tried.unproved["patches.0"]


def test_a_checksum_that_depends_on_the_generation_is_unproved(prove: Try) -> None:
    text = "torch.backends.cudnn.enabled\n"
    sha = hashlib.sha256(f"#{text}".encode()).hexdigest()
    patch = {"file": DEMO, "find": "torch.", "replace": "#torch.", "sha256": sha}
    tried = prove(patched(patch), tree=GENERATIONS)
    assert not tried.findings and "PyTorch 1.17" in tried.unproved["patches.0.sha256"]


def test_a_replacement_may_make_a_file_in_a_folder_that_exists(prove: Try) -> None:
    tried = prove(patched({"file": "/workspace/model_mlu/tools/new.py", "content": "1"}))
    assert not tried.findings
    found = tried.inputs.patched.files.files["/workspace/model_mlu/tools/new.py"]
    assert found.versions == {"": b"1"}


def test_files_of_weights_are_read_from_the_store(prove: Try) -> None:
    patch = edit("/workspace/weights/model.py", "cuda")
    assert not prove(patched(patch), weights={"model.py": "cuda\n"}).findings


def test_a_file_of_the_image_is_unproved(prove: Try) -> None:
    tried = prove(patched(edit("/torch/lib/runner.py", "del x")))
    assert not tried.findings and "image" in tried.unproved["patches.0"]


def test_a_file_of_a_source_without_a_bundle_is_unproved(prove: Try) -> None:
    tried = prove(patched(edit("/workspace/fork/a.py")))
    assert not tried.findings and "fork has no bundle" in tried.unproved["patches.0"]
