"""Two small images, one the successor of the other, as files in the store."""

from pathlib import Path

from tests.lab import base, engine, paths
from tests.lab.steps import digest
from tests.lab.vendor.once import once

CONTEXT = Path(__file__).with_name("light")
VERSIONS = ("v1", "v2")


def file(version: str) -> Path:
    return paths.STORE / f"light-{version}.tar"


def build() -> None:
    """Put both image files into the store.

    Raises:
        LabError: an image cannot be built or saved.
    """
    image = base.image()
    key = digest(CONTEXT, Path(__file__), image, base.key(image) or "")
    once("light images", key, [file(version) for version in VERSIONS], lambda: _make(image))


def _make(image: str) -> None:
    for version in VERSIONS:
        reference = f"registry.lab/light:{version}"
        engine.docker(
            "build",
            "--force-rm",
            "--tag",
            reference,
            "--build-arg",
            f"BASE={image}",
            "--build-arg",
            f"VERSION={version}",
            str(CONTEXT),
            timeout=600,
        )
        engine.docker("save", "--output", str(file(version)), reference)
