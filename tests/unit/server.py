"""A web server for tests that has Range and If-Range, and faults to order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What it serves, what it is to do wrong next, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    tag: str = '"one"'
    #: for the next answers, one each: a status, or bytes after which the answer is cut
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    #: Range header of each request
    asked: list[str | None] = field(default_factory=list)
    #: path -> where it leads to instead
    moved: dict[str, str] = field(default_factory=dict)
    #: path and Authorization header of each request
    logins: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A web server on this machine: its address and port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    # looks this often, in seconds, whether it is to end
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            site.asked.append(self.headers["Range"])
            site.logins.append((self.path, self.headers["Authorization"]))
            if to := site.moved.get(self.path):
                self.send_response(302)
                self.send_header("Location", to)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = site.files.get(self.path)
            if site.statuses or content is None:
                self.send_error(site.statuses.pop(0) if site.statuses else 404)
                return
            begin = 0
            if self.headers["Range"] and self.headers["If-Range"] == site.tag:
                begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/*")
            if self.path.endswith("/"):  # pip reads pages that say what they are
                self.send_header("Content-Type", "text/html")
            self.send_header("ETag", site.tag)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            end = begin + site.cuts.pop(0) if site.cuts else len(content)
            self.wfile.write(content[begin:end])

    with serve(Handler) as address:
        site.url = f"http://{address}"
        yield site
