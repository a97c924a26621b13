"""Hosts whose sshd gives few sessions on one connection (`MaxSessions`)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from paramiko import ChannelException, SSHException
from pyinfra.api.exceptions import ConnectError

from operations.host.connection import PROMPT_KEY, adapt_connector
from operations.host.sessions import NoSessionError, SessionPool
from tests.waiting import PATIENCE_S


class Under:
    """A connection that gives so many sessions at a time."""

    def __init__(self, most: int, code: int = 2) -> None:
        self.most, self.code, self.given, self.alive = most, code, 0, True

    def open_session(self, **named: Any) -> int:
        """As paramiko's: the one who asks last, of several that wait, hears why not."""
        if self.given == self.most:
            self.refusal: SSHException | None = ChannelException(self.code, "open failed")
            gevent.sleep(0)
            refusal, self.refusal = self.refusal, None
            raise refusal or SSHException("Unable to open channel.")
        self.given += 1
        return self.given

    def is_active(self) -> bool:
        return self.alive

    def close(self) -> None:
        self.alive = False


class Server:
    """An sshd, and pyinfra's connector to it."""

    def __init__(self, sessions: int, connections: int = 99, code: int = 2) -> None:
        self.sessions, self.connections, self.code = sessions, connections, code
        self.made: list[Under] = []
        self.awake: list[Any] = []

    def under(self) -> Under:
        if len(self.made) == self.connections:
            raise ConnectError("Too many logins")
        self.made.append(Under(self.sessions, self.code))
        return self.made[-1]

    def host(self) -> SessionPool:
        server = self

        class Connector:
            def __init__(self, *_: Any) -> None:
                self.client: Any = None

            def connect(self) -> None:
                under = server.under()
                self.client = SimpleNamespace(get_transport=lambda: under)

        host: Any = SimpleNamespace(connector=Connector(), state=None)
        first: Any = self.under()
        return SessionPool(host, first, self.awake.append)


@pytest.mark.parametrize(("most", "connections"), [(1, 4), (2, 2), (3, 2), (4, 1), (10, 1)])
@pytest.mark.parametrize("code", [1, 2, 4])
def test_four_sessions_need_no_more_connections_than_the_host_makes_them(
    most: int, connections: int, code: int
) -> None:
    server = Server(most, code=code)
    sessions = server.host()
    assert [sessions.open() for _ in range(4)]
    assert len(server.made) == connections and server.awake == server.made[1:]
    server.made[0].given -= 1  # one ends: its place is taken again
    sessions.open(timeout=5)
    assert len(server.made) == connections
    sessions.close()
    assert [under.alive for under in server.made] == [True] + [False] * (connections - 1)


@pytest.mark.parametrize("server", [Server(0), Server(1, connections=1)])
def test_a_host_that_gives_neither_says_so(server: Server) -> None:
    sessions = server.host()
    for _ in range(server.sessions):
        sessions.open()
    with pytest.raises(NoSessionError, match=r"connections: .*(open failed|Too many logins)"):
        sessions.open()


def test_several_at_once_get_a_session_each() -> None:
    server = Server(1)
    sessions = server.host()
    asking = [gevent.spawn(sessions.open) for _ in range(4)]
    gevent.joinall(asking, timeout=PATIENCE_S, raise_error=True)
    assert len(server.made) == 4


def test_a_connection_that_ends_is_lost_whichever_it_is() -> None:
    server = Server(1)
    sessions = server.host()
    assert sessions.open() and sessions.open() and not sessions.is_lost
    server.made[1].alive = False
    assert sessions.is_lost


def test_a_lost_connection_is_no_limit() -> None:
    server = Server(0, connections=1)
    sessions = server.host()
    server.made[0].alive = False
    with pytest.raises(ConnectionResetError):
        sessions.open()
    strange = Server(0, code=3).host()  # "unknown channel type"
    with pytest.raises(SSHException) as caught:
        strange.open()
    assert not isinstance(caught.value, NoSessionError)


def test_what_is_prepared_for_a_connection_does_not_ask_for_the_current_host() -> None:
    """Whatever a command starts beside itself (its signs of life, files ahead) knows no such."""
    commands: list[str] = []

    class Client:
        def exec_command(self, command: str) -> tuple[None, Any, None]:
            commands.append(command)
            channel = SimpleNamespace(recv=None, recv_stderr=None)
            return None, SimpleNamespace(channel=channel), None

        def get_transport(self) -> None:
            return None

    client: Any = Client()
    connector: Any = SimpleNamespace(client=client)
    connector.host = SimpleNamespace(connector_data={PROMPT_KEY: "/place"}, connector=connector)
    proxy: Any = SimpleNamespace(connector=connector)
    adapt_connector(proxy)
    client.exec_command("sudo true")
    assert "SUDO_PROMPT=/place sudo true" in commands[0]
