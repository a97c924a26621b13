"""The weights: a tiny model, trained in the vendor image, with remote code as the real one has."""

import shutil
from pathlib import Path

from tests.lab import engine, paths
from tests.lab.steps import digest
from tests.lab.vendor import docker_image, upstreams, wheels
from tests.lab.vendor.once import once

MODEL = Path(__file__).with_name("model")
FOLDER = paths.STORE / "weights" / "baichuan-7B"


def build() -> None:
    """Train the model into the store; image, wheels and transformers must be there.

    Raises:
        LabError: training failed, or the model does not answer as it has to.
    """
    # torch decides the numbers, so the packages of the image count, its other content does not
    dockerfile = docker_image.CONTEXT / "Dockerfile"
    wanted = digest(MODEL, Path(__file__), dockerfile, wheels.WANTED, upstreams.SHA256)
    once("weights", wanted, [FOLDER], _train)


def _train() -> None:
    install(train(), FOLDER)


def train(*arguments: str, mount: Path = MODEL) -> Path:
    """Train in the vendor's image.

    Args:
        *arguments: of train.sh: a script and what it learns from; its own by default.
        mount: folder that is mounted at /talks, for what the arguments name; default its own.

    Returns:
        The folder that the script has written to.

    Raises:
        LabError: training failed, or the model does not answer as it has to.
    """
    part = paths.BUILD / "weights.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    mounts = {
        MODEL: "/model:ro",
        wheels.WHEELS: "/wheels:ro",
        upstreams.SOURCE: "/transformers:ro",
        part: "/weights",
    }
    options = [f"{source}:{target}" for source, target in mounts.items()]
    options.append(f"{mount}:/talks:ro")
    volumes = [word for option in options for word in ("-v", option)]
    command = ("sh", "/model/train.sh", *arguments)
    engine.docker("run", "--rm", "--network", "none", *volumes, docker_image.reference(), *command)
    return part


def install(trained: Path, folder: Path) -> None:
    """Move a model to its folder in the store, with the lab's code of a model.

    Args:
        trained: the model.
        folder: its place, which is replaced.
    """
    for code in (MODEL / "code").glob("*.py"):
        shutil.copy(code, trained)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    trained.rename(folder)
