"""A supervisor whose signals to its servers get lost until there is a file.

Usage: lossy_supervisor.py FILE [ARGUMENT …], with arguments of supervisor.py. No process of a test
can be had that the kernel does not kill.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "files" / "serving"))
supervisor = importlib.import_module("supervisor")
server = importlib.import_module("supervisor_server")
send = server.send_signal


def send_or_lose(pids: list[int], number: int) -> None:
    """Send a signal once there is the file, and tell of it otherwise."""
    if os.path.exists(sys.argv[1]):
        send(pids, number)
    else:
        print(f"lost: {number}", flush=True)


server.send_signal = send_or_lose
sys.exit(supervisor.main(sys.argv[2:]))
