"""The site's key for kernel modules: what is refused before a connection, and what a host says."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from fleet import module_key
from fleet.errors import Failure, InvalidInput
from fleet.release.target import ReleaseTarget
from operations import driver, preflight
from operations.host.probe import probe_arguments
from operations.host.scripts import SCRIPTS_DIR
from operations.stage import HostOptions
from tests.unit.conftest import BARE, DRIVEN, probe
from tests.unit.operations.stage_helpers import as_host, plan_words

PLAIN = serialization.NoEncryption()
KERNEL, VERSION = "4.15.0-20-generic", "5.10.10"


def write(
    folder: Path,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    serial: int = 1,
    identified: bool = True,
) -> tuple[str, str]:
    """A key and its certificate as files."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site")])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(datetime.datetime(2026, 1, 1))
        .not_valid_after(datetime.datetime(2036, 1, 1))
    )
    if identified:
        found = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(found, critical=False)
    pem = serialization.Encoding.PEM
    (folder / "site.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    (folder / "site.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, PLAIN)
    )
    (folder / "site.key").chmod(0o600)
    return str(folder / "site.key"), str(folder / "site.pem")


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def given(tmp_path: Path, key: rsa.RSAPrivateKey) -> HostOptions:
    """What an inventory says that gives one."""
    return HostOptions(**dict(zip(module_key.DATA_KEYS, write(tmp_path, key), strict=True)))


def test_pem_and_der_are_the_same_certificate(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    private, public = write(tmp_path, key)
    found = module_key.load_key_pair(private, public)
    (tmp_path / "site.der").write_bytes(found.certificate)
    again = module_key.load_key_pair(private, str(tmp_path / "site.der"))
    assert (again.certificate, again.key_id) == (found.certificate, found.key_id)
    assert len(found.key_id) == 40 and found.issuer_and_serial.endswith("020101")
    assert "PRIVATE" not in repr(found), "no log has the key"


@pytest.mark.parametrize(("serial", "said"), [(0x7F, "7f"), (0x80, "0080"), (0x1234, "1234")])
def test_a_certificate_without_an_identifier_goes_by_its_number(
    tmp_path: Path, key: rsa.RSAPrivateKey, serial: int, said: str
) -> None:
    assert module_key.load_key_pair(*write(tmp_path, key, serial, identified=False)).key_id == said


def test_a_key_of_an_elliptic_curve_will_do(tmp_path: Path) -> None:
    assert module_key.load_key_pair(
        *write(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    ).key_id


def test_what_is_no_key_with_its_certificate_is_told(
    tmp_path: Path, key: rsa.RSAPrivateKey
) -> None:
    private, public = write(tmp_path, key)
    other = tmp_path / "other"
    other.mkdir()
    strange, _ = write(other, rsa.generate_private_key(65537, 2048))
    pem, traditional = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked, unknown, open_to_all = (other / name for name in ("locked", "unknown", "open"))
    secret = serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(key.private_bytes(pem, traditional, secret))
    unknown.write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(pem, traditional, PLAIN))
    open_to_all.write_bytes(Path(private).read_bytes())
    for file in (locked, unknown):
        file.chmod(0o600)
    open_to_all.chmod(0o644)
    for words, message in (
        ((private, ""), "both signing_key and signing_certificate"),
        ((private + "-gone", public), "signing_key: .*-gone: No such file"),
        ((private, public + "-gone"), "signing_certificate: .*-gone: No such file"),
        ((str(open_to_all), public), "signing_key: .*`chmod 600"),
        ((str(locked), public), "has a passphrase"),
        ((str(unknown), public), "RSA and ECDSA"),
        ((strange, public), "signing_certificate: .* does not belong "),
        ((private, private), "signing_certificate: .* X.509"),
    ):
        with pytest.raises(InvalidInput, match=message):
            module_key.load_key_pair(*words)
    Path(private).write_text("no key")
    module_key.load_key_pair.cache_clear()
    with pytest.raises(InvalidInput, match=r"signing_key: .* PEM"):
        module_key.load_key_pair(private, public)


def test_a_host_that_enforces_signatures_has_to_know_the_key(
    wanted: ReleaseTarget, given: HostOptions
) -> None:
    enforced = "secureboot|Secure Boot, lockdown"
    told = plan_words(
        preflight, wanted, probe(*BARE, enforced, "signer|/var/lib/dkms/mok.pub"), given
    )
    assert isinstance(told, Failure) and told.code == "KEY_NOT_ENROLLED"
    assert given.signing and given.signing.key_id in told.sentence
    assert given.signing_certificate in told.sentence
    assert plan_words(preflight, wanted, probe(*BARE, enforced, "trusted"), given) == []
    assert plan_words(preflight, wanted, probe(*BARE), given) == [], (
        "it takes unsigned ones as well"
    )


def test_what_was_built_without_the_key_is_built_again(
    wanted: ReleaseTarget, given: HostOptions
) -> None:
    built = f"module-for|{KERNEL}|{VERSION}"
    unsigned, signed = probe(*DRIVEN, f"{built}|"), probe(*DRIVEN, f"{built}|signed")
    todo = plan_words(driver, wanted, unsigned, given)
    assert todo == [f"sign driver {VERSION} for kernel {KERNEL}"]
    assert plan_words(driver, wanted, signed, given) == []
    assert plan_words(driver, wanted, unsigned) == []


def test_a_kernel_that_boots_next_has_a_signed_module_as_well(
    wanted: ReleaseTarget, given: HostOptions
) -> None:
    newer = "4.15.0-200-generic"
    lines = (*DRIVEN, f"next|{newer}", f"module-for|{KERNEL}|{VERSION}|signed")
    todo = plan_words(driver, wanted, probe(*lines, f"module-for|{newer}|{VERSION}|"), given)
    assert todo == [f"sign driver {VERSION} for kernel {newer}"]
    todo = plan_words(driver, wanted, probe(*lines), given)
    assert todo == [f"build driver {VERSION} for kernel {newer}, which boots next"]


def signed(folder: Path, wanted: ReleaseTarget, given: HostOptions) -> bool:
    """What the probe's own function says of a folder of modules."""
    text = (SCRIPTS_DIR / "lib/kernels.sh").read_text()
    function = text[text.index("\nsigned() {") : text.index("\nmodules() {")]
    assert given.signing
    asked = probe_arguments(as_host(wanted), key=given.signing)
    done = subprocess.run(["sh", "-c", f"{asked}{function}\nsigned {folder}"], capture_output=True)
    assert done.stderr == b""
    return done.returncode == 0


def test_a_signature_is_known_by_its_issuer_and_number_or_by_its_key(
    tmp_path: Path, wanted: ReleaseTarget, given: HostOptions
) -> None:
    assert given.signing
    modules = tmp_path / "module"
    modules.mkdir()
    code = bytes(range(256)) * 64
    mark = b"~Module signature appended~\n"
    for named in (given.signing.issuer_and_serial, given.signing.key_id):
        (modules / "a.ko").write_bytes(code + bytes.fromhex(named) + bytes(256) + mark)
        assert signed(modules, wanted, given)
    subprocess.run(["xz", "-k", str(modules / "a.ko")], check=True)
    assert signed(modules, wanted, given), "one that is compressed as well"
    (modules / "b.ko").write_bytes(code + bytes(256) + mark)
    assert not signed(modules, wanted, given), "all of them"
