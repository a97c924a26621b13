from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import paramiko
import pytest
from pyinfra import host as current_host
from pyinfra.api import Host
from pyinfra.connectors.util import read_output_buffers
from pyinfra.context import ctx_host

from fleet.inventory import ssh_transport
from operations.host import connection
from operations.host.command import HostCommand

OUTPUT, ERRORS = b"Willkommen, Gr\xf6\xdfe\n\xc4\xe3\nlast", b"\xff\n"


class Server(paramiko.ServerInterface):
    """Lets anyone in, says OUTPUT and ERRORS to every command, with exit status 3."""

    def check_auth_none(self, username: str) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        def answer() -> None:
            channel.sendall(OUTPUT)
            channel.sendall_stderr(ERRORS)
            channel.send_exit_status(3)
            channel.close()

        # not before this request is granted, or the client sees a closed channel
        threading.Timer(0.1, answer).start()
        return True


@pytest.fixture
def host() -> Iterator[Any]:
    """As much of a pyinfra host as has a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = socket.create_connection(listener.getsockname())
        there, _ = listener.accept()
    server, transport = paramiko.Transport(there), paramiko.Transport(here)
    server.add_server_key(paramiko.ECDSAKey.generate())
    server.start_server(threading.Event(), Server())
    client = paramiko.SSHClient()
    client._transport = transport
    transport.start_client(timeout=10)
    transport.auth_none("root")
    yield SimpleNamespace(connector=SimpleNamespace(client=client), connector_data={})
    transport.close()
    server.close()


def run(host: Any) -> tuple[list[str], list[str], int]:
    """What pyinfra makes of a command's output (its SSH connector does just this)."""
    stdin, stdout, stderr = host.connector.client.exec_command("probe")
    stdin.close()
    output = read_output_buffers(stdout, stderr, timeout=10, print_output=False, print_prefix="")
    return output.stdout_lines, output.stderr_lines, stdout.channel.recv_exit_status()


def test_a_banner_that_is_not_utf8_does_not_lose_what_follows_it(host: Any) -> None:
    connection.adapt_connector(host)
    connection.adapt_connector(host)  # after a reboot that was none
    assert run(host) == (["Willkommen, Gr��e", "��", "last"], ["�"], 3)


def test_a_host_without_ssh_needs_no_preparation() -> None:
    connection.adapt_connector(SimpleNamespace(connector=SimpleNamespace()))  # type: ignore[arg-type]


def test_the_cheapest_cipher_goes_first_and_the_others_stay_in_their_order() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        usual = paramiko.Transport(theirs).get_security_options().ciphers
        found = ssh_transport.make_fast_transport(ours).get_security_options().ciphers
    assert found[0] == "aes128-gcm@openssh.com"
    assert sorted(found) == sorted(usual) and "aes128-ctr" in found
    assert list(found[1:]) == [name for name in usual if name != found[0]]


def test_small_packets_are_sent_at_once_from_the_handshake_on() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as sock,
    ):
        assert not sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        ssh_transport.make_fast_transport(sock)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_connection_that_waits_seldom_wakes_its_reader() -> None:
    """paramiko itself sets a tenth of a second, ten wake-ups a second for every idle host."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as sock,
    ):
        ssh_transport.make_fast_transport(sock)
        assert sock.gettimeout() == ssh_transport.READ_POLL_S >= 1


@pytest.mark.parametrize(("cipher", "rare"), [("aes128-ctr", True), ("3des-cbc", False)])
def test_new_keys_are_rare_where_the_cipher_s_blocks_are_large(
    host: Any, cipher: str, rare: bool
) -> None:
    under = connection.ssh_transport(host)
    assert under is not None
    under.local_cipher = cipher
    connection.adapt_connector(host)
    assert (under.packetizer.REKEY_BYTES == connection.REKEY_BYTES) is rare


def test_a_command_gets_the_host_itself_where_pyinfra_hands_out_its_proxy() -> None:
    class Command(HostCommand):
        got: object = None

        def run(self, host: Host, arguments: object) -> None:
            self.got = gevent.spawn(lambda: host.name).get()

    command, state = Command(), SimpleNamespace()
    with ctx_host.use(SimpleNamespace(name="a", state=state)):
        assert command.execute(state, current_host, {})  # type: ignore[arg-type]
    assert command.got == "a", "a greenlet beside it knows no current host"
