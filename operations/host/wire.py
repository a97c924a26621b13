"""Commands as they are sent: one text that every login shell passes to a POSIX shell unchanged."""

from __future__ import annotations

import base64
import gzip
import shlex
from collections.abc import Callable
from typing import Any

from operations.host.output import mark_output
from operations.host.scripts import read_script

#: characters that some shell interprets between single quotes (csh: line ends and `!`, fish:
#: backslashes), or a POSIX shell between the double quotes within those
ESCAPES = {ord(character): f"\\0{ord(character):03o}" for character in "\n!'\"$`\\"}

#: bytes from which a command is compressed: Linux limits an argument to 131,072 bytes, and
#: unpacking costs two processes
MAX_ARGUMENT_BYTES = 90_000
#: bytes of its shell's argument from which a command of sudo goes through a pipe
MAX_LOGGED_BYTES = 300
#: how commands of pyinfra begin that use sudo
SUDO_PREFIXES = ("sudo ", "env SUDO_ASKPASS=")


def quote_for_any_shell(command: str) -> str:
    """Return a command line that runs a script in a POSIX shell, whatever the login shell is.

    Args:
        command: the script; it gets the environment that all scripts have
    """
    script = read_script("lib/env") + command
    written = f'printf %b "{script.translate(ESCAPES)}"'
    if len(written.encode()) > MAX_ARGUMENT_BYTES:
        packed = base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()
        written = f"echo {packed} | base64 -d | gzip -dc"
    return f"""sh -c 'eval "$({written})"'"""


def keep_from_log(command: str, has_input: bool) -> str:
    """Return a command of sudo whose script sudo does not log, as it logs all arguments.

    The login user's shell writes the script into a pipe, from which root's shell reads it: OpenSSH
    takes input of a session only once its command runs, so input of the connection would cost a
    round trip. A script that arrives in part is not run.

    Args:
        command: of pyinfra, with sudo; unchanged if it is short
        has_input: whether the command's own input follows the script. It ends only with that of
            the session.
    """
    sudo, shell, quoted = command.partition(" sh -c ")
    if len(quoted) <= MAX_LOGGED_BYTES:
        return command
    text = quoted[1:-1].replace("'\"'\"'", "'") if quoted.startswith("'") else quoted
    script = f"{{ {text}\n}}\n"
    source = f"printf %s {shlex.quote(script)} 2>/dev/null"
    source = f"{{ {source}; cat; }}" if has_input else source
    # unlike head, dd never reads more of a pipe than it is asked for
    read = f"dd bs={len(script.encode())} count=1 iflag=fullblock status=none"
    return f"{source} | {sudo}{shell}'eval \"$({read})\"'"


def run_in_terminal(command: str) -> str:
    """Return a command that runs in a terminal of its own, with its input and output unchanged.

    Args:
        command: for a POSIX shell
    """
    return f"{read_script('lib/terminal')}terminal {shlex.quote(command)}"


def wrap_exec_for_any_shell(execute: Any, complete: Callable[[str], str]) -> Any:
    """Return paramiko's `exec_command` for any login shell.

    Args:
        execute: the original method
        complete: adds to the command what the host needs
    """

    def run(command: str, *arguments: Any, **named: Any) -> Any:
        return execute(quote_for_any_shell(mark_output(complete(command))), *arguments, **named)

    return run
