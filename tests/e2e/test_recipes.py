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
from tests.lab.vendor import docker_image, upstreams
from tests.runs import LAB, RELEASES, SITE, Done, mlufleet, pyinfra

HOST = "u1604"
RECIPES = Path(build.__file__).with_name("releases")
TOOLKIT = upstreams.TREES / "dev-env-ubuntu"


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
        f"rm -rf /data/mlufleet/*; docker image rm kept:for-the-way-back {' '.join(build.TAGS)}",
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


def tool(path: str) -> str:
    """What the toolkit has at a path, which a tutorial copies to another place."""
    return hashlib.sha256((TOOLKIT / path).read_bytes()).hexdigest()


def folder(name: str) -> str:
    """Where the host keeps what a release has in a mounted folder of its own."""
    release = files.load_release(files.find_release(name))
    mount = next(m for m in release.container.mounts if m.container.startswith("/workspace/"))
    return mount.host


@pytest.mark.long
def test_chatglm_answers_with_the_tutorials_own_code_in_its_weights() -> None:
    done = right("chatglm-6b")
    assert "清华大学" in done.host(HOST)["answer"]
    code = "/data/models/chatglm-6b/modeling_chatglm.py"
    assert sha256(code) == tool("pytorch1.9/chatglm/tools/modeling_chatglm.py")
    # the code that came with the weights needs what the image's PyTorch has not
    lab.run(HOST, "grep -l 'import skip_init' /var/lib/mlufleet/kept/*modeling_chatglm.py*")
    asked = "import torch_mlu; from torch.nn.utils import skip_init"
    python = f"docker exec mlufleet-chatglm-6b {build.PYTHON}"
    assert "ImportError" in lab.run(HOST, f"{python} -c '{asked}' 2>&1", check=False)
    # both trees went through the tool, and torch was left out of what pip was given
    share = "/data/mlufleet/chatglm-6b/pytorch1.9/chatglm"
    lab.run(HOST, f"grep -q 'mlu()' {share}/ChatGLM-6B_mlu/utils.py")
    lab.run(HOST, f"test -f {share}/transformers_mlu/report.md")
    lab.run(HOST, f"test -f {share}/ChatGLM-6B_mlu/inference.py")
    names = lab.run(HOST, f"docker exec mlufleet-chatglm-6b {build.PYTHON} -m pip list 2>/dev/null")
    assert "cpm" in names and "transformers" in names


@pytest.mark.long
def test_chatglm2_answers_on_its_terminal_and_not_with_its_welcome() -> None:
    done = right("chatglm2-6b")
    answer = done.host(HOST)["answer"]
    assert "我是人工智能助手 ChatGLM2-6B" in answer and "欢迎使用" not in answer
    # upstream's would ask the hub for weights, in three places
    demo = f"{folder('chatglm2-6b')}/ChatGLM2-6B_mlu/cli_demo.py"
    assert sha256(demo) == tool("pytorch1.9/chatglm2/tools/cli_demo.py")
    lab.run(HOST, "grep -l THUDM/chatglm2-6b /var/lib/mlufleet/kept/*cli_demo.py*")


def test_chatglm3_answers_in_an_image_whose_tool_lies_elsewhere() -> None:
    done = right("chatglm3-6b")
    assert "我是人工智能助手 ChatGLM3-6B" in done.host(HOST)["answer"]
    assert "image" in done.changed(HOST) and "migration" in done.changed(HOST)
    inside = "docker exec mlufleet-chatglm3-6b"
    (tag,) = (tag for tag in build.TOOLS if "torch1.13.1" in tag)
    lab.run(HOST, f"{inside} test -f {build.TOOLS[tag]}")
    lab.run(HOST, f"{inside} test ! -e /torch/src/catch/tools/torch_gpu2mlu.py")
    tree = f"{folder('chatglm3-6b')}/ChatGLM3_mlu"
    lab.run(HOST, f"grep -q 'mlu()' {tree}/basic_demo/cli_demo.py")
    assert sha256(f"{tree}/demo.py") == tool("pytorch1.13/chatglm3/tools/demo.py")
    code = "/data/models/llm/chatglm3-6b/modeling_chatglm.py"
    assert sha256(code) == tool("pytorch1.13/chatglm3/tools/modeling_chatglm_mlu_infer.py")


@pytest.mark.long
def test_alpaca_answers_behind_its_server_without_the_tool() -> None:
    done = right("chinese-llama-alpaca-2")
    answer = done.host(HOST)["answer"]
    assert '"role":"assistant","content":"北京"' in answer and "migration" not in done.changed(HOST)
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
    tree = "/data/mlufleet/yolact/pytorch1.9/yolact/yolact_mlu"
    lab.run(HOST, f"test ! -e {tree}/result.png && rm {kept}")
    lab.run(HOST, f"grep -q \"map_location='cpu'\" {tree}/yolact.py")


def test_each_recipe_replaces_only_what_cannot_be_had() -> None:
    allowed = {"extends", "name", "driver", "image", "container", "sources", "weights", "packages"}
    for recipe in RECIPES.glob("*.yml"):
        said = yaml.safe_load(recipe.read_text())
        assert set(said) <= allowed | {"smoke"} and set(said["smoke"]) <= {"timeout"}
        assert set(said["container"]) == {"shm_size"} and set(said.get("image", {})) <= {"file"}
        assert set(said["packages"]) == {"wheelhouse"}
        for source in said["sources"]:
            assert set(source) <= {"name", "bundle", "tag", "commit", "branch"}
        for weights in said.get("weights", ()):
            assert set(weights) <= {"name", "commit"}
