"""What a host needs for a registry, as its inventory data say: login, CA, whether TLS is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.registry import credentials
from fleet.registry.credentials import Credentials

#: host data keys with files on the controller
LOGIN_KEY, CA_KEY = credentials.LOGIN_KEY, "registry_ca"
FILE_KEYS = (LOGIN_KEY, CA_KEY)
MAX_CA_BYTES = 256 << 10
CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----"
)


@dataclass(frozen=True)
class RegistryAccess:
    """How a host reaches a registry.

    Attributes:
        login: user and password; None for root's own `docker login`, or an anonymous pull.
        ca: certificates of the site's CA in PEM format; empty if the inventory names none.
        is_insecure: whether docker may use the registry without TLS.
    """

    login: Credentials | None = None
    ca: bytes = b""
    is_insecure: bool = False


def load_access(data: Mapping[str, Any] | Any, registry: str) -> RegistryAccess:
    """Load what a host's data say about a registry.

    Args:
        data: host data with `registry_login`, `registry_ca` and `insecure_registries`; a mapping,
            or pyinfra's host data with a `get` method.
        registry: host and port of the registry.

    Returns:
        The access.

    Raises:
        InvalidInput: a file is missing or invalid, or the login file can be read by others.
    """
    return RegistryAccess(
        login=credentials.load_host_login(data, registry),
        ca=_load_ca(str(data.get(CA_KEY) or "")),
        is_insecure=registry in (data.get("insecure_registries") or ()),
    )


def _load_ca(name: str) -> bytes:
    if not name:
        return b""
    try:
        with Path(name).expanduser().open("rb") as file:
            content = file.read(MAX_CA_BYTES)
    except OSError as error:
        raise InvalidInput(f"{CA_KEY}: {name}: {error.strerror}") from error
    if not (found := CERTIFICATE.findall(content)):
        raise InvalidInput(
            _(
                "{field}: {name}: no certificate in PEM format (BEGIN CERTIFICATE)",
                field=CA_KEY,
                name=name,
            )
        )
    return b"".join(certificate + b"\n" for certificate in found)
