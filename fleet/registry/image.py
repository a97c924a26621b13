"""An image as a registry has it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Blob:
    """A file in a registry.

    Attributes:
        digest: ``sha256:`` and the checksum of its bytes.
        size: bytes.
    """

    digest: str
    size: int


@dataclass(frozen=True)
class RegistryImage:
    """An image of a registry for one processor architecture.

    Attributes:
        config: its configuration as the registry has it; the checksum of this is the image's id.
        layers: archives of its layers, the lowest first.
        architecture: docker's name of the processor architecture.
        labels: the vendor's labels.
    """

    config: bytes
    layers: tuple[Blob, ...]
    architecture: str
    labels: dict[str, str]

    @property
    def id(self) -> str:
        """Docker's id of the image."""
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"

    @property
    def size(self) -> int:
        """Bytes of all layers as the registry has them."""
        return sum(layer.size for layer in self.layers)
