"""A web server with the routes of Hugging Face and of ModelScope, and faults to order.

Hugging Face: as huggingface_hub 2.4.0 reads them; one of the tests downloads by that client.
ModelScope: as modelscope_hub 0.5.1 reads them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.unit.server import serve

COMMIT = "e46a14881eae613281abbd266ee918e93a56018f"
#: suffixes that a hub keeps outside of git
LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".model")


#: where the hub redirects to for a file of git
CACHED = f"/api/resolve-cache/models/owner/tiny/{COMMIT}/"


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Hub:
    """One model, what goes wrong next, and what was asked.

    Attributes:
        files: content of each file of the model owner/tiny.
        published: files whose checksum and size are those of another content.
        token: required for everything, if it is set.
        gated: whether files are refused to everybody.
        login_page: whether every answer is a web page, as behind a hotel's network.
        cuts: bytes after which the next downloads are cut, one each.
        has_versions: whether downloads carry an ETag.
        asked: path and Range of each request.
        logins: path and Authorization of each request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    published: dict[str, bytes] = field(default_factory=dict)
    token: str = ""
    gated: bool = False
    login_page: bool = False
    cuts: list[int] = field(default_factory=list)
    has_versions: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    logins: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def told(self, name: str) -> bytes:
        """What the hub says that a file is."""
        return self.published.get(name, self.files[name])

    @property
    def downloads(self) -> list[str]:
        """Names of the requests for content that hubs answer themselves or by their CDN."""
        return [path for path, _ in self.asked if "/resolve" in path or "FilePath" in path]


@contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            hub.asked.append((self.path, self.headers["Range"]))
            hub.logins.append((self.path, self.headers["Authorization"]))
            url = urlsplit(self.path)
            path, query = unquote(url.path), parse_qs(url.query)
            if hub.login_page:
                self._send(200, b"<!DOCTYPE html><title>Log in</title>", "text/html")
            elif path.startswith("/cdn/"):  # of everybody who has the address
                self._send_content(path.removeprefix("/cdn/"))
            elif hub.token and self.headers["Authorization"] != f"Bearer {hub.token}":
                self._fail(401, "RepoNotFound", "Invalid username or password.")
            elif path.startswith("/api/v1/models/"):
                self._answer_model_scope(path, query)
            else:
                self._answer_hugging_face(path)

        def _send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _send_json(self, value: Any) -> None:
            self._send(200, json.dumps(value).encode(), "application/json")

        def _fail(self, status: int, code: str, message: str) -> None:
            body = json.dumps({"error": message}).encode()
            self._send(status, body, "application/json", X_Error_Code=code, X_Error_Message=message)

        def _answer_hugging_face(self, path: str) -> None:
            if path.startswith(CACHED):
                self._send_content(path.removeprefix(CACHED))
            elif path.startswith("/owner/tiny/resolve/"):
                revision, _, name = path.removeprefix("/owner/tiny/resolve/").partition("/")
                if revision not in (COMMIT, "main"):
                    self._fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
                elif name not in hub.files:
                    self._fail(404, "EntryNotFound", "Entry not found")
                elif hub.gated:
                    self._fail(403, "GatedRepo", "Access to model owner/tiny is restricted.")
                else:
                    self._redirect_file(name)
            else:
                self._answer_about_model(path)

        def _answer_about_model(self, path: str) -> None:
            base, _, revision = path.partition("/revision/")
            if path == "/api/models/owner/tiny/commits/main":
                about = {"authors": [{"user": "a"}], "date": "2023-12-01T00:00:00.000Z"}
                self._send_json([{"id": COMMIT, "title": "t", "message": "", **about}])
            elif base != "/api/models/owner/tiny":
                self._fail(404, "RepoNotFound", "Repository not found")
            elif revision not in ("", COMMIT, "main"):
                self._fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            else:
                siblings = [describe(name) for name in sorted(hub.files)]
                self._send_json({"id": "owner/tiny", "sha": COMMIT, "siblings": siblings})

        def _redirect_file(self, name: str) -> None:
            """Lead to the hub's own cache, or for a big file to another server."""
            content = hub.told(name)
            if not name.endswith(LFS_SUFFIXES):
                self.send_response(307)
                self.send_header("Location", f"{CACHED}{name}")
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("ETag", f'"{git_blob(content)}"')
                self.send_header("X-Linked-Size", str(len(content)))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(302)
            self.send_header("Location", f"{cdn_url}/cdn/{name}")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send_content(self, name: str) -> None:
            content, begin = hub.files[name], 0
            tag = f'"{git_blob(content)}"'
            condition = self.headers["If-Range"]
            if (asked := self.headers["Range"]) and condition in (None, tag):
                begin = int(asked.removeprefix("bytes=").partition("-")[0])
            self.send_response(206 if begin else 200)
            if begin:
                end = len(content) - 1
                self.send_header("Content-Range", f"bytes {begin}-{end}/{len(content)}")
            if hub.has_versions:
                self.send_header("ETag", tag)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            if self.command != "HEAD":
                end = begin + hub.cuts.pop(0) if hub.cuts else len(content)
                self.wfile.write(content[begin:end])

        def _answer_model_scope(self, path: str, query: dict[str, list[str]]) -> None:
            base, _, route = path.partition("/repo")
            if base != "/api/v1/models/owner/tiny" or query["Revision"][0] not in ("master", "v1"):
                body = json.dumps({"Code": 10010205001, "Message": "Not found", "Success": False})
                self._send(404, body.encode(), "application/json")
            elif route == "/files":
                assert query["Recursive"] == ["True"]
                files = [
                    {"Path": name, "Name": name.rpartition("/")[2], "Type": "blob",
                     "Size": len(hub.told(name)),
                     "Sha256": hashlib.sha256(hub.told(name)).hexdigest()}
                    for name in sorted(hub.files)
                ]  # fmt: skip
                folders = {name.partition("/")[0] for name in hub.files if "/" in name}
                trees = [{"Path": name, "Name": name, "Type": "tree"} for name in folders]
                answer = {"Code": 200, "Success": True, "Data": {"Files": trees + files}}
                self._send_json(answer)
            else:
                self._send_content(query["FilePath"][0])

    def describe(name: str) -> dict[str, Any]:
        content = hub.told(name)
        about: dict[str, Any] = {"rfilename": name, "size": len(content)}
        if name.endswith(LFS_SUFFIXES):
            sha256 = hashlib.sha256(content).hexdigest()
            about["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
            about["blobId"] = git_blob(b"pointer")
        else:
            about["blobId"] = git_blob(content)
        return about

    with serve(Handler) as address, serve(Handler) as cdn_address:
        hub.url, cdn_url = f"http://{address}", f"http://{cdn_address}"
        yield hub
