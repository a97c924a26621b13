"""What a docker engine says of where it puts images, and of whom it runs containers as."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from fleet.errors import Failure

_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([kKMGT]?i?B)")
_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


@dataclass(frozen=True)
class EngineStorage:
    """`docker info`, as far as it decides anything; empty for an engine that is silent."""

    driver: str = ""
    #: "name=userns", "name=rootless", "name=seccomp,profile=default"
    security_options: tuple[str, ...] = ()
    #: of the storage driver: "Base Device Size" -> "10.74GB"
    status: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_docker_info(cls, driver: str, security: str, status: str) -> EngineStorage:
        """:raises ValueError: it is not what docker prints"""
        pairs = json.loads(status or "null") or []
        return cls(
            driver,
            tuple(str(one) for one in json.loads(security or "null") or []),
            {str(pair[0]).strip(): str(pair[1]) for pair in pairs if len(pair) == 2},
        )

    @property
    def uses_containerd(self) -> bool:
        """Whether containerd keeps the images: ids are of their manifests then, and what was
        loaded stays beside what it was unpacked to."""
        return self.status.get("driver-type", "").startswith("io.containerd.snapshotter")

    def status_bytes(self, name: str) -> int | None:
        """Bytes that its status says: "10.74GB"."""
        found = re.fullmatch(
            r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([kKMGT]?i?B)", self.status.get(name, "")
        )
        if not found:
            return None
        unit = found[2].lower().replace("i", "")
        return int(float(found[1]) * _UNITS[unit])


def check_image_support(storage: EngineStorage, unpacked: int) -> Failure | None:
    """Why an engine that is as it should be otherwise cannot hold or run the image.

    :param unpacked: bytes of the image's files
    """
    if any(one.startswith("name=userns") for one in storage.security_options):
        said = "docker runs containers as another user than root (userns-remap)"
        return Failure("USERNS_REMAP", said)
    if any(one.startswith("name=rootless") for one in storage.security_options):
        return Failure("ROOTLESS", "docker info says name=rootless")
    if storage.status.get("Supports d_type") == "false":
        said = f"storage driver {storage.driver} on {storage.status.get('Backing Filesystem', '?')}"
        return Failure("XFS_FTYPE", f"{said}: Supports d_type: false")
    base = storage.status_bytes("Base Device Size")
    if storage.driver == "devicemapper" and base is not None and base < unpacked:
        said = f"Base Device Size is {storage.status['Base Device Size']} (dm.basesize)"
        return Failure("DM_BASESIZE", f"{said}, the image has about {unpacked:,} bytes")
    free = storage.status_bytes("Data Space Available")
    if storage.driver == "devicemapper" and free is not None and free < unpacked:
        said = f"devicemapper's pool has {free:,} bytes free, {unpacked:,} are needed"
        return Failure("NO_SPACE", said)
    return None
