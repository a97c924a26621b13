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
STAGE = r"""umask 077; d=$(mktemp -d /dev/shm/mlufleet.XXXXXXXXXX) && cat > "$d/answer" &&
printf '#!/bin/sh\nexec cat %s/answer\n' "$d" > "$d/askpass" && chmod 700 "$d/askpass" &&
echo "@@askpass $d/askpass" """


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
    paths = [x.split()[1] for x in output.stdout_lines if x.startswith("@@askpass ")]
    if not ok or not paths:
        raise PyinfraError(f"{host.name}: could not prepare sudo: {output.stderr}")
    host.data._sudo_password = PLACEHOLDER
    # pyinfra looks its own askpass script up here, by temp folder
    folder = host.get_temp_dir_config()  # type: ignore[no-untyped-call]
    host.connector_data[f"sudo_askpass_path__{folder}"] = paths[0]
    host.connector_data["mlufleet_askpass"] = paths[0]


def remove(host: Host) -> None:
    """Take the password off the host again."""
    path = host.connector_data.pop("mlufleet_askpass", None)
    if path:
        host.run_shell_command(StringCommand("rm", "-rf", str(Path(path).parent)))
