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
    part = paths.BUILD / "weights.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    engine.docker(
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        f"{MODEL}:/model:ro",
        "-v",
        f"{wheels.WHEELS}:/wheels:ro",
        "-v",
        f"{upstreams.SOURCE}:/transformers:ro",
        "-v",
        f"{part}:/weights",
        docker_image.reference(),
        "sh",
        "/model/train.sh",
    )
    for code in (MODEL / "code").glob("*.py"):
        shutil.copy(code, part)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    part.rename(FOLDER)
