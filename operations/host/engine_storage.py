"""What a docker engine reports about its storage and the user that containers run as."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from fleet.errors import Failure
from fleet.language import _

_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([kKMGT]?i?B)")
_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


@dataclass(frozen=True)
class EngineStorage:
    """The fields of `docker info` that a decision depends on; empty if the engine is silent."""

    driver: str = ""
    #: "name=userns", "name=rootless", "name=seccomp,profile=default"
    security_options: tuple[str, ...] = ()
    #: reported by the storage driver: "Base Device Size" -> "10.74GB"
    status: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_docker_info(cls, driver: str, security_options: str, status: str) -> EngineStorage:
        """Parse three fields of `docker info`.

        Args:
            driver: `.Driver`, the name of the storage driver.
            security_options: `.SecurityOptions` as JSON.
            status: `.DriverStatus` as JSON.

        Raises:
            ValueError: The text is not what docker prints.
        """
        pairs = json.loads(status or "null") or []
        return cls(
            driver,
            tuple(str(option) for option in json.loads(security_options or "null") or []),
            {str(pair[0]).strip(): str(pair[1]) for pair in pairs if len(pair) == 2},
        )

    @property
    def uses_containerd(self) -> bool:
        """Whether containerd keeps the images.

        Image ids are then those of their manifests, and what was loaded stays beside what it was
        unpacked to.
        """
        return self.status.get("driver-type", "").startswith("io.containerd.snapshotter")

    def status_bytes(self, name: str) -> int | None:
        """Return a size in the status, such as "10.74GB", in bytes.

        Args:
            name: Name of the status field.

        Returns:
            None if the field is missing or not a size.
        """
        match = _SIZE.fullmatch(self.status.get(name, ""))
        if not match:
            return None
        return int(float(match[1]) * _UNITS[match[2].lower().replace("i", "")])


def check_image_support(storage: EngineStorage, unpacked: int) -> Failure | None:
    """Return why an engine that is otherwise as it should be cannot hold or run an image.

    Args:
        storage: What the engine reports.
        unpacked: Bytes of the image's files.
    """
    if any(option.startswith("name=userns") for option in storage.security_options):
        sentence = _("docker runs containers as another user than root (userns-remap)")
        return Failure("USERNS_REMAP", sentence)
    if any(option.startswith("name=rootless") for option in storage.security_options):
        return Failure("ROOTLESS", _("docker info says name=rootless"))
    if storage.status.get("Supports d_type") == "false":
        filesystem = storage.status.get("Backing Filesystem", "?")
        sentence = _(
            "storage driver {driver} on {filesystem}: Supports d_type: false",
            driver=storage.driver,
            filesystem=filesystem,
        )
        return Failure("XFS_FTYPE", sentence)
    if storage.driver == "devicemapper":
        return _check_devicemapper(storage, unpacked)
    return None


def _check_devicemapper(storage: EngineStorage, unpacked: int) -> Failure | None:
    base = storage.status_bytes("Base Device Size")
    if base is not None and base < unpacked:
        sentence = _(
            "Base Device Size is {size} (dm.basesize), the image has about {unpacked:,} bytes",
            size=storage.status["Base Device Size"],
            unpacked=unpacked,
        )
        return Failure("DM_BASESIZE", sentence)
    free = storage.status_bytes("Data Space Available")
    if free is not None and free < unpacked:
        sentence = _(
            "devicemapper's pool has {free:,} bytes free, {unpacked:,} are needed",
            free=free,
            unpacked=unpacked,
        )
        return Failure("NO_SPACE", sentence)
    return None
