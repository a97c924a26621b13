"""The site's key that signs kernel modules, for hosts that only load signed ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.secret_files import read_private_file

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

#: Host data keys with the paths of the private key and of its certificate.
DATA_KEYS = ("signing_key", "signing_certificate")


@dataclass(frozen=True)
class ModuleKey:
    """A machine owner key (MOK) that DKMS signs modules with.

    Attributes:
        key: Private key in PEM format; a secret.
        certificate: X.509 certificate in DER format.
        certificate_file: Its path, for messages.
        key_id: Identifier of the certificate in the kernel's /proc/keys, in hex.
        issuer_and_serial: Issuer and serial number as a signature contains them (RFC 5652,
            10.2.4), in hex.
    """

    key: bytes = field(repr=False)
    certificate: bytes
    certificate_file: str
    key_id: str
    issuer_and_serial: str


def load_host_key(data: Mapping[str, Any] | Any) -> ModuleKey | None:
    """Load the module key that a host's data names.

    Args:
        data: Host data; a mapping, or pyinfra's host data with a `get` method.

    Returns:
        The key; None if the host has none.

    Raises:
        InvalidInput: As :func:`load_key_pair`.
    """
    paths = [str(data.get(name) or "") for name in DATA_KEYS]
    return load_key_pair(*paths) if any(paths) else None


@lru_cache
def load_key_pair(key: str, certificate: str) -> ModuleKey:
    """Load a private key and its certificate, once per process.

    Args:
        key: File with an RSA or ECDSA private key in PEM format, without a passphrase and
            readable by its owner only.
        certificate: File with its X.509 certificate in PEM or DER format.

    Returns:
        The key pair.

    Raises:
        InvalidInput: A file is missing or invalid, or the two do not belong together.
    """
    from cryptography.hazmat.primitives.serialization import Encoding

    if not (key and certificate):
        raise InvalidInput(
            _(
                "set both {field} and {other}, or neither",
                field=DATA_KEYS[0],
                other=DATA_KEYS[1],
            )
        )
    secret = read_private_file(key, f"{DATA_KEYS[0]}: {key}")
    public = _read_certificate(certificate)
    private = _parse_private_key(secret, key)
    parsed = _parse_certificate(public, certificate)
    if private.public_key() != parsed.public_key():
        raise InvalidInput(
            _(
                "{field}: {certificate} does not belong to the key {key}",
                field=DATA_KEYS[1],
                certificate=certificate,
                key=key,
            )
        )
    return ModuleKey(
        key=secret,
        certificate=parsed.public_bytes(Encoding.DER),
        certificate_file=certificate,
        key_id=_get_key_id(parsed),
        issuer_and_serial=(
            parsed.issuer.public_bytes() + _encode_der_integer(parsed.serial_number)
        ).hex(),
    )


def _read_certificate(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise InvalidInput(f"{DATA_KEYS[1]}: {path}: {error.strerror}") from error


def _parse_private_key(content: bytes, path: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(content, password=None)
    except TypeError:
        raise InvalidInput(
            _(
                "{field}: {path} has a passphrase, which cannot be entered on a "
                "host; remove it: `openssl pkey -in {path} -out FILE`",
                field=DATA_KEYS[0],
                path=path,
            )
        ) from None
    except ValueError:
        raise InvalidInput(
            _(
                "{field}: {path} is not a private key in PEM format",
                field=DATA_KEYS[0],
                path=path,
            )
        ) from None
    if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey):
        raise InvalidInput(
            _(
                "{field}: {path}: kernels support only RSA and ECDSA keys",
                field=DATA_KEYS[0],
                path=path,
            )
        )
    return private


def _parse_certificate(content: bytes, path: str) -> Certificate:
    from cryptography import x509

    try:
        if content.lstrip().startswith(b"-----"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError:
        raise InvalidInput(
            _(
                "{field}: {path} is not an X.509 certificate in PEM or DER format",
                field=DATA_KEYS[1],
                path=path,
            )
        ) from None


def _get_key_id(certificate: Certificate) -> str:
    """Return the subject key identifier, or the serial number (kernel: x509_public_key.c)."""
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return _encode_der_integer(certificate.serial_number)[2:].hex()
    return extension.value.digest.hex()


def _encode_der_integer(number: int) -> bytes:
    """Encode a positive INTEGER in DER; serial numbers have at most 20 bytes."""
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return bytes([2, len(content)]) + content
