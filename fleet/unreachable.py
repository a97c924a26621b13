"""Why a host could not be connected to, as a failure with a code of its own."""

from __future__ import annotations

import base64
import hashlib

from paramiko import AuthenticationException, BadHostKeyException, PKey

from fleet.failures import Failure


def fingerprint(key: PKey) -> str:
    """As `ssh-keygen -l` shows it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def failure(error: BaseException | None, tail: tuple[str, ...]) -> Failure:
    """What pyinfra's connection error means.

    :param error: the exception, whose cause is paramiko's own; None: nothing is known
    :param tail: what pyinfra logged of the host
    """
    cause = error
    while cause is not None:
        if isinstance(cause, BadHostKeyException):
            shown, known = fingerprint(cause.key), fingerprint(cause.expected_key)
            return Failure("HOST_KEY_CHANGED", f"it shows {shown}, known is {known}", tail)
        if isinstance(cause, AuthenticationException):
            return Failure("AUTH", str(cause), tail)
        if "No host key for" in str(cause):
            return Failure("HOST_KEY_UNKNOWN", str(cause), tail)
        cause = cause.__cause__ or cause.__context__
    return Failure("UNREACHABLE", tail[-1] if tail else "", tail)
