"""Signatures by OpenSSH's own keys, agents and lists of allowed signers."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from fleet.errors import CodedInputError, InvalidInput

NAMESPACE = "mlu-fleet-bundle"


def sign_content(content: bytes, key: Path) -> bytes:
    """:param key: a private key, or the public one of a key in the agent

    :raises InvalidInput: it cannot sign
    """
    done = _run_ssh_keygen("sign", "-f", str(key), "-n", NAMESPACE, given=content)
    if done.returncode:
        raise InvalidInput(f"{key}: cannot sign: {_format_output(done)}")
    return done.stdout


def find_signer(content: bytes, signature: bytes, allowed: Path) -> str:
    """Who of the allowed signers (see ssh-keygen(1)) has signed this.

    :raises Refused: nobody of them has
    """
    if not allowed.is_file():
        raise InvalidInput(f"{allowed}: no file of allowed signers")
    with tempfile.NamedTemporaryFile(suffix=".sig") as file:
        file.write(signature)
        file.flush()
        common = ("-s", file.name, "-n", NAMESPACE, "-f", str(allowed))
        found = _run_ssh_keygen("find-principals", *common)
        if found.returncode:
            # not of the key's, of anybody's? then the signature itself is spoilt
            any_key = _run_ssh_keygen("check-novalidate", *common[:4], given=content)
            code = "BUNDLE_SIGNATURE" if any_key.returncode else "BUNDLE_SIGNER"
            raise CodedInputError(
                code, _format_output(found if code == "BUNDLE_SIGNER" else any_key)
            )
        for name in found.stdout.decode(errors="replace").splitlines():
            done = _run_ssh_keygen("verify", *common, "-I", name, given=content)
            if not done.returncode:
                return name
        raise CodedInputError("BUNDLE_SIGNATURE", _format_output(done))


def _run_ssh_keygen(
    what: str, *words: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["ssh-keygen", "-Y", what, *words], input=given, capture_output=True)
    except FileNotFoundError as error:
        raise InvalidInput("ssh-keygen is not installed: apt-get install openssh-client") from error


def _format_output(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join((done.stderr or done.stdout).decode(errors="replace").split())
