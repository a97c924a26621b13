"""Why a host could not be connected to, as a failure with a code of its own."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator

from paramiko import (
    AuthenticationException,
    BadHostKeyException,
    PasswordRequiredException,
    PKey,
    SSHException,
)
from paramiko.ssh_exception import IncompatiblePeer

from fleet.errors import Failure
from mlufleet.connect.jump_hosts import CommandError, JumpError
from mlufleet.connect.private_keys import KeyProblem

#: what an `ssh` that is a ProxyCommand says of its host -> code
PROXY_COMMAND_ERRORS = {
    "HOST IDENTIFICATION HAS CHANGED": "HOST_KEY_CHANGED",
    "host key is known for": "HOST_KEY_UNKNOWN",
    "Permission denied (": "AUTH",
}


def key_fingerprint(key: PKey) -> str:
    """As `ssh-keygen -l` shows it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it came from, the last first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def classify_connect_error(error: BaseException | None, tail: tuple[str, ...]) -> Failure:
    """What pyinfra's connection error means.

    :param error: the exception, whose cause is paramiko's own; None: nothing is known
    :param tail: what pyinfra logged of the host
    """
    at = ""
    for cause in exception_chain(error):
        if isinstance(cause, JumpError):
            at = f"jump host {cause.name}: "
        if found := _classify_exception(cause):
            code, detail = found
            return Failure(code, f"{at}{detail}", tail)
    return Failure("UNREACHABLE", tail[-1] if tail else "", tail)


def _classify_exception(cause: BaseException) -> tuple[str, str] | None:
    """(code, detail) of one exception that is clear enough."""
    if isinstance(cause, BadHostKeyException):
        shown, known = key_fingerprint(cause.key), key_fingerprint(cause.expected_key)
        return "HOST_KEY_CHANGED", f"it shows {shown}, known is {known}"
    if isinstance(cause, (KeyProblem, PasswordRequiredException)):
        return "SSH_KEY", str(cause)
    if isinstance(cause, AuthenticationException):
        # so says paramiko where the connection ended before the host had answered
        ended = str(cause).endswith("transport shut down or saw EOF")
        return "UNREACHABLE" if ended else "AUTH", str(cause)
    if isinstance(cause, IncompatiblePeer):
        return "SSH_ALGORITHMS", str(cause)
    if isinstance(cause, CommandError):
        return _classify_proxy_output(str(cause))
    if isinstance(cause, SSHException) and not isinstance(cause, JumpError):
        found = re.search(r"No host key for \S+.*", str(cause))
        return ("HOST_KEY_UNKNOWN", found[0]) if found else None
    return None


def _classify_proxy_output(said: str) -> tuple[str, str]:
    lines = said.splitlines()
    for words, code in PROXY_COMMAND_ERRORS.items():
        if found := next((line for line in lines if words in line), ""):
            offending = " ".join(line for line in lines if line.startswith("Offending"))
            return code, f"ProxyCommand: {found.strip('@ ')} {offending}".strip()
    return "UNREACHABLE", f"ProxyCommand: {lines[-1]}"
