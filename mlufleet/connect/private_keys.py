"""The private key of a login: one that can be used, or why not, before the first connection."""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path
from typing import Any

from fleet.inventory.pyinfra_errors import InputError

#: of OpenSSH's own format, after its two lines of dashes
OPENSSH_MAGIC = b"openssh-key-v1\0"
BEGIN, END = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"


class KeyProblem(InputError):
    """A private key that no login can be made with."""


def provide_key(state: Any, data: Any) -> None:
    """Give pyinfra the key of a host's `ssh_key`, which it would ask a passphrase for.

    :raises KeyProblem: it cannot be used
    """
    name = data["ssh_key"]
    if name and name not in state.private_keys:
        state.private_keys[name] = load(str(name), data["ssh_key_password"] or "")


@lru_cache
def load(name: str, password: str = "") -> Any:
    """A key from its file; from ssh-agent, where it has a passphrase that is not given.

    :raises KeyProblem: it cannot be used
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
            raise KeyProblem(f"{name} cannot be opened with ssh_key_password") from error
        if "is encrypted" not in str(error):
            raise KeyProblem(f"{name}: {_describe_unusable(text)}") from error
    if key := _agent_key(_public_half(path, text)):
        return key
    raise KeyProblem(
        f"{name} has a passphrase, and ssh-agent does not hold it: `ssh-add {name}` before the run"
    )


def _read_key_text(name: str, path: Path) -> str:
    """:raises KeyProblem: it cannot be read"""
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise KeyProblem(f"no file {name}") from None
    except UnicodeDecodeError:
        raise KeyProblem(f"{name} is no private key") from None
    except OSError as error:
        raise KeyProblem(f"{name} cannot be read: {error.strerror}") from None


def _describe_unusable(text: str) -> str:
    """What a file is that is no usable private key."""
    first = text.lstrip().partition("\n")[0]
    if first.startswith(("ssh-", "ecdsa-", "sk-", "---- BEGIN SSH2 PUBLIC")):
        return "this is the public key: name the private one, without .pub"
    if first.startswith("PuTTY-User-Key-File"):
        return "this is a key of PuTTY: `puttygen KEY -O private-openssh -o NEW` makes a usable one"
    if "DSA PRIVATE KEY" in first and "EC" not in first:
        return "this is a DSA key, which no current sshd takes: make an ed25519 one"
    if "PRIVATE KEY-----" in first:
        return "this private key is cut off, spoilt, or of a kind that is not known"
    return "this is no private key"


def _public_half(path: Path, text: str) -> bytes:
    """The public half of a key that is encrypted; b"" where it cannot be told."""
    try:
        if BEGIN in text:
            inner = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
            rest = base64.b64decode(inner).removeprefix(OPENSSH_MAGIC)
            for _ in range(3):  # cipher, key derivation and its options
                rest = rest[4 + int.from_bytes(rest[:4], "big") :]
            return rest[8 : 8 + int.from_bytes(rest[4:8], "big")]
        return base64.b64decode(Path(f"{path}.pub").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return b""


def _agent_key(public: bytes) -> Any:
    """The key of ssh-agent with this public half, if there is one."""
    from paramiko import Agent, SSHException

    if not public:
        return None
    try:
        found = next((key for key in Agent().get_keys() if key.asbytes() == public), None)
    except (SSHException, OSError):
        return None
    return _serialize_signing(found) if found else None


def _serialize_signing(key: Any) -> Any:
    """Hosts that log in together share one connection to the agent: one asks after the other."""
    from gevent.lock import BoundedSemaphore

    sign, turn = key.sign_ssh_data, BoundedSemaphore()

    def signed(*arguments: Any, **named: Any) -> Any:
        with turn:
            return sign(*arguments, **named)

    key.sign_ssh_data = signed
    return key
