"""Provides sudo's password from a file on the host, so that no command line contains it.

pyinfra would pass `_sudo_password` to the host as an argument of `env`, where `ps` shows it. Here
it goes through standard input into a file in memory that only the login user can read; pyinfra
gets a placeholder. The file lives as long as the connection: the script that created it deletes it
at the end of its input, also if the controller is killed.
"""

from __future__ import annotations

import base64
import time
from contextlib import suppress
from pathlib import Path

from paramiko import Channel, SSHException
from pyinfra.api import Host

from fleet.errors import FAILURE_TABLE, Failure
from fleet.language import _
from operations.host.connection import (
    PROMPT_KEY,
    TERMINAL_KEY,
    is_lost,
    open_stream,
    wait_until_lost,
)
from operations.host.output import TAG, tag_directives
from operations.host.scripts import read_script
from operations.host.sessions import NoSessionError

#: what pyinfra gets as password
PASSWORD_PLACEHOLDER = "-"
#: key in a host's connector_data of the channel that keeps the password there
CHANNEL_KEY = "mlufleet_sudo"
#: seconds that sudo may take; an unreachable directory service costs it a minute
SUDO_TIMEOUT_S = 90
#: seconds that the controller waits longer than that
ANSWER_GRACE_S = 15
#: bytes of a login banner and the answer
MAX_ANSWER_BYTES = 16 << 20


def provide_password(host: Host) -> Failure | None:
    """Put the password of `sudo_password_file` (or `_sudo_password`) on the host, and test it.

    Args:
        host: a connected host

    Returns:
        Why sudo does not work; None if it does, or if no password is configured.
    """
    password = _read_password(host)
    if password is None or isinstance(password, Failure):
        return password
    remove_password(host)
    channel = None
    try:
        script = read_script("lib/terminal") + tag_directives(read_script("askpass"))
        channel = open_stream(host, f"PATIENCE={SUDO_TIMEOUT_S}\n{script}")
        if channel is None:
            return Failure("SUDO", _("a password for sudo needs an SSH connection"))
        channel.sendall(f"{password}\n".encode())
        folder, how, refusal = _read_answer(channel)
    except NoSessionError as error:
        return Failure("MAX_SESSIONS", str(error))
    except Exception as error:  # must not end the run of other hosts
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        if wait_until_lost(host):
            return Failure("CONNECTION_LOST", _("while sudo was tested: {reason}", reason=reason))
        folder, how, refusal = "", "", Failure("SUDO", reason)
    if refusal:
        if channel is not None:
            channel.close()
        return refusal
    host.connector_data[TERMINAL_KEY] = how == "terminal"
    host.data._sudo_password = PASSWORD_PLACEHOLDER
    # where pyinfra looks up its own askpass script, which it removes at the end
    temporary = host.get_temp_dir_config()
    host.connector_data[f"sudo_askpass_path__{temporary}"] = f"{folder}/cat"
    host.connector_data[PROMPT_KEY] = f"{folder}/answer"
    host.connector_data[CHANNEL_KEY] = channel
    return None


def _read_password(host: Host) -> str | Failure | None:
    """Return the password that is configured, or why it cannot be read; None if there is none."""
    if file := host.data.get("sudo_password_file"):
        try:
            return Path(str(file)).expanduser().read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            return Failure("SUDO", _("{file} cannot be read: {error}", file=file, error=error))
    password = host.data.get("_sudo_password")
    return str(password) if password and password != PASSWORD_PLACEHOLDER else None


def _read_answer(channel: Channel) -> tuple[str, str, Failure | None]:
    """Folder of the password, "terminal" if sudo needs one, and why sudo refuses."""
    answer, word = b"", f"@@askpass.{TAG.value} ".encode()
    end = time.monotonic() + SUDO_TIMEOUT_S + ANSWER_GRACE_S
    while word not in answer or not answer.endswith(b"\n"):
        channel.settimeout(max(0.1, end - time.monotonic()))
        try:
            block = channel.recv(65536)
        except TimeoutError:
            limit = SUDO_TIMEOUT_S + ANSWER_GRACE_S
            return (
                "",
                "",
                Failure("SUDO", _("no answer within {limit} s whether sudo works", limit=limit)),
            )
        if not block:
            return "", "", Failure("SUDO", _("the login shell does not take the password"))
        answer += block
        if len(answer) > MAX_ANSWER_BYTES or time.monotonic() > end:
            return "", "", Failure("SUDO", _("the host prints without end while sudo is tested"))
    line = answer[answer.index(word) :].decode(errors="replace").partition("\n")[0]
    try:
        _mark, folder, how, code, reason = line.split(" ")
        sentence = base64.b64decode(reason).decode(errors="replace").strip()
    except ValueError:
        return (
            "",
            "",
            Failure("SUDO", _("the host's answer is not understood: {line}", line=line[:200])),
        )
    return folder, how, Failure(code, sentence) if code in FAILURE_TABLE else None


def remove_password(host: Host) -> None:
    """Delete the password from a host.

    Args:
        host: a host that may have it
    """
    channel = host.connector_data.pop(CHANNEL_KEY, None)
    if channel is None:
        return
    for key in [k for k in host.connector_data if "askpass" in k or k == PROMPT_KEY]:
        del host.connector_data[key]
    if not is_lost(host):
        with suppress(OSError, EOFError, SSHException):
            channel.settimeout(10)
            channel.shutdown_write()
            channel.recv(1)  # its end: the files are deleted
    channel.close()
