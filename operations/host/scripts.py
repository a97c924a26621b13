"""The scripts of files/scripts as commands."""

from __future__ import annotations

import shlex
from functools import lru_cache
from pathlib import Path

from pyinfra.api import QuoteString, StringCommand

from fleet.release.target import Wanted
from operations.host.output import marked

SCRIPTS = Path(__file__).resolve().parents[2] / "files" / "scripts"


class Script(StringCommand):
    """:ivar seconds: that it may take on the host, which a host that is broken does not heed"""

    seconds = 0


@lru_cache
def text(name: str) -> str:
    return (SCRIPTS / f"{name}.sh").read_text(encoding="utf-8")


def script(
    name: str,
    *arguments: str,
    timeout: int = 600,
    who: str = "",
    uses: str = "",
    of: Wanted | None = None,
) -> Script:
    """`files/scripts/NAME.sh ARGUMENTS…` as one bounded remote command.

    :param timeout: seconds, counted on the host, after which it is killed
    :param uses: names of the scripts whose functions it needs besides lib
    :param of: the release whose stamps it reads and writes
    :param who: for the host's audit log: run, operator and stage, split by tabs
    """
    preamble = f"WHO={shlex.quote(who)}\n" if who else ""
    command = Script(
        "timeout",
        "-k",
        "10",
        str(timeout),
        "sh",
        "-c",
        QuoteString(preamble + marked(body(name, uses, slot(of)))),
        f"mlufleet-{name}",
        *(QuoteString(argument) for argument in arguments),
    )
    command.seconds = timeout
    return command


def slot(of: Wanted | None) -> str:
    return of.slot if of else ""


def body(name: str, uses: str = "", slot: str = "") -> str:
    """The text of a script with all that it uses."""
    preamble = f"SLOT={shlex.quote(slot)}\n" if slot else ""
    return preamble + "".join(map(text, ["env", "lib", *uses.split(), name]))
