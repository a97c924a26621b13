"""A host set up by hand, as the tutorial has it: real commands, and no tool of this project."""

from __future__ import annotations

from pathlib import Path

from tests.lab import engine, hosts, paths
from tests.lab.systems import BY_NAME

SCRIPT = Path(__file__).with_suffix(".sh")
#: the folder of the tutorial's checkouts, and the container that its user made
WORK = "/data/github/dev-env-ubuntu/pytorch1.9/baichuan"
CONTAINER = "container-pytorch-v1.13.0-torch1.9-ubuntu18.04-py37-kang"
IMAGE = "pytorch-v1.13.0-torch1.9-ubuntu18.04-py37.tar.gz"


def download(host: str, *, image: str = IMAGE) -> None:
    """Put onto a host what its user has downloaded: driver package, image, weights, wheels.

    Args:
        host: its name.
        image: name of the archive in the store.
    """
    kind = BY_NAME[hosts.found()[host].kind]
    package = {
        "deb": f"cambricon-mlu-driver-{kind.driver}-dkms_5.10.10_amd64.deb",
        "rpm": f"cambricon-mlu-driver-{kind.driver}-5.10.10-{kind.release}.x86_64.rpm",
    }[kind.family]
    hosts.run(host, "mkdir -p /data/baidudisk /data/ftp/git")
    for source, target in {
        paths.STORE / package: "/root",
        paths.STORE / image: "/data/baidudisk",
        paths.STORE / "weights/baichuan-7B": "/data/baidudisk",
        paths.STORE / "wheels": "/data/ftp",
        **{bare: "/data/ftp/git" for bare in paths.UPSTREAM.glob("*.git")},
    }.items():
        engine.docker("cp", str(source), f"{hosts.PREFIX}{host}:{target}/")


def follow(host: str, *parts: str) -> str:
    """Do what the tutorial says.

    Args:
        host: its name; what is to be downloaded has been.
        parts: of the tutorial, as in the script; all of it by default.

    Returns:
        What the terminal showed.
    """
    script = SCRIPT.read_text()
    return hosts.run(host, f"exec bash -s {' '.join(parts)}", given=script, timeout=600)
