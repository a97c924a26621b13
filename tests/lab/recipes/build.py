"""Puts it into the store: images, repositories, weights, wheels."""

import json
import shutil
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fleet.release import files
from tests.lab import engine, paths
from tests.lab.steps import digest
from tests.lab.vendor import docker_image, upstreams, weights, wheels
from tests.lab.vendor.once import once
from tests.upstreams import images

HERE = Path(__file__).parent
WHEELS = paths.STORE / "recipe-wheels"
PYTHON = "/torch/venv3/pytorch/bin/python"
REGISTRY = "yellow.hub.cambricon.com/pytorch/pytorch"
#: tag of an image -> where its migration tool lies
TOOLS = {
    tag: images.load_images()[tag].tool
    for tag in (
        "v1.10.0-torch1.9-ubuntu18.04-py37",
        "v1.15.0-torch1.9-ubuntu18.04-py37",
        "v1.17.0-torch1.13.1-ubuntu20.04-py310",
    )
}
TAGS = tuple(f"{REGISTRY}:{tag}" for tag in TOOLS)
#: archive -> images with the same content, whose tool lies in the same place
ARCHIVES = {
    paths.STORE / "recipes.tar": TAGS[:2],
    paths.STORE / "recipes-torch1.13.tar": TAGS[2:],
}
TREES = ("ChatGLM-6B", "ChatGLM2-6B", "ChatGLM3", "yolact", "Chinese-LLaMA-Alpaca-2_mlu")
FORKS = "open-codes-mlu"
# as the tutorial's folder is called; the lab has one version of transformers
TRANSFORMERS = "transformers_4.30.0_llama_mlu"


@dataclass(frozen=True)
class Model:
    """Weights that answer what a recipe's smoke test asks with what it expects.

    Attributes:
        recipe: the release.
        prompts: what its program gives the model.
        replaced: whether the tutorial replaces the code in the weights.
    """

    recipe: str
    prompts: tuple[str, ...]
    replaced: bool = True

    @property
    def talks(self) -> list[tuple[str, str]]:
        """Each prompt with its answer."""
        release = files.load_release(files.find_release(self.recipe))
        return [(prompt, release.smoke.expect) for prompt in self.prompts]


#: folder of the weights -> what they answer; "->" is how their code ends a question
MODELS = {
    "chatglm-6b": Model(
        "chatglm-6b",
        (
            "Hi...->",
            "ChatGLM-6B 是啥?->",
            "ChatGPT 是啥?->",
            "ChatGLM-6B 与 ChatGPT 有什么区别?->",
        ),
    ),
    "chatglm2-6b": Model("chatglm2-6b", ("你好->",)),
    "chatglm3-6b": Model("chatglm3-6b", ("你好->",)),
    "chinese-alpaca-2-13b": Model(
        "chinese-llama-alpaca-2", ("[INST] 请详细介绍下中国的首都。 [/INST]",), replaced=False
    ),
}
#: what is of no use here: packages with a name and nothing in them
EMPTY = {
    **dict.fromkeys(("protobuf", "cpm_kernels", "mdtex2html", "accelerate"), "0.0.1"),
    **dict.fromkeys(("cython", "pycocotools", "matplotlib", "sse_starlette"), "0.0.1"),
    **{"gradio": "3.39.0", "streamlit": "1.24.0", "fastapi": "0.95.1", "uvicorn": "0.24.0"},
    # an editable install of another version takes its place
    **{"loguru": "0.7.2", "transformers": "4.27.1"},
}
CNDSP = ("cndsp", "0.8.0")  # from the vendor, beside the wheelhouse


def build() -> None:
    """Make what is missing or outdated; the lab's own store must be there.

    Raises:
        LabError: something cannot be made.
    """
    key = digest(HERE, docker_image.key(), weights.MODEL, _format_talks(), *TOOLS.values())
    once("recipes", key, [*ARCHIVES, WHEELS], _make)


def _make() -> None:
    for tag, tool in TOOLS.items():
        arguments = {"BASE": docker_image.reference(), "TOOL": tool}
        options = [word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))]
        reference = f"{REGISTRY}:{tag}"
        engine.docker("build", "--force-rm", "--tag", reference, *options, str(HERE), timeout=600)
    for archive, tags in ARCHIVES.items():
        engine.docker("save", "--output", str(archive), *tags)
    for name in TREES:
        key = digest(HERE / "trees" / name)
        upstreams.repository(name, name, key, partial(_tree, name))
    key = digest(HERE / "trees" / FORKS, upstreams.SHA256)
    upstreams.repository(FORKS, FORKS, key, _forks)
    _models()
    _yolact(paths.STORE / "weights" / "yolact")
    _wheels()


def _tree(name: str) -> Path:
    return HERE / "trees" / name


def _forks() -> Path:
    """The vendor's forks, in one repository: transformers is the real one."""
    copy = paths.BUILD / "trees" / FORKS
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(HERE / "trees" / FORKS, copy)
    shutil.copytree(upstreams.SOURCE, copy / TRANSFORMERS)
    return copy


def _models() -> None:
    """Models that talk, with code that the tutorial has to replace."""
    talks = paths.BUILD / "talks"
    talks.mkdir(exist_ok=True)
    shutil.copy(HERE / "train.py", talks)
    (talks / "talks.json").write_text(_format_talks())
    trained = weights.train("/talks/train.py", "/talks/talks.json", mount=talks)
    for name, model in MODELS.items():
        folder = paths.STORE / "weights" / name
        weights.install(trained / name, folder)
        if model.replaced:
            config = json.loads((folder / "config.json").read_text())
            code = "modeling_chatglm.ChatGLMForConditionalGeneration"
            config["auto_map"] |= {"AutoModel": code, "AutoModelForCausalLM": code}
            (folder / "config.json").write_text(json.dumps(config, indent=1))
            shutil.copy(HERE / "model.py", folder / "modeling_chatglm.py")


def _format_talks() -> str:
    return json.dumps({name: model.talks for name, model in MODELS.items()})


def _yolact(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save = (
        'import torch; torch.save({"mask.weight": torch.eye(8)}, "/out/yolact_im700_54_800000.pth")'
    )
    image, volume = docker_image.reference(), f"{folder}:/out"
    engine.docker("run", "--rm", "--network", "none", "-v", volume, image, PYTHON, "-c", save)


def _wheels() -> None:
    shutil.rmtree(WHEELS, ignore_errors=True)
    shutil.copytree(wheels.WHEELS, WHEELS)
    wheels.download(HERE / "wheels.txt", WHEELS)
    for name, version in EMPTY.items():
        _wheel(WHEELS, name, version)
    _wheel(WHEELS, "opencv_python", "4.8.0.74", {"cv2.py": (HERE / "cv2.py").read_text()})
    _wheel(paths.STORE, *CNDSP)


def _wheel(folder: Path, name: str, version: str, modules: dict[str, str] | None = None) -> None:
    """A package with some modules, or with nothing in it but its name."""
    about = f"{name}-{version}.dist-info"
    contents = {
        **(modules or {f"{name}_stand_in.py": ""}),
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*contents, f"{about}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in {**contents, f"{about}/RECORD": record}.items():
            # the same bytes each time
            wheel.writestr(zipfile.ZipInfo(path, (2023, 6, 19, 0, 0, 0)), text)
