"""Sessions of a host: of its connection, and of others where that one gives no more.

sshd counts them by connection (`MaxSessions`): what answers sudo, the lock's beat, a file on its
way and a step each hold one at a time. Another connection costs a login, so it is made only where
the host refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent.lock import BoundedSemaphore
from paramiko import Channel, ChannelException, SSHException, Transport
from pyinfra.api import Host
from pyinfra.api.exceptions import ConnectError

#: "administratively prohibited", "connect failed" and "resource shortage": OpenSSH says the second
REFUSAL_CODES = (1, 2, 4)


class NoSessionError(SSHException):
    """The host gives neither a session nor a connection that would give one."""


class SessionPool:
    """:param first: the connection that pyinfra made
    :param wakeful: makes another one what that is"""

    def __init__(
        self, host: Host, first_transport: Transport, enable_keepalive: Callable[[Transport], None]
    ) -> None:
        self.host, self.first_transport, self.enable_keepalive = (
            host,
            first_transport,
            enable_keepalive,
        )
        self.extra_transports: list[Transport] = []
        self._open = first_transport.open_session
        # paramiko keeps one refusal for whoever asks next, and of two that wait one gets none
        self._open_lock = BoundedSemaphore(1)

    def open(self, *arguments: Any, **named: Any) -> Channel:
        """In place of paramiko's own method of the first connection.

        :raises NoSession: there is none to be had
        :raises OSError, EOFError, SSHException: the connection is lost
        """
        with self._open_lock:
            return self._open_channel(*arguments, **named)

    def _open_channel(self, *arguments: Any, **named: Any) -> Channel:
        for opened in (self._open, *(other.open_session for other in self.extra_transports)):
            try:
                return opened(*arguments, **named)
            except ChannelException as error:
                if error.code not in REFUSAL_CODES:
                    raise
        try:
            return self._add_transport().open_session(*arguments, **named)
        except (ChannelException, ConnectError) as error:
            if not self.first_transport.is_active():
                raise ConnectionResetError("the connection is gone") from error
            raise NoSessionError(
                f"{len(self.extra_transports) + 1} connections: {error}"
            ) from error

    def _add_transport(self) -> Transport:
        connector = type(self.host.connector)(self.host.state, self.host)
        connector.connect()
        under: Transport = connector.client.get_transport()  # type: ignore[attr-defined]
        # the connection lives as long as its client
        under.mlufleet_client = connector.client  # type: ignore[attr-defined]
        self.enable_keepalive(under)
        self.extra_transports.append(under)
        return under

    @property
    def is_lost(self) -> bool:
        """Whether one of them has ended: whoever waits on it is not told otherwise."""
        return not all(
            under.is_active() for under in (self.first_transport, *self.extra_transports)
        )

    def close(self) -> None:
        """Of the others; the first is pyinfra's."""
        while self.extra_transports:
            self.extra_transports.pop().close()
