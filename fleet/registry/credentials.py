"""Logins of registries, in the files in which docker and podman keep them.

A login file is docker's config.json, or two lines: the user and the password (or token).
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.secret_files import MAX_BYTES, read_private_file

#: host data key with the login file of hosts
LOGIN_KEY = "registry_login"
#: docker's names of its own registry
DOCKER_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True)
class Credentials:
    """User and password of a registry.

    Attributes:
        user: name of the user.
        password: password or access token; a secret.
    """

    user: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """Value of an Authorization header."""
        return f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


def load_host_login(data: Mapping[str, Any] | Any, host: str) -> Credentials | None:
    """Load the login that a host's data names.

    Args:
        data: host data; a mapping, or pyinfra's host data with a `get` method.
        host: name of the registry.

    Returns:
        The login; None if the data name no file.

    Raises:
        InvalidInput: the file is missing, invalid, readable by others, or has no login for the
            registry. The message quotes nothing of it.
    """
    if not (name := str(data.get(LOGIN_KEY) or "")):
        return None
    content = read_private_file(name, f"{field}: {name}")
    found = _find_login(content, name, host)
    if found is None:
        raise InvalidInput(
            _(
                "{field}: {name} has no login for {host}: add one, for example "
                "with `docker --config FOLDER login {host}`",
                field=LOGIN_KEY,
                name=name,
                host=host,
            )
        )
    return found


def find_own(host: str) -> Credentials | None:
    """Find the login that this machine's user has for a registry.

    Args:
        host: name of the registry.

    Returns:
        The login of the first file that has one: ``REGISTRY_AUTH_FILE``, podman's and docker's own.
        None for an anonymous access.

    Raises:
        InvalidInput: one of the files is invalid.
    """
    for path in _list_own_files():
        if path.is_file() and (found := _find_login(_read_file(path), path, host)):
            return found
    return None


def _list_own_files() -> Iterator[Path]:
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers/auth.json"
    yield Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser() / "config.json"


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from error


def _find_login(content: bytes, path: str | Path, host: str) -> Credentials | None:
    try:
        text = content.decode()
        if text.lstrip().startswith("{"):
            return _find_entry(json.loads(text), host)
    except (ValueError, TypeError, AttributeError, RecursionError):
        # without the reason, which may quote the file
        raise InvalidInput(
            _("{path}: not a file with logins as docker writes it", path=path)
        ) from None
    lines = text.splitlines()
    if len(lines) != 2 or not all(lines) or re.search(r"[\x00-\x1f:]", lines[0]):
        raise InvalidInput(
            _(
                "{path}: expected docker's config.json, or two lines: the user and the password",
                path=path,
            )
        )
    return Credentials(*lines)


def _find_entry(document: Any, host: str) -> Credentials | None:
    """Find the login for a registry in docker's config.json."""
    for key, entry in (document.get("auths") or {}).items():
        name = re.sub(r"^https?://", "", key).partition("/")[0]
        if name == host or {name, host} <= set(DOCKER_HUB_NAMES):
            if encoded := entry.get("auth"):
                user, colon, password = b64decode(encoded).decode().rstrip("\0").partition(":")
            else:
                user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
                colon = ":" if user and password else ""
            if colon and not re.search(r"[\r\n\x00]", user + password):
                return Credentials(user, password)
    return None
