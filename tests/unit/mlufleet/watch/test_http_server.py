"""The pages of the watch over real sockets, with clients that mean well and others."""

from __future__ import annotations

import base64
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from mlufleet.watch import http_connections, http_server
from mlufleet.watch.http_server import HttpServer, Page
from tests.waiting import PATIENCE_S, until

TOKEN = "a token of the test"
BODY = b"x" * 20_000_000


def fail() -> Page:
    raise ValueError("what a page\nmay fail with")


ROUTES = {"/metrics": lambda: Page(b"up 1\n"), "/large": lambda: Page(BODY), "/broken": fail}


@contextmanager
def served(token: str = "") -> Iterator[HttpServer]:
    server = HttpServer("127.0.0.1", 0, token, ROUTES)
    server.start()
    try:
        yield server
    finally:
        server.close()


def ask(server: HttpServer, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_pages() -> None:
    with served() as server:
        assert ask(server, "/metrics") == (200, b"up 1\n")
        assert ask(server, "/metrics?x=1") == (200, b"up 1\n")
        assert ask(server, "/metrics", "HEAD") == (200, b"")
        assert ask(server, "/nothing")[0] == 404
        assert ask(server, "/broken")[0] == 500
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert ask(server, "/metrics", method)[0] == 405
        assert ask(server, "/large") == (200, BODY)


def test_a_foreign_name_gets_nothing_without_a_token() -> None:
    with served() as server:
        for name in ("localhost", "127.0.0.1:9840", "[::1]:1"):
            assert ask(server, "/metrics", Host=name)[0] == 200
        for name in ("rebound.example", "rebound.example:9840", "[", ""):
            assert ask(server, "/metrics", Host=name)[0] == 421


def test_a_token_is_needed_everywhere() -> None:
    def basic(text: str) -> str:
        return "Basic " + base64.b64encode(text.encode()).decode()

    with served(TOKEN) as server:
        assert ask(server, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert ask(server, "/metrics", Authorization=basic(f"any:{TOKEN}"))[0] == 200
        assert ask(server, "/metrics", Authorization=f"bearer {TOKEN}", Host="far")[0] == 200
        for given in ("", TOKEN, "Bearer", "Bearer x", basic("x"), "Basic !", basic(f"{TOKEN}:")):
            for path in ("/metrics", "/nothing"):
                assert ask(server, path, Authorization=given)[0] == 401


def test_slow_clients_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "REQUEST_LIMIT_S", 3 * PATIENCE_S)
    with served() as server, ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            for _ in range(3 * http_connections.MAX_CONNECTIONS)
        ]
        for sock in silent:
            with suppress(OSError):
                sock.sendall(b"GET /metrics HTT")
        assert ask(server, "/metrics") == (200, b"up 1\n")
        # the first ones had to give way, and the last ones have as long as they may
        silent[0].settimeout(PATIENCE_S)
        assert read_end(silent[0]) == b""
        silent[-1].sendall(b"P/1.0\r\n\r\n")
        assert read_end(silent[-1]).endswith(b"up 1\n")


def test_a_request_in_drops_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "REQUEST_LIMIT_S", 0.5)
    with served() as server, socket.create_connection(("127.0.0.1", server.port)) as sock:
        end = time.monotonic() + PATIENCE_S
        sock.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        with pytest.raises(OSError):
            while time.monotonic() < end:
                sock.sendall(b"x")
                time.sleep(0.05)


def test_an_answer_in_drops_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "ANSWER_LIMIT_S", 0.5)
    with served() as server, socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE_S)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        taken, end = 0, time.monotonic() + 1.5
        while time.monotonic() < end:
            taken += len(sock.recv(1000))
            time.sleep(0.01)
        assert taken + len(read_end(sock)) < len(BODY)


def read_end(sock: socket.socket) -> bytes:
    said = b""
    with suppress(ConnectionResetError):
        while block := sock.recv(4096):
            said += block
    return said


def test_a_client_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "ANSWER_LIMIT_S", 0.5)
    with served() as server, socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        until(
            lambda: not any("process_request" in one.name for one in threading.enumerate()),
            "the connection's thread ends",
        )


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"X: " + b"a" * 20000 + b"\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
    ],
)
def test_a_wrong_request_gets_no_page(request_text: bytes) -> None:
    with served() as server:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.settimeout(PATIENCE_S)
            sock.sendall(request_text)
            said = b""
            try:
                while block := sock.recv(4096):
                    said += block
            except ConnectionResetError:
                pass
        assert b" 200 " not in said and b"up 1" not in said
        assert ask(server, "/metrics")[0] == 200
