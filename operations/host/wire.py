"""A command as it goes over the wire: one text that every login shell gives to a POSIX shell."""

from __future__ import annotations

import base64
import gzip
import shlex
from collections.abc import Callable
from typing import Any

from operations.host.scripts import read_script

#: what some shell reads between single quotes (csh: line ends and `!`, fish: backslashes), or the
#: POSIX shell between the double quotes within those
ESCAPES = {ord(each): f"\\0{ord(each):03o}" for each in "\n!'\"$`\\"}

#: bytes; Linux gives a program no argument of more than 131,072 of them, and what is shorter
#: is written out, as unpacking costs two programs
MAX_ARGUMENT_BYTES = 90_000
#: how pyinfra's commands begin that are given to sudo
SUDO_PREFIXES = ("sudo ", "env SUDO_ASKPASS=")


def quote_for_any_shell(command: str) -> str:
    """A script for whatever login shell there is, in the surrounding that all scripts have."""
    script = read_script("env") + command
    written = f'printf %b "{script.translate(ESCAPES)}"'
    if len(written.encode()) > MAX_ARGUMENT_BYTES:
        packed = base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()
        written = f"echo {packed} | base64 -d | gzip -dc"
    return f"""sh -c 'eval "$({written})"'"""


def run_in_terminal(command: str) -> str:
    """A command with a terminal of its own, its input and output untouched."""
    return f"{read_script('terminal')}terminal {shlex.quote(command)}"


def wrap_exec_for_any_shell(execute: Any, complete: Callable[[str], str]) -> Any:
    """pyinfra's way to run a command, for any login shell.

    :param complete: adds to the command what the host needs
    """

    def run(command: str, *arguments: Any, **named: Any) -> Any:
        return execute(quote_for_any_shell(complete(command)), *arguments, **named)

    return run
