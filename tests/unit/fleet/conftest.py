"""A small server that speaks the routes of a registry, with what it is told to do wrong."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from typing_extensions import override

from fleet.registry import credentials
from tests.unit.conftest import LAYER
from tests.unit.fleet.forked_pip import forked_pip as forked_pip
from tests.unit.fleet.forked_pip import pip_server as pip_server
from tests.unit.server import serve

NAME, USER, PASSWORD = "team/torch", "robot$ci", "se:cret"
LABELS = {"com.cambricon.driver": "v5.10.10", "maintainer": "somebody"}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class Registry:
    """What it has, and how it behaves.

    Attributes:
        scheme: how it asks for a login: "", "basic" or "bearer".
        status: answered to everything instead, with a login or without.
        cuts: for the next blobs, one each: bytes after which the answer ends.
        asked: paths of all requests, with their ranges.
    """

    host: str = ""
    manifests: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    scheme: str = ""
    status: int = 0
    cuts: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def add_image(self, architecture: str = "amd64", layers: int = 2) -> str:
        """Put an image into it.

        Returns:
            The digest of its manifest.
        """
        config = {"architecture": architecture, "os": "linux", "config": {"Labels": LABELS}}
        parts = [gzip.compress(LAYER + b"\0" * number, mtime=0) for number in range(layers)]
        document = json.dumps(config).encode()
        entries = []
        for content in (document, *parts):
            self.blobs[digest(content)] = content
            entries.append({"digest": digest(content), "size": len(content), "mediaType": "x"})
        return self.add_manifest({"config": entries[0], "layers": entries[1:]})

    def add_manifest(self, document: dict[str, object]) -> str:
        content = json.dumps({"schemaVersion": 2, **document}).encode()
        self.manifests[digest(content)] = content
        return digest(content)

    def add_index(self, **platforms: str) -> str:
        """Put an index of manifests into it: architecture -> digest."""
        entries = [
            {"digest": found, "platform": {"os": "linux", "architecture": architecture}}
            for architecture, found in platforms.items()
        ]
        return self.add_manifest({"manifests": entries})

    def reference(self, found: str) -> str:
        return f"{self.host}/{NAME}@{found}"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    found = Registry()

    class Handler(BaseHTTPRequestHandler):
        @override
        def log_message(self, *_: object) -> None:
            pass

        def refuse(self, status: int, **headers: str) -> None:
            body = json.dumps({"errors": [{"code": "X", "message": f"said {status}"}]}).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            found.asked.append(f"{self.path} {self.headers['Range'] or ''}".strip())
            given = self.headers["Authorization"] or ""
            basic = credentials.Credentials(USER, PASSWORD).basic
            if self.path.startswith("/token"):
                if given != basic:
                    return self.refuse(401)
                return self.send(json.dumps({"token": "granted"}).encode())
            wanted = {"basic": basic, "bearer": "Bearer granted", "": given}[found.scheme]
            if given != wanted:
                challenge = 'Basic realm="x"'
                if found.scheme == "bearer":
                    challenge = f'Bearer realm="http://{found.host}/token",service="lab"'
                return self.refuse(401, WWW_Authenticate=challenge)
            if found.status:
                return self.refuse(found.status)
            kind, _, name = self.path.removeprefix(f"/v2/{NAME}/").partition("/")
            content = (found.manifests if kind == "manifests" else found.blobs).get(name)
            if content is None:
                return self.refuse(404)
            self.send(content)

        def send(self, content: bytes) -> None:
            begin = int((self.headers["Range"] or "bytes=0-")[6:-1])
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            cut = found.cuts.pop(0) if found.cuts and "/blobs/" in self.path else len(content)
            self.wfile.write(content[begin : begin + cut])

    with serve(Handler) as found.host:
        yield found
