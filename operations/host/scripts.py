"""The scripts of files/scripts as remote commands."""

from __future__ import annotations

import re
import shlex
from functools import lru_cache

from pyinfra.api import QuoteString, StringCommand

from fleet import paths
from fleet.release.target import ReleaseTarget
from operations.host.output import tag_directives

SCRIPTS_DIR = paths.FILES_FOLDER / "scripts"
#: libraries in files/scripts/lib that every script has
COMMON_LIBRARIES = ("env", "common")
#: header line of a script that names further ones
NEEDS_HEADER = re.compile(r"^# needs: (.+)$", re.MULTILINE)


class ScriptCommand(StringCommand):
    """A script as one remote command.

    Attributes:
        timeout_s: seconds that it may take on the host; a broken host may not enforce that
    """

    timeout_s = 0


@lru_cache
def read_script(name: str) -> str:
    """Return the text of a script.

    Args:
        name: its path below files/scripts, without .sh
    """
    return (SCRIPTS_DIR / f"{name}.sh").read_text(encoding="utf-8")


def script_command(
    name: str,
    *arguments: str,
    timeout: int = 600,
    identity: str = "",
    target: ReleaseTarget | None = None,
    read_only: bool = False,
) -> ScriptCommand:
    """Return `files/scripts/NAME.sh ARGUMENTS…` as one remote command with a time limit.

    Args:
        name: name of the script, without .sh
        *arguments: of the script
        timeout: seconds after which the host kills it
        identity: run, operator, stage and title for the host's audit log, separated by tabs
        target: the release whose stamps it reads and writes; None for those of the host
        read_only: whether nothing may be written on the host, not even what git would refresh
    """
    preamble = f"WHO={shlex.quote(identity)}\n" if identity else ""
    preamble += "read_only=yes\n" if read_only else ""
    text = tag_directives(script_text(name, stamps_subdirectory(target)))
    command = ScriptCommand(
        "timeout",
        "-k",
        "10",
        str(timeout),
        "sh",
        "-c",
        QuoteString(preamble + text),
        f"mlufleet-{name}",
        *(QuoteString(argument) for argument in arguments),
    )
    command.timeout_s = timeout
    return command


def stamps_subdirectory(target: ReleaseTarget | None) -> str:
    """Return the directory of a release's stamps, relative to those of the host.

    Args:
        target: the release; None for the host itself
    """
    return target.key if target else ""


def script_text(name: str, slot: str = "") -> str:
    """Return the text of a script with the libraries that its header names.

    Args:
        name: name of the script, without .sh
        slot: directory of the stamps that it reads and writes; "" for those of the host
    """
    preamble = f"SLOT={shlex.quote(slot)}\n" if slot else ""
    text = read_script(name)
    needs = NEEDS_HEADER.search(text)
    libraries = [*COMMON_LIBRARIES, *(needs[1].split() if needs else ())]
    return preamble + "".join(read_script(f"lib/{library}") for library in libraries) + text
