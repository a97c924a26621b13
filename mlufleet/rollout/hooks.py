"""Commands of the site before and after a host: drain it, tell the monitoring, give it back."""

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
from operations.host.failures import TAIL_LINES

#: words in the names of data that a hook is not given: secrets, and what is no text
SECRET_KEY_PARTS = ("password", "secret", "token", "passphrase", "connect_kwargs")

#: bytes of a line of its output that are kept
MAX_LINE_BYTES = 4096


def build_environment(name: str, data: Mapping[str, Any], status: str = "") -> dict[str, str]:
    """What a hook knows: MLUFLEET_HOST, _ADDRESS, _RELEASE, _GROUPS, _DATA (JSON), then _STATUS.

    A host's secrets are not handed on: an environment can be read in the process list.
    """
    shown = {
        key: value
        for key, value in data.items()
        if not any(word in key.lower() for word in SECRET_KEY_PARTS)
    }
    said = {
        "HOST": name,
        "ADDRESS": str(data.get("ssh_hostname") or name),
        "RELEASE": str(data.get("release") or " ".join(data.get("releases") or ())),
        "GROUPS": " ".join(data.get("groups") or ()),
        "DATA": json.dumps(shown, default=str, ensure_ascii=False),
        "STATUS": status,
    }
    return {f"MLUFLEET_{key}": value for key, value in said.items()}


def run_hook(command: str, variables: Mapping[str, str], timeout_s: int) -> Failure | None:
    """Run a hook on this machine.

    :param seconds: until it is killed, with all it started
    :returns: why the host cannot go on
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
        return Failure("HOOK", f"`{command}` did not end within {timeout_s} s", _text(tail))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()
        process.stdout.close()
    if process.returncode == 0:
        return None
    return Failure("HOOK", f"`{command}` ended with status {process.returncode}", _text(tail))


def _text(lines: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(line.decode(errors="replace").rstrip("\r\n") for line in lines)
