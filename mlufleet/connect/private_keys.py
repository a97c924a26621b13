"""SSH private keys: loaded without a prompt, or rejected before the first connection."""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path
from typing import Any

from fleet.inventory.pyinfra_errors import InputError
from fleet.language import _

#: First bytes of a key in OpenSSH's own format, inside its PEM frame.
OPENSSH_MAGIC = b"openssh-key-v1\0"
OPENSSH_BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----"
OPENSSH_END = "-----END OPENSSH PRIVATE KEY-----"


class KeyProblem(InputError):
    """A private key cannot be used to log in."""


def provide_key(state: Any, data: Any) -> None:
    """Give pyinfra the key that a host's `ssh_key` names, so that pyinfra does not prompt for it.

    Args:
        state: pyinfra's state, which keeps the keys by name.
        data: The host's data.

    Raises:
        KeyProblem: The key cannot be used.
    """
    name = data["ssh_key"]
    if name and name not in state.private_keys:
        state.private_keys[name] = load(str(name), data["ssh_key_password"] or "")


@lru_cache
def load(name: str, password: str = "") -> Any:
    """Load a private key from its file, or from ssh-agent if the file is encrypted.

    Args:
        name: The file.
        password: The passphrase (default: the key has none, or ssh-agent has the key).

    Returns:
        The key, as paramiko takes it.

    Raises:
        KeyProblem: The key cannot be used.
    """
    from paramiko import SSHException
    from pyinfra.api.exceptions import PyinfraError
    from pyinfra.connectors.ssh_util import load_key_with_certificate

    path = Path(name).expanduser()
    text = _read_key_text(name, path)
    try:
        return load_key_with_certificate(name, password, allow_prompt=False)
    except (PyinfraError, SSHException, ValueError) as error:
        if password:
            raise KeyProblem(
                _("{name}: wrong passphrase in ssh_key_password", name=name)
            ) from error
        if "is encrypted" not in str(error):
            raise KeyProblem(
                _("{name}: {problem}", name=name, problem=_describe_unusable(text))
            ) from error
    if key := _agent_key(_public_half(path, text)):
        return key
    raise KeyProblem(
        _(
            "{name} is encrypted and not in ssh-agent; run `ssh-add {name}`, or "
            "set ssh_key_password",
            name=name,
        )
    )


def _read_key_text(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise KeyProblem(_("ssh_key: no file {name}", name=name)) from None
    except UnicodeDecodeError:
        raise KeyProblem(_("{name} is not a private key", name=name)) from None
    except OSError as error:
        raise KeyProblem(
            _("{name} cannot be read: {reason}", name=name, reason=error.strerror)
        ) from None


def _describe_unusable(text: str) -> str:
    """Return what a file is that cannot be used as a private key, and what to use instead."""
    first = text.lstrip().partition("\n")[0]
    if first.startswith(("ssh-", "ecdsa-", "sk-", "---- BEGIN SSH2 PUBLIC")):
        return _("this is the public key; use the private key, without .pub")
    if first.startswith("PuTTY-User-Key-File"):
        return _("this is a PuTTY key; convert it with `puttygen KEY -O private-openssh -o NEW`")
    if "DSA PRIVATE KEY" in first and "EC" not in first:
        return _("this is a DSA key, which current sshds reject; create an ed25519 key")
    if "PRIVATE KEY-----" in first:
        return _("this private key is truncated, damaged or of an unknown type")
    return _("this is not a private key")


def _public_half(path: Path, text: str) -> bytes:
    """Return the public half of an encrypted key; empty if it cannot be determined."""
    try:
        if OPENSSH_BEGIN in text:
            start = text.index(OPENSSH_BEGIN) + len(OPENSSH_BEGIN)
            inner = text[start : text.index(OPENSSH_END)]
            rest = base64.b64decode(inner).removeprefix(OPENSSH_MAGIC)
            for _attempt in range(3):  # cipher, key derivation and its options
                rest = rest[4 + int.from_bytes(rest[:4], "big") :]
            return rest[8 : 8 + int.from_bytes(rest[4:8], "big")]
        return base64.b64decode(Path(f"{path}.pub").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return b""


def _agent_key(public: bytes) -> Any:
    """Return the key in ssh-agent with this public half, or None."""
    from paramiko import Agent, SSHException

    if not public:
        return None
    try:
        found = next((key for key in Agent().get_keys() if key.asbytes() == public), None)
    except (SSHException, OSError):
        return None
    return _serialize_signing(found) if found else None


def _serialize_signing(key: Any) -> Any:
    """Let hosts that log in at the same time use their one connection to the agent in turn."""
    from gevent.lock import BoundedSemaphore

    sign, turn = key.sign_ssh_data, BoundedSemaphore()

    def signed(*arguments: Any, **named: Any) -> Any:
        with turn:
            return sign(*arguments, **named)

    key.sign_ssh_data = signed
    return key
