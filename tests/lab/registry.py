"""A real registry on this machine, which lab hosts reach on docker's bridge: docker-registry.

It is unpacked, not installed: an installed one would start by itself. It has TLS by a CA of its own
and one login; what is in it stays in a folder of the caller.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import ipaddress
import json
import secrets
import socket
import ssl
import subprocess
import tarfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.lab import engine, paths
from tests.lab.steps import LabError, lock, step
from tests.waiting import PATIENCE_S

USER = "puller"
CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {root}/content}}}}
http:
  addr: {address}
  secret: lab
{tls}
{auth}
log: {{level: warn}}
"""
TLS = "  tls: {{certificate: {root}/server.pem, key: {root}/server.key}}"
AUTH = "auth: {{htpasswd: {{realm: lab, path: {root}/htpasswd}}}}"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONTAINER = "application/vnd.docker.container.image.v1+json"


def program() -> Path:
    """The registry's program, fetched from Debian once.

    Raises:
        LabError: it cannot be fetched or unpacked.
    """
    found = paths.BUILD / "registry/usr/bin/docker-registry"
    with lock("registry"):
        if not found.exists():
            folder = paths.BUILD / "registry"
            folder.mkdir(parents=True, exist_ok=True)
            with step("fetch docker-registry"):
                for words in (
                    ["apt-get", "update", "-qq"],
                    ["apt-get", "download", "-qq", "docker-registry"],
                    ["sh", "-c", "dpkg-deb -x docker-registry_*.deb ."],
                ):
                    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
                    if done.returncode:
                        raise LabError(f"{' '.join(words)} failed:\n{done.stderr[-1500:]}")
    return found


@dataclass
class Registry:
    """A registry and what is needed to use it.

    Attributes:
        root: folder of its content, certificates and login.
        host: address and port, as images are named by.
        password: of :data:`USER`.
    """

    root: Path
    host: str
    password: str = field(default_factory=lambda: f"pw-{secrets.token_hex(12)} $'\"")
    process: subprocess.Popen[bytes] | None = None

    @property
    def ca(self) -> Path:
        """Certificate of the CA of its certificate."""
        return self.root / "ca.pem"

    def start(self, *, tls: bool = True, login: bool = True) -> None:
        """Start it, and wait until it answers.

        Args:
            tls: whether it speaks TLS.
            login: whether it asks for the login.
        """
        address = self.host
        text = CONFIG.format(
            root=self.root,
            address=address,
            tls=TLS.format(root=self.root) if tls else "",
            auth=AUTH.format(root=self.root) if login else "",
        )
        (self.root / "config.yml").write_text(text)
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program(), "serve", self.root / "config.yml"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={},  # REGISTRY_… of the environment would be settings of it
            )
        name, _, port = address.rpartition(":")
        end = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < end:
            with suppress(OSError), socket.create_connection((name, int(port)), timeout=5):
                return
            time.sleep(0.05)
        raise LabError(f"the registry does not answer:\n{(self.root / 'log').read_text()[-1500:]}")

    def stop(self) -> None:
        """End it."""
        if self.process:
            self.process.terminate()
            self.process.wait(PATIENCE_S)
            self.process = None

    def push(self, archive: Path, name: str) -> str:
        """Put the image of an archive into it.

        Args:
            archive: what `docker save` wrote.
            name: repository.

        Returns:
            The image by its digest.
        """
        with tarfile.open(archive) as tar:

            def read(member: str) -> bytes:
                content = tar.extractfile(member)
                assert content is not None
                return content.read()

            (entry,) = json.loads(read("manifest.json"))
            config = self._put_blob(name, read(entry["Config"]), CONTAINER)
            layers = [
                self._put_blob(name, gzip.compress(read(layer), 1, mtime=0), LAYER)
                for layer in entry["Layers"]
            ]
        manifest = json.dumps(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        ).encode()
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        self._send("PUT", f"/v2/{name}/manifests/{digest}", manifest, MANIFEST)
        return f"{self.host}/{name}@{digest}"

    def _put_blob(self, name: str, content: bytes, kind: str) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        where = self._send("POST", f"/v2/{name}/blobs/uploads/")
        joint = "&" if "?" in where else "?"
        self._send("PUT", f"{where}{joint}digest={digest}", content, "application/octet-stream")
        return {"mediaType": kind, "size": len(content), "digest": digest}

    def _send(self, method: str, url: str, content: bytes = b"", kind: str = "") -> str:
        """Send a request with the login; return where it leads to."""
        login = b64encode(f"{USER}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}"} | ({"Content-Type": kind} if kind else {})
        url = url if url.startswith("http") else f"https://{self.host}{url}"
        request = urllib.request.Request(url, content, headers, method=method)
        context = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(request, timeout=PATIENCE_S, context=context) as answer:
            return str(answer.headers["Location"] or "")


def bridge_address() -> str:
    """Address of this machine on docker's bridge."""
    (network,) = json.loads(engine.docker("network", "inspect", "bridge"))
    (config, *_) = network["IPAM"]["Config"]
    first = ipaddress.ip_network(config["Subnet"])[1]
    return str(config.get("Gateway") or first)


@contextmanager
def serving(root: Path) -> Iterator[Registry]:
    """A registry with TLS and a login.

    Args:
        root: an empty folder for what it has.

    Yields:
        The registry, which has started.
    """
    address = bridge_address()
    with socket.create_server((address, 0)) as free:
        port = free.getsockname()[1]
    registry = Registry(root, f"{address}:{port}")
    hashed = bcrypt.hashpw(registry.password.encode(), bcrypt.gensalt(5)).decode()
    (root / "htpasswd").write_text(f"{USER}:{hashed}\n")
    _make_certificates(root, address)
    try:
        registry.start()
        yield registry
    finally:
        registry.stop()


def _make_certificates(root: Path, address: str) -> None:
    """Make a CA and a certificate of it for an address."""
    now = datetime.datetime.now(datetime.timezone.utc)
    names = {
        part: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lab {part}")])
        for part in ("CA", "registry")
    }
    keys = {part: ec.generate_private_key(ec.SECP256R1()) for part in names}

    def sign(part: str, extension: x509.ExtensionType) -> bytes:
        built = (
            x509.CertificateBuilder()
            .subject_name(names[part])
            .issuer_name(names["CA"])
            .public_key(keys[part].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(extension, critical=part == "CA")
            .sign(keys["CA"], hashes.SHA256())
        )
        return built.public_bytes(serialization.Encoding.PEM)

    (root / "ca.pem").write_bytes(sign("CA", x509.BasicConstraints(ca=True, path_length=None)))
    place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    (root / "server.pem").write_bytes(sign("registry", place))
    (root / "server.key").write_bytes(
        keys["registry"].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
