"""Git's own smart HTTP server (git http-backend), and faults to order."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.unit.server import serve


@dataclass
class GitSite:
    """What it serves, what it is to do wrong, and what it was asked.

    Attributes:
        root: folder of bare repositories.
        url: its address.
        cuts: bytes after which the next answers with objects are cut, one each.
        is_old: whether it speaks the first version of git's protocol only, where commits are given
            out by their refs.
        status: answer to everything with this, if it is not 0.
        asked: method and path of each request.
    """

    root: Path
    url: str = ""
    cuts: list[int] = field(default_factory=list)
    is_old: bool = False
    status: int = 0
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(root: Path) -> Iterator[GitSite]:
    site = GitSite(root)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"] or 0)))

        def _answer(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            site.asked.append(f"{self.command} {path}")
            if site.status:
                self.send_error(site.status)
                return
            environment = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(site.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
                "HOME": str(site.root),
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers["Content-Type"] or "",
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers["Content-Encoding"] or "",
                "GIT_PROTOCOL": "" if site.is_old else self.headers["Git-Protocol"] or "",
                "REMOTE_ADDR": "127.0.0.1",
            }
            done = subprocess.run(
                ["git", "http-backend"], env=environment, input=body, capture_output=True
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
            self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if b"packfile" in content[:2000] and site.cuts:
                content = content[: site.cuts.pop(0)]
                self.close_connection = True
            self.wfile.write(content)

    with serve(Handler) as address:
        site.url = f"http://{address}"
        yield site
