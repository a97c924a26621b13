"""Runs commands of the site before and after a host, e.g. to drain it and to notify monitoring."""

from __future__ import annotations

import json
import os
import subprocess
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from gevent import Timeout
from gevent.subprocess import PIPE, STDOUT, Popen

from fleet.errors import Failure
from fleet.language import _
from operations.host.failures import TAIL_LINES

#: a hook does not get data whose key has one of these parts: secrets, and what is not text
SECRET_KEY_PARTS = ("password", "secret", "token", "passphrase", "connect_kwargs")
#: longer lines of a hook's output are split
MAX_LINE_BYTES = 4096


def build_environment(name: str, data: Mapping[str, Any], status: str = "") -> dict[str, str]:
    """Return the variables of a hook; a host's secrets are not among them.

    A process list may show an environment to every user.

    Args:
        name: Name of the host.
        data: Data of the host.
        status: What became of it: "ok", "failed", "rolled back"; empty before it starts.

    Returns:
        MLUFLEET_HOST, _ADDRESS, _RELEASE, _GROUPS, _DATA (as JSON) and _STATUS.
    """
    public = {
        key: value
        for key, value in data.items()
        if not any(part in key.lower() for part in SECRET_KEY_PARTS)
    }
    return {
        "MLUFLEET_HOST": name,
        "MLUFLEET_ADDRESS": str(data.get("ssh_hostname") or name),
        "MLUFLEET_RELEASE": str(data.get("release") or " ".join(data.get("releases") or ())),
        "MLUFLEET_GROUPS": " ".join(data.get("groups") or ()),
        "MLUFLEET_DATA": json.dumps(public, default=str, ensure_ascii=False),
        "MLUFLEET_STATUS": status,
    }


def run_hook(command: str, variables: Mapping[str, str], timeout_s: int) -> Failure | None:
    """Run a hook on this machine.

    Args:
        command: Shell command.
        variables: Its environment, besides that of this process.
        timeout_s: Seconds after which it is killed, with all that it started.

    Returns:
        Why the host cannot go on, or None.
    """
    process = Popen(
        ["sh", "-c", command],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    tail = deque[bytes](maxlen=TAIL_LINES)
    try:
        with Timeout(timeout_s):
            while line := process.stdout.readline(MAX_LINE_BYTES):
                tail.append(line)
            process.wait()
    except Timeout:
        why = _("`{command}` did not end within {seconds} s", command=command, seconds=timeout_s)
        return Failure("HOOK", why, _decode(tail))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()
        process.stdout.close()
    if process.returncode == 0:
        return None
    status = process.returncode
    why = _("`{command}` exited with status {status}", command=command, status=status)
    return Failure("HOOK", why, _decode(tail))


def _decode(lines: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(line.decode(errors="replace").rstrip("\r\n") for line in lines)
