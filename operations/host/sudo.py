"""Answers sudo from a file on the host, so that the password is in no command line.

pyinfra hands a ``_sudo_password`` to the host as an argument of ``env``, where ``ps`` shows it.
Here it goes through standard input into a file in memory that only the login user can read, and
pyinfra is given a placeholder. The file lives as long as the connection: the script that made it
removes it at the end of its input, also when the controller is killed.
"""

from __future__ import annotations

import base64
import time
from contextlib import suppress
from pathlib import Path

from paramiko import Channel, SSHException
from pyinfra.api import Host

from fleet.errors import FAILURE_TABLE, Failure
from operations.host.connection import (
    PROMPT_KEY,
    TERMINAL_KEY,
    is_lost,
    open_stream,
    wait_until_lost,
)
from operations.host.output import DIRECTIVE_TAG, tag_directives
from operations.host.scripts import read_script
from operations.host.sessions import NoSessionError

PASSWORD_PLACEHOLDER = "-"
CHANNEL_KEY = "mlufleet_sudo"
#: seconds that sudo may take on the host: a directory service that is gone costs it a minute
SUDO_TIMEOUT_S = 90
#: more of them that the controller waits
ANSWER_GRACE_S = 15
#: bytes that a login's banner and the answer may have
MAX_ANSWER_BYTES = 16 << 20


def provide_password(host: Host) -> Failure | None:
    """Put the password of ``sudo_password_file`` (or ``_sudo_password``) on the host and try it.

    :returns: why sudo will not work; None when it will, or when no password is given
    """
    password = host.data.get("_sudo_password")
    file = host.data.get("sudo_password_file")
    if not file and (not password or password == PASSWORD_PLACEHOLDER):
        return None
    if file:
        try:
            password = Path(str(file)).expanduser().read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            return Failure("SUDO", f"{file} cannot be read: {error}")
    remove_password(host)
    channel = None
    try:
        script = read_script("terminal") + tag_directives(read_script("askpass"))
        channel = open_stream(host, f"PATIENCE={SUDO_TIMEOUT_S}\n{script}")
        if channel is None:
            return Failure("SUDO", "a password for sudo needs an SSH connection")
        channel.sendall(f"{password}\n".encode())
        folder, how, refused = _read_answer(channel)
    except NoSessionError as error:
        return Failure("MAX_SESSIONS", str(error))
    except Exception as error:  # it would end the run of every host
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        if wait_until_lost(host):
            return Failure("CONNECTION_LOST", f"where sudo is tried: {said}")
        folder, how, refused = "", "", Failure("SUDO", said)
    if refused:
        if channel is not None:
            channel.close()
        return refused
    host.connector_data[TERMINAL_KEY] = how == "terminal"
    host.data._sudo_password = PASSWORD_PLACEHOLDER
    # pyinfra looks its own askpass script up here, by temp folder, and removes it at the end
    place = host.get_temp_dir_config()  # type: ignore[no-untyped-call]
    host.connector_data[f"sudo_askpass_path__{place}"] = f"{folder}/cat"
    host.connector_data[PROMPT_KEY] = f"{folder}/answer"
    host.connector_data[CHANNEL_KEY] = channel
    return None


def _read_answer(channel: Channel) -> tuple[str, str, Failure | None]:
    """(folder of the answer, whether sudo gets a terminal, why it refuses)."""
    said, word = b"", f"@@askpass.{DIRECTIVE_TAG} ".encode()
    end = time.monotonic() + SUDO_TIMEOUT_S + ANSWER_GRACE_S
    while word not in said or not said.endswith(b"\n"):
        channel.settimeout(max(0.1, end - time.monotonic()))
        try:
            block = channel.recv(65536)
        except TimeoutError:
            limit_s = SUDO_TIMEOUT_S + ANSWER_GRACE_S
            late = f"the host does not say within {limit_s} s whether sudo works"
            return "", "", Failure("SUDO", late)
        if not block:
            return "", "", Failure("SUDO", "the login shell does not take the password")
        said += block
        if len(said) > MAX_ANSWER_BYTES or time.monotonic() > end:
            return "", "", Failure("SUDO", "the host prints without end where sudo is tried")
    line = said[said.index(word) :].decode(errors="replace").partition("\n")[0]
    try:
        _, folder, how, code, why = line.split(" ")
        sentence = base64.b64decode(why).decode(errors="replace").strip()
    except ValueError:
        return "", "", Failure("SUDO", f"the host's answer is not understood: {line[:200]}")
    return folder, how, Failure(code, sentence) if code in FAILURE_TABLE else None


def remove_password(host: Host) -> None:
    """Take the password off the host again."""
    channel = host.connector_data.pop(CHANNEL_KEY, None)
    if channel is None:
        return
    for key in [k for k in host.connector_data if "askpass" in k or k == PROMPT_KEY]:
        del host.connector_data[key]
    if not is_lost(host):
        with suppress(OSError, EOFError, SSHException):
            channel.settimeout(10)
            channel.shutdown_write()
            channel.recv(1)  # the end of its output: the files are gone
    channel.close()
