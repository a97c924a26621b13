"""Puts it into the store: images, repositories, weights, files, wheels."""

import json
import shutil
import zipfile
from functools import partial
from pathlib import Path

from tests.lab import engine, paths
from tests.lab.steps import digest
from tests.lab.vendor import docker_image, upstreams, weights, wheels
from tests.lab.vendor.once import once

HERE = Path(__file__).parent
IMAGES = paths.STORE / "recipes.tar"
WHEELS = paths.STORE / "recipe-wheels"
PYTHON = "/torch/venv3/pytorch/bin/python"
REGISTRY = "yellow.hub.cambricon.com/pytorch/pytorch"
TAGS = tuple(
    f"{REGISTRY}:{tag}"
    for tag in (
        "v1.10.0-torch1.9-ubuntu18.04-py37",
        "v1.15.0-torch1.9-ubuntu18.04-py37",
        "v1.17.0-torch1.13.1-ubuntu20.04-py310",
    )
)
TREES = ("ChatGLM-6B", "ChatGLM3", "yolact", "Chinese-LLaMA-Alpaca-2")
#: model folder -> whether the tutorial replaces its code
MODELS = {"chatglm-6b": True, "chatglm3-6b": True, "chinese-alpaca-2-13b": False}
#: what cannot be had, or is of no use here: packages with a name and nothing in them
EMPTY = (
    "rouge_chinese",
    "nltk",
    "jieba",
    "datasets",
    "cython",
    "opencv_python",
    "pillow",
    "pycocotools",
    "matplotlib",
)
#: from the vendor, beside the wheelhouse
VENDORS = {"cndsp": "0.8.0", "flash_attn": "2.1.1"}


def build() -> None:
    """Make what is missing or outdated; the lab's own store must be there.

    Raises:
        LabError: something cannot be made.
    """
    once("recipes", digest(HERE, docker_image.key()), [IMAGES, WHEELS], _make)


def _make() -> None:
    for tag in TAGS:
        engine.docker(
            "build",
            "--force-rm",
            "--tag",
            tag,
            "--build-arg",
            f"BASE={docker_image.reference()}",
            str(HERE),
            timeout=600,
        )
    engine.docker("save", "--output", str(IMAGES), *TAGS)
    for name in TREES:
        key = digest(HERE / "trees" / name)
        upstreams.repository(name, name, key, partial(_tree, name))
    key = digest(HERE / "trees" / "open-codes-mlu", upstreams.SHA256)
    upstreams.repository("open-codes-mlu", "open-codes-mlu", key, _forks)
    shutil.copytree(HERE / "store", paths.STORE, dirs_exist_ok=True)
    for name, foreign in MODELS.items():
        _model(paths.STORE / "weights" / name, foreign)
    _yolact(paths.STORE / "weights" / "yolact")
    _wheels()


def _tree(name: str) -> Path:
    return HERE / "trees" / name


def _forks() -> Path:
    """The vendor's forks, in one repository: transformers is the real one."""
    copy = paths.BUILD / "trees" / "open-codes-mlu"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(HERE / "trees" / "open-codes-mlu", copy)
    shutil.copytree(upstreams.SOURCE, copy / "transformers")
    return copy


def _model(folder: Path, foreign: bool) -> None:
    """The lab's model under another name, with code that the tutorial has to replace."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(weights.FOLDER, folder)
    if foreign:
        config = json.loads((folder / "config.json").read_text())
        model = "modeling_chatglm.ChatGLMForConditionalGeneration"
        config["auto_map"] |= {"AutoModel": model, "AutoModelForCausalLM": model}
        (folder / "config.json").write_text(json.dumps(config, indent=1))
        shutil.copy(HERE / "model.py", folder / "modeling_chatglm.py")


def _yolact(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.jpg").write_bytes(bytes(range(64)))
    save = (
        'import torch; torch.save({"mask.weight": torch.eye(8)}, "/out/yolact_base_54_800000.pth")'
    )
    engine.docker(
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        f"{folder}:/out",
        docker_image.reference(),
        PYTHON,
        "-c",
        save,
    )


def _wheels() -> None:
    shutil.rmtree(WHEELS, ignore_errors=True)
    shutil.copytree(wheels.WHEELS, WHEELS)
    for name in EMPTY:
        _wheel(WHEELS, name, "0.0.1")
    for name, version in VENDORS.items():
        _wheel(paths.STORE, name, version)


def _wheel(folder: Path, name: str, version: str) -> None:
    """A package with nothing in it but its name."""
    about = f"{name}-{version}.dist-info"
    files = {
        f"{name}_stand_in.py": "",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{about}/RECORD": record}.items():
            # the same bytes each time
            wheel.writestr(zipfile.ZipInfo(path, (2023, 6, 19, 0, 0, 0)), text)
