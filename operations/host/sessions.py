"""Sessions of a host: over its connection, and over more connections if that one gives no more.

sshd limits the sessions of a connection (`MaxSessions`): sudo's password, the lock's heartbeat, a
running transfer and a job each hold one at a time. Another connection costs a login, so it is made
only when the host refuses a session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent.lock import BoundedSemaphore
from paramiko import Channel, ChannelException, SSHException, Transport
from pyinfra.api import Host
from pyinfra.api.exceptions import ConnectError

from fleet.language import _

#: RFC 4254, 5.1: "administratively prohibited", "connect failed", "resource shortage"; OpenSSH
#: sends the second
REFUSAL_CODES = (1, 2, 4)


class NoSessionError(SSHException):
    """The host gives neither a session nor a connection that would give one."""


class SessionPool:
    """The connections of a host, which gives sessions over all of them.

    Attributes:
        first_transport: the connection that pyinfra made
        extra_transports: connections that were made for more sessions
    """

    def __init__(
        self, host: Host, first_transport: Transport, enable_keepalive: Callable[[Transport], None]
    ) -> None:
        """Begin with one connection.

        Args:
            host: the host
            first_transport: the connection that pyinfra made
            enable_keepalive: configures further connections like the first
        """
        self.host, self.first_transport = host, first_transport
        self.enable_keepalive = enable_keepalive
        self.extra_transports: list[Transport] = []
        self._open = first_transport.open_session
        # paramiko keeps one refusal for the next caller; of two callers that wait, one gets none
        self._open_lock = BoundedSemaphore(1)

    def open(self, *arguments: Any, **named: Any) -> Channel:
        """Open a session; replaces the method of the first connection.

        Args:
            *arguments: of paramiko's open_session
            **named: of paramiko's open_session

        Raises:
            NoSessionError: the host gives none
            OSError, EOFError, SSHException: the connection is lost
        """
        with self._open_lock:
            return self._open_channel(*arguments, **named)

    def _open_channel(self, *arguments: Any, **named: Any) -> Channel:
        extra = (transport.open_session for transport in self.extra_transports)
        for open_session in (self._open, *extra):
            try:
                return open_session(*arguments, **named)
            except ChannelException as error:
                if error.code not in REFUSAL_CODES:
                    raise
        try:
            return self._add_transport().open_session(*arguments, **named)
        except (ChannelException, ConnectError) as error:
            if not self.first_transport.is_active():
                raise ConnectionResetError(_("the connection is gone")) from error
            raise NoSessionError(
                _("{count} connections: {error}", count=len(self.extra_transports) + 1, error=error)
            ) from error

    def _add_transport(self) -> Transport:
        # pyinfra's type of connectors has no client: only that of SSH's does
        connector: Any = type(self.host.connector)(self.host.state, self.host)
        connector.connect()
        transport: Transport = connector.client.get_transport()
        # the connection lives as long as its client
        transport.mlufleet_client = connector.client  # type: ignore[attr-defined]
        self.enable_keepalive(transport)
        self.extra_transports.append(transport)
        return transport

    @property
    def is_lost(self) -> bool:
        """Whether one of the connections has ended: its user may not notice otherwise."""
        transports = (self.first_transport, *self.extra_transports)
        return not all(transport.is_active() for transport in transports)

    def close(self) -> None:
        """Close the extra connections; the first is pyinfra's."""
        while self.extra_transports:
            self.extra_transports.pop().close()
