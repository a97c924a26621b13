"""The host image: one Dockerfile, built once for each package family."""

from pathlib import Path

from tests.lab import base, engine
from tests.lab.steps import digest, lock, step

CONTEXT = Path(__file__).with_name("host")


def image(family: str) -> str:
    """The image that hosts of a package family start from, built when its sources changed.

    Args:
        family: of packages, "deb" or "rpm".

    Returns:
        Its reference.

    Raises:
        LabError: it cannot be built.
    """
    below = base.image()
    reference = f"mlufleet-lab/host:{family}"
    with lock("image", everywhere=True):
        wanted = digest(CONTEXT, below, base.key(below) or "", family)
        if base.key(reference) != wanted:
            with step(f"build the host image ({family})"):
                engine.docker(
                    "build",
                    "--network",
                    "host",
                    "--tag",
                    reference,
                    "--build-arg",
                    f"BASE={below}",
                    "--build-arg",
                    f"FAMILY={family}",
                    "--label",
                    f"{base.LABEL}={wanted}",
                    str(CONTEXT),
                    timeout=1800,
                )
    return reference
