"""The name of an image in a registry."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override

#: name of a registry in references -> host that serves its API
API_HOSTS = {"docker.io": "registry-1.docker.io"}


@dataclass(frozen=True)
class Reference:
    """An image by its digest, such as ``harbor.example:8443/team/torch@sha256:…``.

    Attributes:
        host: name of the registry, with its port if it has one.
        name: repository in the registry.
        digest: of the image's manifest, or of an index of manifests.
    """

    host: str
    name: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a reference.

        Args:
            text: the value of `image.registry` of a release, which was validated with it.
        """
        name, _, digest = text.partition("@")
        host, _, name = name.partition("/")
        return cls(host, name, digest)

    @override
    def __str__(self) -> str:
        return f"{self.host}/{self.name}@{self.digest}"

    @property
    def api_host(self) -> str:
        """Host that serves the registry's API."""
        return API_HOSTS.get(self.host, self.host)
