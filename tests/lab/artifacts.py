"""What vendor and upstreams would deliver, except drivers: `python -m tests.lab.artifacts`."""

import sys

from tests.lab import paths
from tests.lab.steps import LabError
from tests.lab.vendor import (
    docker_image,
    docker_packages,
    light_images,
    upstreams,
    weights,
    wheels,
)


def build() -> None:
    """Make what is missing or outdated in the store and among the upstreams.

    Raises:
        LabError: something cannot be had or made; the message says what to do.
    """
    paths.STORE.mkdir(parents=True, exist_ok=True)
    for part in (upstreams, wheels, docker_image, light_images, docker_packages, weights):
        part.build()


if __name__ == "__main__":
    try:
        build()
    except LabError as error:
        sys.exit(f"lab: {error}")
