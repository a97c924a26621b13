"""SSH servers of every bad kind, in threads of the test; a real sshd has no such faults."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paramiko

#: a login of the good kind
USER = "root"


class Server(paramiko.ServerInterface):
    """Lets the user in with any key, runs commands here."""

    def __init__(self, kind: str, tools: Path) -> None:
        self.kind, self.tools = kind, tools

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if username == USER else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        if destination[1] == 1:  # nothing listens there
            return paramiko.OPEN_FAILED_CONNECT_FAILED
        self.destination = destination
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: bytes) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            if self.kind == "hung":
                return  # neither output nor end
            while self.kind == "endless":
                time.sleep(0.02)  # or this process has no time for the others
                channel.sendall(b"Authorized users only. All else is logged and told.\n" * 600)
            if self.kind == "nologin":
                time.sleep(0.1)  # the request is to be granted first
                channel.sendall(b"This account is currently not available.\n")
                channel.send_exit_status(1)
                channel.close()
                return
            # a package tool that is asked for several packages takes seconds of a busy machine
            command = command.replace(b"apt-cache show", b"false")
            env = {**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}"}
            with subprocess.Popen(
                ["sh", "-c", command],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            ) as process:
                assert process.stdin and process.stdout and process.stderr
                given = threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True)
                given.start()
                while block := process.stdout.read1(32768):  # type: ignore[attr-defined]
                    channel.sendall(block)
                channel.sendall_stderr(process.stderr.read())
                channel.send_exit_status(process.wait())
            channel.close()


def _feed(channel: paramiko.Channel, stream: object) -> None:
    with suppress(OSError, EOFError, ValueError):
        while block := channel.recv(4096):
            stream.write(block)  # type: ignore[attr-defined]
            stream.flush()  # type: ignore[attr-defined]
    with suppress(OSError, ValueError):
        stream.close()  # type: ignore[attr-defined]


#: of every host that shows the right key
KEY = paramiko.ECDSAKey.generate()
OTHER = paramiko.ECDSAKey.generate()


def ssh(kind: str, tools: Path) -> Callable[[socket.socket], None]:
    """:param tools: a folder of programs that go before the machine's, sudo at least"""

    def serve(sock: socket.socket) -> None:
        under = paramiko.Transport(sock)
        under.add_server_key(OTHER if kind == "changed" else KEY)
        server = Server(kind, tools)
        under.start_server(server=server)
        if kind == "closes":
            under.accept(60)  # the client knows that it is logged in
            under.close()
        while under.is_active():
            channel = under.accept(1)
            if channel is not None and hasattr(server, "destination"):
                threading.Thread(
                    target=_join, args=(channel, server.destination), daemon=True
                ).start()

    return serve


def _join(channel: paramiko.Channel, destination: tuple[str, int]) -> None:
    with suppress(OSError), socket.create_connection(destination) as there:
        back = threading.Thread(target=_pour, args=(there, channel), daemon=True)
        back.start()
        _pour(channel, there)
        back.join(5)
    channel.close()


def _pour(source: object, target: object) -> None:
    with suppress(OSError, EOFError):
        while block := source.recv(32768):  # type: ignore[attr-defined]
            target.sendall(block)  # type: ignore[attr-defined]
    with suppress(OSError, EOFError):
        target.close()  # type: ignore[attr-defined]


def silent(sock: socket.socket) -> None:
    """Accepts, and says nothing."""
    with suppress(OSError):
        while sock.recv(4096):
            pass


def flood(sock: socket.socket) -> None:
    """A banner without an end of line, for ever."""
    with suppress(OSError):
        while True:
            sock.sendall(b"welcome " * 4096)


def full(times: int, tools: Path) -> Callable[[socket.socket], None]:
    """As an sshd with too many logins at once: the first ones are dropped."""
    serve, left = ssh("good", tools), [times]

    def sometimes(sock: socket.socket) -> None:
        if left[0] > 0:
            left[0] -= 1
            sock.close()
        else:
            serve(sock)

    return sometimes


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port that a server answers on."""

    def one(sock: socket.socket) -> None:
        with sock, suppress(OSError, EOFError, paramiko.SSHException):
            serve(sock)

    def accept() -> None:
        with suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=one, args=(sock,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def known(path: Path, ports: list[int]) -> Path:
    """A known_hosts file that has the right key for some ports."""
    line = f"{KEY.get_name()} {KEY.get_base64()}\n"
    path.write_text("".join(f"[127.0.0.1]:{port} {line}" for port in ports))
    return path


def host_data(folder: Path, site: Path, ports: dict[str, int], **more: str) -> dict[str, Any]:
    """Data of hosts that a new key in a folder opens; that of "unknown" is in no known_hosts."""
    paramiko.RSAKey.generate(1024).write_private_key_file(str(folder / "key"))
    trusted = known(folder / "known", [port for name, port in ports.items() if name != "unknown"])
    common = {
        "ssh_hostname": "127.0.0.1",
        "ssh_user": USER,
        "_sudo": True,
        "ssh_known_hosts_file": str(trusted),
        "ssh_key": str(folder / "key"),
        "release": str(site / "small.yml"),
        "store": str(site / "store"),
        **more,
    }
    hosts = {name: {**common, "ssh_port": port} for name, port in ports.items()}
    hosts["closed"]["ssh_port"] = 1
    hosts["stranger"]["ssh_user"] = "nobody"
    return hosts
