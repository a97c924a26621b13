"""Runs the tool's commands as forks of a process that has imported it.

Importing is most of what a short command costs, and the lanes of `make test` run more than a
thousand. The lane `servers` starts each of them as a user does, and so does every test that signals
a command or reads what it prints while it goes on: :func:`tests.runs.start`.

A command has its own arguments, environment, folder and standard streams, which are files, and its
process of pyinfra is one of its own, which the launcher starts here as well. It is no child of its
caller; it belongs to the process group of the server, which ends with the caller.
"""

from __future__ import annotations

import atexit
import fcntl
import importlib
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

#: as they are without gevent, whose loop a fork would have to leave again
fork, waitpid, set_signal, Socket = os.fork, os.waitpid, signal.signal, socket.socket
#: kind of server -> file name of its socket: that of the command line, which imports pyinfra only
#: if it needs it, and that of pyinfra, which is another Python once gevent has patched it
COMMAND_SOCKET, PYINFRA_SOCKET = "command", "pyinfra"
#: module that a command names -> the server that runs it
SOCKETS = {
    "mlufleet": COMMAND_SOCKET,
    "pyinfra": PYINFRA_SOCKET,
    "mlufleet.run.deploy_process": PYINFRA_SOCKET,
}
#: file descriptors that a command may have from the start
MAX_DESCRIPTORS = 16
#: seconds and microseconds after which a server looks whether its caller lives
CHECK_INTERVAL = struct.pack("ll", 5, 0)
#: seconds until a command has begun at the latest
START_TIMEOUT_S = 120


class Process:
    """A command that runs in a fork of the server, with what the launcher asks of `Popen`.

    Attributes:
        pid: of the process that runs it
    """

    def __init__(
        self,
        folder: Path,
        words: Sequence[str],
        environment: Mapping[str, str],
        cwd: str,
        streams: Sequence[int],
        further: Sequence[int] = (),
    ) -> None:
        """Start it.

        Args:
            folder: of the servers' sockets
            words: module and arguments
            environment: its variables
            cwd: folder that it runs in
            streams: file descriptors of its standard streams
            further: file descriptors that it is to have under the same numbers
        """
        request = {
            "words": list(words),
            "environment": dict(environment),
            "cwd": cwd,
            "numbers": [0, 1, 2, *further],
        }
        text = json.dumps(request).encode() + b"\n"
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(START_TIMEOUT_S)
        self._socket.connect(str(folder / SOCKETS[words[0]]))
        socket.send_fds(self._socket, [text[:1]], [*streams, *further])
        self._socket.sendall(text[1:])
        self.pid = self._read_number()

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status, below 0 for a signal, once it has ended.

        Args:
            timeout: seconds to wait

        Raises:
            TimeoutError: It has not ended.
        """
        self._socket.settimeout(timeout)
        status = self._read_number()
        self._socket.close()
        return status

    def _read_number(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            byte = self._socket.recv(1)
            if not byte:
                raise ConnectionError("the server has ended")
            line += byte
        return int(line)

    def send_signal(self, number: int) -> None:
        """Send it a signal.

        Args:
            number: of the signal
        """
        os.kill(self.pid, number)


class Launcher:
    """Takes the place of `subprocess` in mlufleet.run.launcher: pyinfra's process is a fork."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self, folder: Path) -> None:
        """Prepare it.

        Args:
            folder: of the servers' sockets
        """
        self.folder = folder

    def Popen(
        self,
        command: list[str],
        env: Mapping[str, str],
        stdin: int,
        pass_fds: Sequence[int],
    ) -> Process:
        """Start what the launcher would start.

        Args:
            command: the interpreter, `-m`, the module and its arguments
            env: environment
            stdin: `DEVNULL`
            pass_fds: further file descriptors
        """
        assert command[:2] == [sys.executable, "-m"] and stdin == subprocess.DEVNULL
        with open(os.devnull) as nothing:
            streams = (nothing.fileno(), 1, 2)
            return Process(self.folder, command[2:], env, os.getcwd(), streams, pass_fds)


class Server:
    """Both servers, for the commands of one session of pytest."""

    def __init__(self, site: Path) -> None:
        """Start them; they end with this process.

        Args:
            site: folder that commands run in
        """
        self.site = site
        self._folder = tempfile.TemporaryDirectory(prefix="mlulab-preload-")
        self.folder = Path(self._folder.name)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.preload", str(self.folder), str(os.getpid())],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n", "the tool cannot be imported"
        self.pid = self._process.pid
        atexit.register(self.stop)

    def stop(self) -> None:
        """End the servers, and commands that have not ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()

    def run(
        self, words: Sequence[str], environment: Mapping[str, str], timeout: float
    ) -> tuple[int, str, str]:
        """Run a command to its end.

        Args:
            words: module and arguments
            environment: its variables
            timeout: seconds after which it is killed

        Returns:
            Its exit status, and what it printed on standard output and standard error.
        """
        with (
            open(os.devnull) as nothing,
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryFile() as errors,
        ):
            streams = [nothing.fileno(), output.fileno(), errors.fileno()]
            process = Process(self.folder, words, environment, str(self.site), streams)
            try:
                status = process.wait(timeout)
            except BaseException:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGKILL)
                raise
            texts = []
            for file in (output, errors):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        return status, texts[0], texts[1]


def main(folder: Path, caller: int) -> None:
    """Serve commands until the caller ends.

    Args:
        folder: where the sockets are to be
        caller: process that has started this one
    """
    os.setpgrp()  # not a session of its own, whose weight would be another one
    listeners = {}
    for name in (COMMAND_SOCKET, PYINFRA_SOCKET):
        listeners[name] = Socket(socket.AF_UNIX)
        listeners[name].bind(str(folder / name))
        listeners[name].listen(64)
        listeners[name].setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, CHECK_INTERVAL)
    pid = os.getpid()
    if fork() == 0:
        listeners[COMMAND_SOCKET].close()
        import_pyinfra()
        serve(listeners[PYINFRA_SOCKET], caller=pid)
    listeners[PYINFRA_SOCKET].close()  # if nobody accepts any more, nobody is to wait there
    import_command(folder)
    print("ready", flush=True)
    serve(listeners[COMMAND_SOCKET], caller)


def import_command(folder: Path) -> None:
    """Import what commands need that do not import pyinfra.

    Args:
        folder: of the sockets
    """
    for name in ("cli.main", "journal.journal", "report.derive"):
        importlib.import_module(f"mlufleet.{name}")
    launcher = importlib.import_module("mlufleet.run.launcher")
    launcher.subprocess = Launcher(folder)  # type: ignore[attr-defined]


def import_pyinfra() -> None:
    """Import what the process of pyinfra needs."""
    startup = importlib.import_module("mlufleet.run.startup")
    with startup.cheap_imports():
        importlib.import_module("pyinfra_cli.main")
        for name in ("deploy_process", "run"):
            importlib.import_module(f"mlufleet.run.{name}")


def serve(listener: socket.socket, caller: int) -> NoReturn:
    """Run each command that is asked for in a process of its own, while the caller lives.

    Args:
        listener: socket of the server
        caller: process that has started it
    """
    hub = sys.modules.get("gevent._hub_local")
    if hub and hub.get_hub_if_exists():
        raise RuntimeError("a fork would have the loop of gevent, with its file descriptors")
    set_signal(signal.SIGCHLD, signal.SIG_IGN)
    while os.getppid() == caller:
        try:
            connection, _address = listener._accept()  # type: ignore[attr-defined]
        except BlockingIOError:
            continue
        if fork() == 0:
            set_signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            handle(Socket(fileno=connection))
        os.close(connection)
    os._exit(0)


def handle(connection: socket.socket) -> NoReturn:
    """Run one command, and answer with its process and its exit status.

    Args:
        connection: of the caller
    """
    begin, descriptors, *_ = socket.recv_fds(connection, 1, MAX_DESCRIPTORS)
    text = bytearray(begin)
    while not text.endswith(b"\n"):
        block = connection.recv(65536)
        if not block:
            os._exit(1)  # the caller has ended
        text += block
    request = json.loads(text)
    if (pid := fork()) == 0:
        run(request, descriptors)
    connection.sendall(f"{pid}\n".encode())
    _pid, status = waitpid(pid, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def run(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Become the command.

    Args:
        request: words, environment, folder and numbers of the file descriptors
        descriptors: the file descriptors
    """
    name, *arguments = request["words"]
    inherit(dict(zip(request["numbers"], descriptors, strict=True)))
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    sys.path[0] = request["cwd"]
    sys.argv = [name, *arguments]
    status = 1
    try:
        if output := sys.modules.get("operations.host.output"):
            output.TAG.renew()
        if name == "mlufleet":
            sys.modules["mlufleet.cli.main"].main(prog_name=name)
        elif name == "pyinfra":
            sys.modules["pyinfra_cli.main"].main()
        else:
            number, inventory, *options = arguments
            sys.modules[name].main(int(number), inventory, tuple(options))
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        else:
            status = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(BaseException):
                stream.flush()
        os._exit(status)


def inherit(descriptors: dict[int, int]) -> None:
    """Have these file descriptors, and no others, as a process that was started with them.

    Args:
        descriptors: number -> file descriptor that is to have it
    """
    high = {number: fcntl.fcntl(fd, fcntl.F_DUPFD, 256) for number, fd in descriptors.items()}
    os.closerange(3, 256)
    for number, fd in high.items():
        os.dup2(fd, number)
        os.close(fd)
    encoding = sys.__stdout__.encoding if sys.__stdout__ else "utf-8"
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        raw = io.FileIO(number, "w" if number else "r", closefd=False)
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw) if number else io.BufferedReader(raw),
            encoding,
            "backslashreplace" if number == 2 else "strict",
            line_buffering=number == 2 or raw.isatty(),
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
