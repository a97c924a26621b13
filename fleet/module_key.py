"""The site's key for kernel modules: hosts that take only signed ones must know its certificate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet.errors import InvalidInput

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

DATA_KEYS = ("signing_key", "signing_certificate")


@dataclass(frozen=True)
class ModuleKey:
    """A machine owner key (MOK) that DKMS signs with.

    :param key: private, PEM; a secret
    :param certificate: X.509, DER
    :param file: of the certificate, for messages
    :param identity: by which a kernel names it in /proc/keys, hex
    :param issued: issuer and serial number as a signature has them (RFC 5652, 10.2.4), hex
    """

    key: bytes = field(repr=False)
    certificate: bytes
    certificate_file: str
    key_id: str
    issuer_and_serial: str


def load_host_key(data: Mapping[str, Any] | Any) -> ModuleKey | None:
    """The key of a host, where the site gives one.

    :param data: with `get`, as pyinfra's host data has it
    :raises InvalidInput: as :func:`load`
    """
    given = [str(data.get(name) or "") for name in DATA_KEYS]
    return load_key_pair(*given) if any(given) else None


@lru_cache
def load_key_pair(key: str, certificate: str) -> ModuleKey:
    """Read both files, once in a process.

    :param key: a file with a private key in PEM, without a passphrase, that nobody else reads
    :param certificate: a file with its X.509 certificate, PEM or DER
    :raises InvalidInput: one is missing or no such thing, or they do not belong together
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    if not (key and certificate):
        raise InvalidInput(f"say both {DATA_KEYS[0]} and {DATA_KEYS[1]}, or none of them")
    secret, public = _read_file(DATA_KEYS[0], key), _read_file(DATA_KEYS[1], certificate)
    if os.stat(os.path.expanduser(key)).st_mode & 0o077:
        raise InvalidInput(f"{DATA_KEYS[0]}: others may read {key}: `chmod 600 {key}`")
    try:
        private = load_pem_private_key(secret, password=None)
    except TypeError:
        raise InvalidInput(
            f"{DATA_KEYS[0]}: {key} has a passphrase, which nobody is there to type "
            f"on a host: `openssl pkey -in {key} -out PLAIN`"
        ) from None
    except ValueError:
        raise InvalidInput(f"{DATA_KEYS[0]}: {key} is no private key in PEM") from None
    if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey):
        raise InvalidInput(f"{DATA_KEYS[0]}: kernels know RSA and ECDSA, not the kind of {key}")
    found = _parse_certificate(public, certificate)
    if private.public_key() != found.public_key():
        raise InvalidInput(
            f"{DATA_KEYS[1]}: {certificate} is the certificate of another key than {key}"
        )
    issued = found.issuer.public_bytes() + _encode_der_integer(found.serial_number)
    return ModuleKey(
        secret, found.public_bytes(Encoding.DER), certificate, _get_key_id(found), issued.hex()
    )


def _read_file(name: str, path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise InvalidInput(f"{name}: {path}: {error.strerror}") from error


def _parse_certificate(content: bytes, path: str) -> Certificate:
    from cryptography import x509

    try:
        if content.lstrip().startswith(b"-----"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError:
        raise InvalidInput(f"{DATA_KEYS[1]}: {path} is no X.509 certificate, PEM or DER") from None


def _get_key_id(certificate: Certificate) -> str:
    """Its subject key identifier; its serial number where it has none (x509_public_key.c)."""
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return _encode_der_integer(certificate.serial_number)[2:].hex()
    return found.value.digest.hex()


def _encode_der_integer(number: int) -> bytes:
    """A positive INTEGER in DER; serial numbers are at most 20 bytes."""
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return bytes([2, len(content)]) + content
