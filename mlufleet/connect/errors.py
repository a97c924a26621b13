"""Failure codes of connections that could not be made."""

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
from fleet.language import Message, _, text_of
from mlufleet.connect.jump_hosts import CommandError, JumpError
from mlufleet.connect.private_keys import KeyProblem

#: Part of an error message of `ssh`, used as ProxyCommand, -> failure code.
PROXY_COMMAND_ERRORS = {
    "HOST IDENTIFICATION HAS CHANGED": "HOST_KEY_CHANGED",
    "host key is known for": "HOST_KEY_UNKNOWN",
    "Permission denied (": "AUTH",
}


def key_fingerprint(key: PKey) -> str:
    """Return the fingerprint of a host key as `ssh-keygen -l` prints it.

    Args:
        key: The host key.
    """
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and its causes, the outermost first.

    Args:
        error: The exception; None yields nothing.
    """
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def classify_connect_error(error: BaseException | None, tail: tuple[str, ...]) -> Failure:
    """Turn a failed connection into a failure with a code.

    Args:
        error: pyinfra's exception, whose cause is paramiko's own; None if there was none.
        tail: The last lines that pyinfra logged for the host.

    Returns:
        The failure; its code is UNREACHABLE if the cause is not known any closer.
    """
    jump = ""
    for cause in exception_chain(error):
        if isinstance(cause, JumpError):
            jump = cause.name
        if found := _classify_exception(cause):
            code, detail = found
            if jump:
                detail = _("jump host {name}: {reason}", name=jump, reason=detail)
            return Failure(code, detail, tail)
    return Failure("UNREACHABLE", _find_english(tail[-1], error) if tail else "", tail)


def _find_english(line: str, error: BaseException | None) -> str:
    """Return a logged line as a message, if it quotes the message of one of the exceptions."""
    for cause in exception_chain(error):
        text = text_of(cause)
        if isinstance(text, Message) and text in line:
            return Message(line, line.replace(text, text.source))
    return line


def _classify_exception(cause: BaseException) -> tuple[str, str] | None:
    """Return the code and the detail of one exception, or None if it is not specific."""
    if isinstance(cause, BadHostKeyException):
        shown, known = key_fingerprint(cause.key), key_fingerprint(cause.expected_key)
        return "HOST_KEY_CHANGED", _(
            "the host presented {shown}, expected {known}", shown=shown, known=known
        )
    if isinstance(cause, (KeyProblem, PasswordRequiredException)):
        return "SSH_KEY", text_of(cause)
    if isinstance(cause, AuthenticationException):
        # paramiko raises this also if the connection ended before the host answered
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


def _classify_proxy_output(output: str) -> tuple[str, str]:
    lines = output.splitlines()
    for words, code in PROXY_COMMAND_ERRORS.items():
        if message := next((line for line in lines if words in line), ""):
            offending = " ".join(line for line in lines if line.startswith("Offending"))
            return code, f"ProxyCommand: {message.strip('@ ')} {offending}".strip()
    return "UNREACHABLE", f"ProxyCommand: {lines[-1]}"
