"""What docker on this machine is told about registries: their CAs, and which have no TLS."""

from __future__ import annotations

import json
import ssl
from contextlib import suppress
from pathlib import Path

#: where docker looks for the CAs of registries, and for registries without TLS
CERTIFICATES_FOLDER, DAEMON_FILE = Path("/etc/docker/certs.d"), Path("/etc/docker/daemon.json")


def create_tls_context(host: str) -> ssl.SSLContext:
    """Create a TLS context with the CAs of the system and of docker on this machine.

    Args:
        host: the registry, with its port if it has one.
    """
    context = ssl.create_default_context()
    for path in sorted((CERTIFICATES_FOLDER / host).glob("*.crt")):
        with suppress(OSError, ssl.SSLError):
            context.load_verify_locations(path)
    return context


def allows_plain_http(host: str) -> bool:
    """Tell whether docker on this machine would use a registry without TLS.

    Args:
        host: the registry, with its port if it has one.
    """
    name = host.partition(":")[0]
    if name == "localhost" or name.startswith("127."):
        return True
    with suppress(OSError, ValueError, AttributeError):
        return host in (json.loads(DAEMON_FILE.read_text()).get("insecure-registries") or ())
    return False
