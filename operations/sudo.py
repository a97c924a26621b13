"""Answers sudo from a file on the host, so that the password is in no command line.

pyinfra hands a ``_sudo_password`` to the host as an argument of ``env``, where ``ps`` shows it.
Here it goes through standard input into a file in memory that only the login user can read, and
pyinfra is given a placeholder. The file lives as long as the connection: the script that made it
removes it at the end of its input, also when the controller is killed.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path

from paramiko import Channel
from pyinfra.api import Host

from fleet.failures import Failure
from operations.connection import lost, stream
from operations.lines import MARK, marked

PLACEHOLDER = "-"
CHANNEL = "mlufleet_sudo"
# the answer in memory; the script that shows it elsewhere, /dev/shm may be noexec. `read` and
# `printf` are the shell's own, so the password is in no process list.
ANSWER = r"""umask 077; export LC_ALL=C
answer=$(mktemp /dev/shm/mlufleet.XXXXXXXXXX) || exit 1
askpass=$(mktemp "${TMPDIR:-/tmp}/mlufleet-askpass.XXXXXXXXXX") || exit 1
trap 'rm -f "$answer" "$askpass"' EXIT
trap 'exit 1' HUP TERM
IFS= read -r secret && printf '%s\n' "$secret" > "$answer"
printf '#!/bin/sh\nexec cat %s\n' "$answer" > "$askpass" && chmod 700 "$askpass"
if said=$(SUDO_ASKPASS="$askpass" sudo -k -A true 2>&1 </dev/null); then said=
else said="sudo says: $said"; fi
echo "@@askpass $askpass $(printf %s "$said" | base64 | tr -d '\n')"
while read -r _; do :; done
"""


def prepare(host: Host) -> Failure | None:
    """Put the password of ``sudo_password_file`` (or ``_sudo_password``) on the host and try it.

    :returns: why sudo will not work; None when it will, or when no password is given
    """
    password = host.data.get("_sudo_password")
    file = host.data.get("sudo_password_file")
    if not file and (not password or password == PLACEHOLDER):
        return None
    if file:
        try:
            password = Path(str(file)).expanduser().read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            return Failure("SUDO", f"{file} cannot be read: {error}")
    remove(host)
    channel = stream(host, marked(ANSWER))
    if channel is None:
        return Failure("SUDO", "a password for sudo needs an SSH connection")
    channel.sendall(f"{password}\n".encode())
    askpass, refused = _answer(channel)
    if refused:
        channel.close()
        return Failure("SUDO", refused)
    host.data._sudo_password = PLACEHOLDER
    # pyinfra looks its own askpass script up here, by temp folder, and removes it at the end
    folder = host.get_temp_dir_config()  # type: ignore[no-untyped-call]
    host.connector_data[f"sudo_askpass_path__{folder}"] = askpass
    host.connector_data[CHANNEL] = channel
    return None


def _answer(channel: Channel) -> tuple[str, str]:
    """(path of the askpass script, why sudo refuses)."""
    said, word = b"", f"@@askpass.{MARK} ".encode()
    channel.settimeout(60)
    while word not in said or not said.endswith(b"\n"):
        block = channel.recv(4096)
        if not block:
            return "", "the host does not take the password: /dev/shm or the temp folder"
        said += block
        if len(said) > 1 << 20:
            return "", "the host prints without end where sudo is tried"
    words = said[said.index(word) :].decode(errors="replace").split()
    reason = base64.b64decode(words[2]).decode(errors="replace") if len(words) > 2 else ""
    return words[1], reason


def remove(host: Host) -> None:
    """Take the password off the host again."""
    channel = host.connector_data.pop(CHANNEL, None)
    if channel is None:
        return
    for key in [k for k in host.connector_data if "askpass" in k]:
        del host.connector_data[key]
    if not lost(host):
        channel.settimeout(10)
        channel.shutdown_write()
        with suppress(TimeoutError):
            channel.recv(1)  # the end of its output: the files are gone
    channel.close()
