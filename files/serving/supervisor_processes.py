"""The processes of the supervisor's servers.

Python 3.6 and its standard library, as all of the supervisor.
"""

import contextlib
import os
import subprocess
import threading
from typing import Any, List, Set

#: Environment variable by which the processes of an instance are known wherever they go.
INSTANCE_VARIABLE = "MLUFLEET_SERVE_INSTANCE"


class ProcessTable:
    """The servers' processes: started here, waited for here, everything else reaped here.

    As the first process of a container the supervisor is the parent of every orphan. `waitpid` for
    any child would take the status of servers from their threads, so only strangers are reaped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own: Set[int] = set()

    def start(self, **options: Any) -> "subprocess.Popen[bytes]":
        """Start a server in a session and process group of its own."""
        with self._lock:
            process = subprocess.Popen(
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
            self._own.add(process.pid)
        return process

    def wait(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait for the end of a server."""
        status = process.wait()
        with self._lock:
            self._own.discard(process.pid)
        return status

    def reap_strangers(self) -> None:
        """Collect the orphans that have ended."""
        for pid in list_zombies(os.getpid()):
            with self._lock:
                if pid not in self._own:
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)


def _read_stat(pid: str) -> List[str]:
    """Read the fields of /proc/PID/stat after the name: state, parent, group, session, …."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().decode("latin-1").rpartition(")")[2].split()
    except OSError:
        return []  # it has just ended


def list_zombies(parent: int) -> List[int]:
    """List the child processes that have ended and not been waited for."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        stat = _read_stat(pid)
        if stat and stat[0] == "Z" and int(stat[1]) == parent:
            found.append(int(pid))
    return found


def list_members(leader: int, mark: str) -> List[int]:
    """List the living processes of a server.

    Args:
        leader: Its process id: that of its group and session.
        mark: Value of `INSTANCE_VARIABLE` in its environment, which finds daemons as well.
    """
    wanted = f"{INSTANCE_VARIABLE}={mark}".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        stat = _read_stat(pid)
        if not stat or stat[0] in "ZX" or int(pid) == os.getpid():
            continue
        if str(leader) in (stat[2], stat[3]) or wanted in _read_environment(pid):
            found.append(int(pid))
    return found


def _read_environment(pid: str) -> List[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def send_signal(pids: List[int], number: int) -> None:
    """Send a signal to processes that may have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
