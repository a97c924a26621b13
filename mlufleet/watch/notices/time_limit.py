"""One time limit for all of a conversation, where the libraries have one for each read of it."""

from __future__ import annotations

import smtplib
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from types import TracebackType
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, Request

from typing_extensions import override

#: the shortest time limit that a socket takes for one that waits
MIN_TIMEOUT_S = 0.001


class TimeLimit:
    """Ends connections when a time is over, whatever they wait for.

    Args:
        seconds: The time, from now.

    Attributes:
        is_over: Whether it is over.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self.is_over = False

    def __enter__(self) -> TimeLimit:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._sockets.clear()

    def add(self, sock: socket.socket) -> None:
        """Take a connection that is to end in time.

        Args:
            sock: The connection.
        """
        with self._lock:
            self._sockets.append(sock)
            # the handshake of TLS has it as a limit for all of itself
            sock.settimeout(max(self._end - time.monotonic(), MIN_TIMEOUT_S))
            if self.is_over:
                _end(sock)

    def _cut(self) -> None:
        with self._lock:
            self.is_over = True
            for sock in self._sockets:
                _end(sock)


def _end(sock: socket.socket) -> None:
    with suppress(OSError):  # TLS's own method would change what a reading thread uses
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Limited:
    """A connection of a library, in whatever attribute that keeps its socket."""

    limit: TimeLimit

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, socket.socket):
            self.limit.add(value)
        super().__setattr__(name, value)


class LimitedHttp(Limited, HTTPConnection):
    """A connection for HTTP."""


class LimitedHttps(Limited, HTTPSConnection):
    """A connection for HTTPS."""


class LimitedHandler(HTTPHandler, HTTPSHandler):
    """Opens connections that end in time, for :func:`urllib.request.build_opener`.

    Args:
        limit: When they end.
    """

    def __init__(self, limit: TimeLimit) -> None:
        super().__init__()
        self._limit = limit

    @override
    def http_open(self, req: Request) -> Any:
        return self.do_open(partial(self._connect, LimitedHttp), req)

    @override
    def https_open(self, req: Request) -> Any:
        return self.do_open(partial(self._connect, LimitedHttps), req)

    def _connect(
        self, kind: type[LimitedHttp] | type[LimitedHttps], host: str, **given: Any
    ) -> HTTPConnection:
        connection = kind(host, **given)
        connection.limit = self._limit
        return connection


class LimitedSmtp(Limited, smtplib.SMTP):
    """A connection to a mail server.

    Args:
        limit: When it ends.
        host: The server; it is connected to at once.
        port: Its port.
        given: As of :class:`smtplib.SMTP`.
    """

    def __init__(self, limit: TimeLimit, host: str, port: int, **given: Any) -> None:
        self.limit = limit
        super().__init__(host, port, **given)


class LimitedSmtpTls(LimitedSmtp, smtplib.SMTP_SSL):
    """A connection to a mail server that begins with TLS."""
