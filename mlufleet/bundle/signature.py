"""Signatures by OpenSSH's own keys, agents and lists of allowed signers."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from fleet.errors import InvalidInput, Refused

NAMESPACE = "mlu-fleet-bundle"


def sign(content: bytes, key: Path) -> bytes:
    """:param key: a private key, or the public one of a key in the agent

    :raises InvalidInput: it cannot sign
    """
    done = _keygen("sign", "-f", str(key), "-n", NAMESPACE, given=content)
    if done.returncode:
        raise InvalidInput(f"{key}: cannot sign: {_said(done)}")
    return done.stdout


def signer(content: bytes, signature: bytes, allowed: Path) -> str:
    """Who of the allowed signers (see ssh-keygen(1)) has signed this.

    :raises Refused: nobody of them has
    """
    if not allowed.is_file():
        raise InvalidInput(f"{allowed}: no file of allowed signers")
    with tempfile.NamedTemporaryFile(suffix=".sig") as file:
        file.write(signature)
        file.flush()
        common = ("-s", file.name, "-n", NAMESPACE, "-f", str(allowed))
        found = _keygen("find-principals", *common)
        if found.returncode:
            # not of the key's, of anybody's? then the signature itself is spoilt
            any_key = _keygen("check-novalidate", *common[:4], given=content)
            code = "BUNDLE_SIGNATURE" if any_key.returncode else "BUNDLE_SIGNER"
            raise Refused(code, _said(found if code == "BUNDLE_SIGNER" else any_key))
        for name in found.stdout.decode(errors="replace").splitlines():
            done = _keygen("verify", *common, "-I", name, given=content)
            if not done.returncode:
                return name
        raise Refused("BUNDLE_SIGNATURE", _said(done))


def _keygen(what: str, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["ssh-keygen", "-Y", what, *words], input=given, capture_output=True)
    except FileNotFoundError as error:
        raise InvalidInput("ssh-keygen is not installed: apt-get install openssh-client") from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join((done.stderr or done.stdout).decode(errors="replace").split())
