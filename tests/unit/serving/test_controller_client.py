"""The proof from the controller: where it asks, what it says, and that its key is no argument."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from fleet.errors import Failure
from operations import controller_client
from tests.unit.serving.conftest import find_port
from tests.waiting import PATIENCE_S

Serve = Callable[..., dict[str, Any]]


def ask(definition: dict[str, Any], key: str = "", timeout_s: int = 120) -> Failure | None:
    port = definition["instances"][0]["port"]
    return controller_client.ask(f"http://127.0.0.1:{port}", definition, key, timeout_s)


def test_a_right_answer_proves_and_the_key_is_sent(serve_liar: Serve) -> None:
    definition = serve_liar("key")
    assert ask(definition, "secret") is None
    failure = ask(definition, "another")
    assert failure and failure.code == "SERVE_NOT_PROVED" and "another" not in failure.detail


def test_a_wrong_answer_fails_the_host(serve_liar: Serve) -> None:
    failure = ask(serve_liar("other-words"))
    assert failure and failure.code == "SERVE_NOT_PROVED"
    assert "SERVE_WRONG" in failure.detail and "不知道" in failure.detail


def test_an_endless_client_is_ended_and_shows_no_key(serve_liar: Serve) -> None:
    asked = gevent.spawn(ask, serve_liar("hangs-streaming", "key"), "secret", 3)
    child = ""
    with gevent.Timeout(60):
        # that this goes on meanwhile is part of the test
        while "--key-file" not in (shown := show_process(child)):
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            child = next((one for one in children if "--key-file" in show_process(one)), "")
            gevent.sleep(0.01)
    assert "secret" not in shown
    failure = asked.get(timeout=PATIENCE_S)
    assert failure and "did not end within 3 s" in failure.detail
    assert not Path(f"/proc/{child}").exists()


def show_process(pid: str) -> str:
    """Arguments and environment of a process, "" if there is none."""
    try:
        files = [Path(f"/proc/{pid}/{name}") for name in ("cmdline", "environ")]
        return "".join(file.read_text(errors="replace") for file in files)
    except OSError:
        return ""


@pytest.fixture
def connect() -> Iterator[Callable[[str, int], Any]]:
    """Hosts whose SSH connection is a real one, to a listener on an address of this machine."""
    opened: list[socket.socket] = []

    def build(address: str, family: int) -> Any:
        listener = socket.create_server((address, 0), family=family)
        opened.append(listener)
        sock = socket.create_connection(listener.getsockname()[:2])
        opened.append(sock)
        return build_host(sock)

    yield build
    for one in opened:
        one.close()


def build_host(sock: Any) -> Any:
    client = SimpleNamespace(get_transport=lambda: SimpleNamespace(sock=sock))
    return SimpleNamespace(connector=SimpleNamespace(client=client))


def find_own_address() -> str:
    """An IPv4 address of this machine that is not the loopback's; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but the loopback's")
        return str(probe.getsockname()[0])


def test_the_address_is_that_of_the_connection_or_the_one_that_is_bound(
    connect: Callable[[str, int], Any],
) -> None:
    own = find_own_address()
    found = controller_client.find_address(connect(own, socket.AF_INET), "0.0.0.0")
    assert (found.address, found.reason) == (own, "")
    found = controller_client.find_address(connect(own, socket.AF_INET), "10.1.2.3")
    assert (found.address, found.reason) == ("10.1.2.3", "")


def test_what_the_controller_cannot_reach_is_not_asked(
    connect: Callable[[str, int], Any],
) -> None:
    direct = connect("127.0.0.1", socket.AF_INET)
    local = SimpleNamespace(connector=SimpleNamespace())
    cases: list[tuple[Any, str, str]] = [
        (direct, "127.0.0.1", "bound to the loopback"),
        (direct, "0.0.0.0", "through a port of the controller"),
        (build_host(object()), "10.1.2.3", "through another one"),
        (local, "10.1.2.3", "not reached by SSH"),
    ]
    for host, address, words in cases:
        found = controller_client.find_address(host, address)
        assert not found.address and words in found.reason


def test_a_port_that_refuses_is_told(serve_liar: Serve) -> None:
    port = serve_liar()["instances"][0]["port"]
    assert controller_client.find_obstacle("127.0.0.1", port) == ""
    closed = find_port()
    reason = controller_client.find_obstacle("127.0.0.1", closed)
    assert reason == f"127.0.0.1:{closed}: Connection refused"
