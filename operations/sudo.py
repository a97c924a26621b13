"""Answers sudo from a file on the host, so that the password is in no command line.

pyinfra hands a ``_sudo_password`` to the host as an argument of ``env``, where ``ps`` shows it.
Here it goes through standard input into a file in memory that only the login user can read,
and pyinfra is given a placeholder.
"""

from __future__ import annotations

from pathlib import Path

from pyinfra.api import Host, StringCommand
from pyinfra.api.exceptions import PyinfraError

PLACEHOLDER = "-"
ANSWER = "mlufleet_askpass_answer"
# the answer in memory; the script that shows it beside pyinfra's own, /dev/shm may be noexec
STAGE = r"""umask 077
answer=$(mktemp /dev/shm/mlufleet.XXXXXXXXXX) && cat > "$answer" &&
askpass=$(mktemp "${TMPDIR:-/tmp}/mlufleet-askpass.XXXXXXXXXX") &&
printf '#!/bin/sh\nexec cat %s\n' "$answer" > "$askpass" && chmod 700 "$askpass" &&
echo "@@askpass $askpass $answer" """


def prepare(host: Host) -> None:
    """Put the password of ``sudo_password_file`` (or ``_sudo_password``) on the host.

    :raises PyinfraError: the file cannot be read, or the host refuses
    """
    password = host.data.get("_sudo_password")
    file = host.data.get("sudo_password_file")
    if password == PLACEHOLDER or not (password or file):
        return
    if file:
        password = Path(str(file)).expanduser().read_text().rstrip("\n")
    ok, output = host.run_shell_command(StringCommand(STAGE), _stdin=[str(password)])
    said = [line.split() for line in output.stdout_lines if line.startswith("@@askpass ")]
    if not ok or not said:
        raise PyinfraError(f"{host.name}: could not prepare sudo: {output.stderr}")
    _, askpass, answer = said[0]
    host.data._sudo_password = PLACEHOLDER
    # pyinfra looks its own askpass script up here, by temp folder, and removes it at the end
    folder = host.get_temp_dir_config()  # type: ignore[no-untyped-call]
    host.connector_data[f"sudo_askpass_path__{folder}"] = askpass
    host.connector_data[ANSWER] = answer


def remove(host: Host) -> None:
    """Take the password off the host again."""
    answer = host.connector_data.pop(ANSWER, None)
    if answer:
        host.run_shell_command(StringCommand("rm", "-f", answer))
