"""Small images as files in the store: two versions of one, and one that has a server."""

from dataclasses import dataclass
from pathlib import Path

from tests.lab import base, engine, paths
from tests.lab.steps import digest
from tests.lab.vendor.once import once

CONTEXT = Path(__file__).with_name("light")


@dataclass(frozen=True)
class Image:
    """An image: its name, the stage of the Dockerfile that makes it, and its version."""

    name: str
    stage: str
    version: str

    @property
    def file(self) -> Path:
        return paths.STORE / f"{self.name}-{self.version}.tar"

    @property
    def reference(self) -> str:
        return f"registry.lab/{self.name}:{self.version}"


IMAGES = (
    Image("light", "light", "v1"),
    Image("light", "light", "v2"),
    Image("light-serving", "serving", "v1"),
)


def build() -> None:
    """Put the image files into the store.

    Raises:
        LabError: an image cannot be built or saved.
    """
    image = base.image()
    key = digest(CONTEXT, Path(__file__), image, base.key(image) or "")
    once("light images", key, [each.file for each in IMAGES], lambda: _make(image))


def _make(image: str) -> None:
    for each in IMAGES:
        arguments = {"BASE": image, "VERSION": each.version}
        engine.docker(
            "build",
            "--force-rm",
            *("--target", each.stage, "--tag", each.reference),
            *(word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))),
            str(CONTEXT),
            timeout=600,
        )
        part = each.file.with_suffix(".part")
        engine.docker("save", "--output", str(part), each.reference)
        part.replace(each.file)  # another lab may share the file by a hard link
