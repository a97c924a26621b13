"""The scripts of files/scripts as commands."""

from __future__ import annotations

import shlex
from functools import lru_cache

from pyinfra.api import QuoteString, StringCommand

from fleet import paths
from fleet.release.target import ReleaseTarget
from operations.host.output import tag_directives

SCRIPTS_DIR = paths.FILES_FOLDER / "scripts"


class ScriptCommand(StringCommand):
    """:ivar seconds: that it may take on the host, which a host that is broken does not heed"""

    timeout_s = 0


@lru_cache
def read_script(name: str) -> str:
    return (SCRIPTS_DIR / f"{name}.sh").read_text(encoding="utf-8")


def script_command(
    name: str,
    *arguments: str,
    timeout: int = 600,
    identity: str = "",
    libraries: str = "",
    target: ReleaseTarget | None = None,
) -> ScriptCommand:
    """`files/scripts/NAME.sh ARGUMENTS…` as one bounded remote command.

    :param timeout: seconds, counted on the host, after which it is killed
    :param uses: names of the scripts whose functions it needs besides lib
    :param of: the release whose stamps it reads and writes
    :param who: for the host's audit log: run, operator and stage, split by tabs
    """
    preamble = f"WHO={shlex.quote(identity)}\n" if identity else ""
    command = ScriptCommand(
        "timeout",
        "-k",
        "10",
        str(timeout),
        "sh",
        "-c",
        QuoteString(
            preamble + tag_directives(script_text(name, libraries, stamps_subdirectory(target)))
        ),
        f"mlufleet-{name}",
        *(QuoteString(argument) for argument in arguments),
    )
    command.timeout_s = timeout
    return command


def stamps_subdirectory(target: ReleaseTarget | None) -> str:
    return target.key if target else ""


def script_text(name: str, libraries: str = "", slot: str = "") -> str:
    """The text of a script with all that it uses."""
    preamble = f"SLOT={shlex.quote(slot)}\n" if slot else ""
    return preamble + "".join(map(read_script, ["env", "lib", *libraries.split(), name]))
