"""Signatures with OpenSSH keys, agents and files of allowed signers."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from fleet.errors import CodedInputError, InvalidInput
from fleet.language import _

NAMESPACE = "mlu-fleet-bundle"


def sign_content(content: bytes, key: Path) -> bytes:
    """Sign bytes.

    Args:
        content: the bytes.
        key: a private key, or the public key of a key in the agent.

    Returns:
        The signature.

    Raises:
        InvalidInput: the key cannot be used.
    """
    done = _run_ssh_keygen("sign", "-f", str(key), "-n", NAMESPACE, content=content)
    if done.returncode:
        raise InvalidInput(_("{key}: cannot sign: {output}", key=key, output=_format_output(done)))
    return done.stdout


def find_signer(content: bytes, signature: bytes, allowed: Path) -> str:
    """Verify a signature.

    Args:
        content: the signed bytes.
        signature: the signature.
        allowed: file of allowed signers; see ssh-keygen(1).

    Returns:
        Name of the signer.

    Raises:
        CodedInputError: no allowed signer has signed these bytes.
        InvalidInput: there is no file of allowed signers.
    """
    if not allowed.is_file():
        raise InvalidInput(_("{allowed}: no such file of allowed signers", allowed=allowed))
    with tempfile.NamedTemporaryFile(suffix=".sig") as file:
        file.write(signature)
        file.flush()
        common = ("-s", file.name, "-n", NAMESPACE, "-f", str(allowed))
        principals = _run_ssh_keygen("find-principals", *common)
        if principals.returncode:
            # if no key at all matches, the signature itself is damaged
            any_key = _run_ssh_keygen("check-novalidate", *common[:4], content=content)
            if any_key.returncode:
                raise CodedInputError("BUNDLE_SIGNATURE", _format_output(any_key))
            raise CodedInputError("BUNDLE_SIGNER", _format_output(principals))
        for name in principals.stdout.decode(errors="replace").splitlines():
            done = _run_ssh_keygen("verify", *common, "-I", name, content=content)
            if not done.returncode:
                return name
        raise CodedInputError("BUNDLE_SIGNATURE", _format_output(done))


def _run_ssh_keygen(
    operation: str, *words: str, content: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    command = ["ssh-keygen", "-Y", operation, *words]
    try:
        return subprocess.run(command, input=content, capture_output=True)
    except FileNotFoundError as error:
        raise InvalidInput(
            _("ssh-keygen is not installed: apt-get install openssh-client")
        ) from error


def _format_output(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join((done.stderr or done.stdout).decode(errors="replace").split())
