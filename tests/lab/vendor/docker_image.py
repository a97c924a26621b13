"""The vendor's PyTorch image, and the file in which the vendor delivers it."""

import shutil
import subprocess
from pathlib import Path

from tests.lab import base, engine, paths
from tests.lab.steps import LabError, digest
from tests.lab.vendor.once import once
from tests.lab.vendor.run import run

CONTEXT = Path(__file__).with_name("image")
TAG = "v1.13.0-torch1.9-ubuntu18.04-py37"
REFERENCE = f"yellow.hub.cambricon.com/pytorch/pytorch:{TAG}"
FILE = paths.STORE / f"pytorch-{TAG}.tar.gz"
CHECKSUM = FILE.with_name(f"{FILE.name}.md5sum")


def build() -> None:
    """Put the image file and its checksum into the store.

    Raises:
        LabError: the image cannot be built or saved.
    """
    once("vendor image", key(), [FILE, CHECKSUM], _save)


def key() -> str:
    """Digest of what the image is made from."""
    image = base.image()
    return digest(CONTEXT, Path(__file__), image, base.key(image) or "")


def reference() -> str:
    """The image in the engine of the controller, loaded again where it was removed.

    Returns:
        Its reference.

    Raises:
        LabError: it cannot be built, saved or loaded.
    """
    build()
    if base.key(REFERENCE) is None:
        engine.docker("load", "--input", str(FILE))
    return REFERENCE


def _save() -> None:
    argument = f"BASE={base.image()}"
    engine.docker(
        "build",
        "--force-rm",
        "--tag",
        REFERENCE,
        "--build-arg",
        argument,
        str(CONTEXT),
        timeout=1800,
    )
    part = paths.BUILD / "image.part"
    # as fast as it goes, on all cores where pigz is there: the file only travels over this machine
    pack = [shutil.which("pigz") or "gzip", "-1", "-n"]
    with open(part, "wb") as file:
        saved = subprocess.Popen(["docker", "save", REFERENCE], stdout=subprocess.PIPE)
        packed = subprocess.run(pack, stdin=saved.stdout, stdout=file)
        if saved.wait() or packed.returncode:
            raise LabError(f"docker save {REFERENCE} failed; is the disk full?")
    total = run("md5sum", str(part)).split()[0]
    part.rename(FILE)
    CHECKSUM.unlink(missing_ok=True)  # another lab may share the file by a hard link
    CHECKSUM.write_text(f"{total}  {FILE.name}\n")
