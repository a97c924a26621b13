"""Which files the container will have, and which not."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.proof.container_files import Presence
from fleet.store.image_files import ImageFiles
from tests.unit.fleet.proof.conftest import Try

LINKS = {
    "tools/link.py": Path("chat.py"),
    "folder": Path("tools"),
    "broken": Path("nowhere"),
    "outside.py": Path("/torch/tool.py"),
}


def test_links_are_files_of_the_source_as_git_makes_them(prove: Try) -> None:
    files = prove(tree=LINKS).inputs.patched.files
    for path in ("tools/link.py", "folder/chat.py", "outside.py"):
        assert files.look_up(f"/workspace/model/{path}").presence is Presence.FILE, path
    assert files.look_up("/workspace/model/broken").presence is Presence.MISSING


def test_the_migration_tool_follows_links_to_files_only(prove: Try) -> None:
    files = prove(tree=LINKS).inputs.patched.files
    root = "/workspace/model_mlu"
    assert (
        files.files[f"{root}/tools/link.py"].versions
        == files.files[f"{root}/tools/chat.py"].versions
    )
    assert files.look_up(f"{root}/outside.py").presence is Presence.FILE
    assert files.look_up(f"{root}/folder").presence is Presence.MISSING
    assert files.look_up(f"{root}/broken").presence is Presence.MISSING
    assert files.look_up(f"{root}/report.md").presence is Presence.FILE


def test_only_python_files_are_rewritten(prove: Try) -> None:
    files = prove().inputs.patched.files.files
    assert files["/workspace/model_mlu/scripts/run.sh"].versions == {"": b"cuda\n"}
    assert b"torch.mlu" in files["/workspace/model_mlu/demo.py"].versions[""]
    assert b"torch.cuda" in files["/workspace/model/demo.py"].versions[""]


def test_linked_weights_are_in_the_migrated_tree_and_their_code_in_both(prove: Try) -> None:
    link = {"tree": "model", "path": "tiny"}
    fields = {"weights": [{"name": "tiny", "target": "/data/work/weights", "link": link}]}
    weights = {"code.py": "cuda\n", "model.bin": "cuda\n"}
    files = prove(fields, weights=weights).inputs.patched.files.files
    assert files["/workspace/model_mlu/tiny/code.py"].versions == {"": b"mlu\n"}
    assert files["/workspace/model_mlu/tiny/model.bin"].versions == {"": b"cuda\n"}
    assert "/workspace/model/tiny/code.py" in files
    assert "/workspace/model/tiny/model.bin" not in files


def test_weights_are_where_a_mount_shows_them(prove: Try) -> None:
    files = prove().inputs.patched.files
    assert files.look_up("/workspace/weights/config.json").presence is Presence.FILE


def test_a_path_that_two_mounts_show_is_one(prove: Try) -> None:
    mounts = [
        {"host": "/data/work", "container": "/workspace"},
        {"host": "/data/work/model", "container": "/code"},
    ]
    files = prove({"container": {"mounts": mounts}}).inputs.patched.files
    for path in ("/code/demo.py", "/workspace/model/demo.py"):
        assert files.look_up(path).presence is Presence.FILE, path


@pytest.mark.parametrize("path", ["/workspace", "/workspace/model/tools", "/workspace/weights"])
def test_mounts_and_folders_of_files_exist(prove: Try, path: str) -> None:
    assert prove().inputs.patched.files.look_up(path).presence is Presence.FOLDER


@pytest.mark.parametrize("path", ["/workspace/fork/a.py", "/torch/tool.py"])
def test_forks_and_images_without_files_are_unknown(prove: Try, path: str) -> None:
    assert prove().inputs.patched.files.look_up(path).presence is Presence.UNKNOWN


def image_files(*paths: str) -> ImageFiles:
    made = ImageFiles()
    for path in paths:
        made.add(path, None)
    return made


@pytest.mark.parametrize(
    ("path", "presence"),
    [
        ("/torch/tool.py", Presence.FILE),
        ("/torch", Presence.FOLDER),
        ("/torch/tools.py", Presence.MISSING),
        ("/torch/venv3/pytorch/lib/python3.7/site-packages/x.py", Presence.UNKNOWN),
        ("/usr/bin/cnmon", Presence.UNKNOWN),
        ("/dev/shm/x", Presence.UNKNOWN),
        ("/opt/mlufleet/wheels", Presence.UNKNOWN),
        ("/workspace/x", Presence.MISSING),
    ],
)
def test_an_image_with_files_is_known_but_for_what_comes_later(
    prove: Try, path: str, presence: Presence
) -> None:
    files = prove(image=image_files("torch/tool.py")).inputs.patched.files
    found = files.look_up(path)
    assert found.presence is presence
    assert bool(found.reason) == (presence in (Presence.MISSING, Presence.UNKNOWN))
