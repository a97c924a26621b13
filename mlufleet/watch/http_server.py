"""A small HTTP server for pages that are made when they are asked for; it changes nothing.

It answers GET and HEAD, one request per connection. Each connection has a thread, their number is
bounded, for each client as well, and each has to have sent its request and taken its answer within
a few seconds, so that no client holds up another one or the watch.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import io
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import Buffer, override

from mlufleet.watch.http_connections import ConnectionTable

#: bytes of a request line with its header; longer ones are refused
MAX_REQUEST_BYTES = 16384
#: seconds in which all of a request has to have arrived, and all of an answer to have been taken
REQUEST_LIMIT_S, ANSWER_LIMIT_S = 5.0, 20.0
METHODS = ("GET", "HEAD")
#: names by which a browser on this machine, or a tunnel to it, calls a loopback address; another
#: name may be one that a foreign page had resolved to it
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
#: the page is complete in itself, and no other page may use it
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Page:
    """An answer.

    Attributes:
        body: What is sent.
        content_type: Its type.
        status: Status of the answer.
    """

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: int = HTTPStatus.OK


#: path -> what answers it, in any thread
Routes = Mapping[str, Callable[[], Page]]


def is_loopback(address: str) -> bool:
    """Return whether only this machine itself reaches an address.

    Args:
        address: An IP address, or "localhost".
    """
    return address in ("localhost", "::1") or address.startswith("127.")


class HttpServer(ThreadingHTTPServer):
    """Answers requests until it is closed.

    Args:
        address: IP address to listen on.
        port: Port; 0 for any.
        token: What clients have to send; empty if everybody may ask.
        routes: What is answered.

    Raises:
        OSError: The address cannot be listened on.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: str, port: int, token: str, routes: Routes) -> None:
        self.token, self.routes = token, routes
        self.checks_host = is_loopback(address) and not token
        self.connections = ConnectionTable()
        if ":" in address:
            self.address_family = socket.AF_INET6
        super().__init__((address, port), RequestHandler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.2,), daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Answer requests from now on, in threads of its own."""
        self._thread.start()

    def close(self) -> None:
        """Answer no further request."""
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()

    @override
    def server_bind(self) -> None:
        # that of the library looks up the machine's name, which may take long
        super(ThreadingHTTPServer, self).server_bind()
        self.server_name, self.server_port = str(self.server_address[0]), self.port

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.connections.admit(request, str(client_address[0])):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started
            self.shutdown_request(request)

    @override
    def shutdown_request(self, request: Any) -> None:
        self.connections.remove(request)
        super().shutdown_request(request)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is no event of the watch."""


class RequestReader(io.RawIOBase):
    """What a client sends, as far as it may: within a time and a size.

    Args:
        connection: The connection.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._end = time.monotonic() + REQUEST_LIMIT_S
        self._left = MAX_REQUEST_BYTES

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer) -> int:
        left_s = self._end - time.monotonic()
        if left_s <= 0 or self._left <= 0:
            raise TimeoutError("the request does not end")
        self._connection.settimeout(left_s)
        view = memoryview(buffer)[: self._left]
        count = self._connection.recv_into(view)
        self._left -= count
        return count


class RequestHandler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: HttpServer
    server_version, sys_version = "mlufleet", ""

    @override
    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(RequestReader(self.connection))

    @override
    def handle(self) -> None:
        with suppress(OSError):  # the client is gone, or too slow
            self.close_connection = True
            self.handle_one_request()

    @override
    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self.close_connection = True
        self.server.connections.note_request(self.connection)
        if self.command not in METHODS:
            self._answer(Page(b"only GET and HEAD\n", status=HTTPStatus.METHOD_NOT_ALLOWED))
            return False
        return True

    def do_GET(self) -> None:
        """Answer with a page, or with why there is none."""
        if self.server.checks_host and not self._has_own_host():
            page = Page(b"another host's name\n", status=HTTPStatus.MISDIRECTED_REQUEST)
        elif not self._is_allowed():
            page = Page(b"a token is needed\n", status=HTTPStatus.UNAUTHORIZED)
        elif make := self.server.routes.get(urlsplit(self.path).path):
            try:
                page = make()
            except Exception as error:  # a page that cannot be made is no end of the others
                text = f"{type(error).__name__}: {error}\n"
                page = Page(text.encode(errors="replace"), status=HTTPStatus.INTERNAL_SERVER_ERROR)
        else:
            page = Page(b"no such page\n", status=HTTPStatus.NOT_FOUND)
        self._answer(page)

    do_HEAD = do_GET

    def _answer(self, page: Page) -> None:
        end = time.monotonic() + ANSWER_LIMIT_S
        self.connection.settimeout(ANSWER_LIMIT_S)  # for all of what one call sends
        self.send_response(page.status)
        for name, value in SECURITY_HEADERS.items():
            self.send_header(name, value)
        if page.status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="mlufleet watch", charset="UTF-8"')
        if page.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", ", ".join(METHODS))
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.connection.settimeout(max(end - time.monotonic(), 0.001))
            self.wfile.write(page.body)

    def _has_own_host(self) -> bool:
        given = self.headers.get("Host")
        if given is None:
            return True
        with suppress(ValueError):
            name = urlsplit(f"//{given}").hostname or ""
            return name in (*LOOPBACK_NAMES, self.server.server_name)
        return False

    def _is_allowed(self) -> bool:
        """Return whether the request has the token: as a bearer's, or as a password."""
        if not self.server.token:
            return True
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                decoded = base64.b64decode(given, validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                return False
            given = decoded.partition(":")[2]
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(), self.server.token.encode())

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: requests are no events of the watch."""
