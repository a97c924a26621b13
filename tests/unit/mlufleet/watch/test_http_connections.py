"""Which connections give way when there are more than a server wants."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from mlufleet.watch import http_connections
from mlufleet.watch.http_connections import ConnectionTable, identify_client


class Clients:
    def __init__(self) -> None:
        self.now = 0.0
        self.table = ConnectionTable(lambda: self.now)
        self.ends: list[socket.socket] = []

    def connect(self, address: str) -> tuple[bool, socket.socket]:
        """A further connection, and the server's end of it."""
        there, here = socket.socketpair()
        there.setblocking(False)
        self.ends += [there, here]
        self.now += 0.001
        return self.table.admit(here, address), here

    def is_open(self, here: socket.socket) -> bool:
        there = self.ends[self.ends.index(here) - 1]
        try:
            return there.recv(1) != b""
        except BlockingIOError:
            return True


@pytest.fixture
def clients() -> Iterator[Clients]:
    found = Clients()
    yield found
    for sock in found.ends:
        sock.close()


def test_a_client_has_its_own_share(clients: Clients) -> None:
    many = [clients.connect("192.0.2.1")[1] for _ in range(http_connections.MAX_OF_CLIENT)]
    others = [clients.connect(f"192.0.2.{number}")[1] for number in range(2, 10)]
    assert clients.connect("192.0.2.1")[0]
    assert [clients.is_open(one) for one in many] == [False, *[True] * (len(many) - 1)]
    assert all(map(clients.is_open, others))


def test_what_is_being_answered_gives_way_last_and_not_at_once(clients: Clients) -> None:
    many = [clients.connect("192.0.2.1")[1] for _ in range(http_connections.MAX_OF_CLIENT)]
    for one in many:
        clients.table.note_request(one)
    assert not clients.connect("192.0.2.1")[0] and all(map(clients.is_open, many))
    clients.now += http_connections.SLOW_ANSWER_S
    assert clients.connect("192.0.2.1")[0] and not clients.is_open(many[0])
    # the newest has not asked yet, and the others wait for longer
    newest = clients.connect("192.0.2.1")[1]
    assert all(map(clients.is_open, many[1:])) and clients.is_open(newest)


def test_all_together_have_a_limit_as_well(clients: Clients) -> None:
    count = http_connections.MAX_CONNECTIONS
    many = [clients.connect(f"192.0.2.{number}")[1] for number in range(count)]
    assert clients.connect("198.51.100.1")[0]
    assert sum(map(clients.is_open, many)) == count - 1
    clients.table.remove(many[1])
    assert clients.connect("198.51.100.2")[0]
    assert sum(map(clients.is_open, many)) == count - 1


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("127.0.0.1", "127.8.9.10", True),
        ("127.0.0.1", "::1", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_who_is_one_client(one: str, other: str, is_same: bool) -> None:
    assert (identify_client(one) == identify_client(other)) is is_same
