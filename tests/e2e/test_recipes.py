"""The vendor's other tutorials end to end: models of two generations, a server, a picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from fleet.release import files
from tests.lab import hosts as lab
from tests.lab import paths
from tests.lab.recipes import build
from tests.lab.vendor import docker_image
from tests.runs import LAB, RELEASES, SITE, Done, mlufleet, pyinfra

HOST = "u1604"
RECIPES = Path(build.__file__).with_name("releases")
SHARE = "/data/mlufleet/workspace"


@pytest.fixture(scope="module", autouse=True)
def recipes(provisioned: Done) -> Iterator[None]:
    """Their files are in the store and locked; afterwards the lab's own release is there again."""
    build.build()
    for recipe in RECIPES.glob("*.yml"):
        path = SITE / RELEASES / recipe.name
        path.write_text(recipe.read_text())
        done = mlufleet("lock", str(path), "--store", str(paths.STORE), "--quiet")
        assert done.status == 0, done.output
    # three releases with other images would drop it, and going back would load it again
    lab.run(HOST, f"docker tag {docker_image.REFERENCE} kept:for-the-way-back")
    yield
    done = mlufleet("deploy", LAB, "--limit", HOST)
    assert done.status == 0 and done.host(HOST)["status"] == "changed"
    for recipe in RECIPES.glob("*.yml"):
        # what is left would be locked and looked at by everybody who comes later
        path = SITE / RELEASES / recipe.name
        path.unlink()
        path.with_suffix(".lock.json").unlink()
    # the one container that is left is that of the lab's release
    assert len(lab.run(HOST, "docker ps -aq").split()) == 1
    lab.run(
        HOST,
        f"rm -rf {SHARE}; docker image rm kept:for-the-way-back {' '.join(build.TAGS)}",
        check=False,
    )


def right(name: str) -> Done:
    """A run that ends in an answering host, where the next one finds nothing to do."""
    options = ("--limit", HOST, "--data", f"release={RELEASES}/{name}-lab.yml")
    done = mlufleet("deploy", LAB, *options)
    assert done.status == 0 and done.changed(HOST)[-1] == "smoke", done.output
    assert pyinfra("-y", *options).statuses() == {HOST: "ok"}
    return done


def sha256(path: str) -> str:
    return lab.run(HOST, f"sha256sum < {path}").split()[0]


def stored(name: str) -> str:
    return hashlib.sha256((paths.STORE / name).read_bytes()).hexdigest()


def test_chatglm_answers_with_the_tutorials_own_code_in_its_weights() -> None:
    done = right("chatglm-6b")
    assert "response:" in done.host(HOST)["answer"] and "王之涣" in done.host(HOST)["answer"]
    code = "/data/models/chatglm-6b/modeling_chatglm.py"
    assert sha256(code) == stored("chatglm/modeling_chatglm.py")
    lab.run(HOST, "grep -l 'another torch' /var/lib/mlufleet/kept/*modeling_chatglm.py*")
    # both trees went through the tool, and torch was left out of what pip was given
    lab.run(HOST, f"grep -q 'mlu()' {SHARE}/chatglm/ChatGLM-6B_mlu/utils.py")
    lab.run(HOST, f"test -f {SHARE}/chatglm/transformers_mlu/report.md")
    assert "jieba" in lab.run(
        HOST, f"docker exec mlufleet-chatglm-6b {build.PYTHON} -m pip list 2>/dev/null"
    )


def test_chatglm3_answers_in_an_image_whose_tool_lies_elsewhere() -> None:
    done = right("chatglm3-6b")
    assert "王之涣" in done.host(HOST)["answer"]
    assert "image" in done.changed(HOST) and "migration" in done.changed(HOST)
    recipe = files.load_release(files.find_release("chatglm3-6b"))
    assert recipe.migration is not None
    lab.run(HOST, f"docker exec mlufleet-chatglm3-6b test -f {recipe.migration.tool}")
    lab.run(HOST, f"grep -q 'to(\"mlu\")' {SHARE}/chatglm3/ChatGLM3_mlu/demo.py")
    code = "/data/models/llm/chatglm3-6b/modeling_chatglm.py"
    assert sha256(code) == stored("chatglm3/infer/modeling_chatglm.py")


def test_alpaca_answers_behind_its_server_without_the_tool() -> None:
    done = right("chinese-llama-alpaca-2")
    assert '"choices"' in done.host(HOST)["answer"] and "migration" not in done.changed(HOST)
    # the server is gone with its test
    listening = "docker exec mlufleet-chinese-llama-alpaca-2 grep ' 0A ' /proc/net/tcp"
    assert f":{19327:04X} " not in lab.run(HOST, listening, check=False)


def test_yolact_proves_itself_by_a_picture() -> None:
    lab.run(HOST, "rm -f /var/lib/mlufleet/smoke/*-result.png")
    done = right("yolact")
    assert "result.png, " in done.host(HOST)["answer"]
    # the picture is out of the migrated tree, which is as it was
    (kept,) = lab.run(HOST, "ls /var/lib/mlufleet/smoke/*-result.png").split()
    assert kept in done.host(HOST)["answer"]
    assert lab.run(HOST, f"head -c 4 {kept} | tail -c 3") == "PNG"
    lab.run(HOST, f"test ! -e {SHARE}/yolact_mlu/result.png && rm {kept}")
    lab.run(HOST, f"grep -q \"map_location='cpu'\" {SHARE}/yolact_mlu/yolact.py")
    assert sha256(f"{SHARE}/yolact_mlu/eval.py") == stored("yolact/eval.py")


def test_each_recipe_replaces_only_what_cannot_be_had() -> None:
    allowed = {
        "extends",
        "name",
        "driver",
        "image",
        "container",
        "sources",
        "weights",
        "packages",
        "smoke",
    }
    for recipe in RECIPES.glob("*.yml"):
        said = yaml.safe_load(recipe.read_text())
        assert set(said) <= allowed and set(said["smoke"]) <= {"expect", "timeout"}
        assert set(said["container"]) == {"shm_size"} and set(said.get("image", {})) <= {"file"}
