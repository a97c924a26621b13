"""A host's verdict on itself: its own script, run there or on this machine."""

from __future__ import annotations

import re
import subprocess
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from fleet.errors import Failure, InvalidInput
from fleet.language import _
from fleet.release import host_paths
from fleet.text import sanitize

if TYPE_CHECKING:
    from pyinfra.api import Host


class VerdictStatus(IntEnum):
    """Exit status of a verdict, as monitoring plug-ins have them; the script has the same."""

    READY = 0
    DEGRADED = 1
    BROKEN = 2
    UNKNOWN = 3


class Verdict(NamedTuple):
    """What a host says of itself.

    Attributes:
        status: Whether it is ready.
        line: The status in a word, and what is wrong.
    """

    status: VerdictStatus
    line: str


#: seconds within which the script ends by itself, and some for a machine that is busy
LIMIT_S = 10
#: what the script that asks prints
ANSWER = re.compile(r"@@verdict ([0-3]) (\S.*)")
LINE = re.compile(r"(ready|degraded|broken|unknown)(: .+)?")


def describe_unknown(failure: Failure) -> Verdict:
    """Return the verdict on a host that could not be asked.

    Args:
        failure: Why.
    """
    line = sanitize.join_lines(f"unknown: {failure.code}: {failure.sentence}")
    return Verdict(VerdictStatus.UNKNOWN, line)


def read_verdict(status: int, text: str) -> Verdict:
    """Return what the script said; anything that it never says makes the verdict unknown.

    Args:
        status: Its exit status.
        text: Its standard output.
    """
    line = sanitize.join_lines(text)
    found = LINE.fullmatch(line)
    if found and found[1].upper() in VerdictStatus.__members__:
        known = VerdictStatus[found[1].upper()]
        if known == status:
            return Verdict(known, line)
    said = _(
        "the script ended with status {status} and said {line}",
        status=status,
        line=line[:200] or _("nothing"),
    )
    return describe_unknown(Failure("PROBE_FAILED", said))


def ask_here() -> Verdict:
    """Run the script of this machine."""
    path = f"{host_paths.STATE_FOLDER}/verdict.sh"
    try:
        done = subprocess.run(
            ["sh", path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return describe_unknown(
            Failure("TIMED_OUT", _("no end within {seconds} s", seconds=LIMIT_S))
        )
    except OSError as error:
        return describe_unknown(Failure("PROBE_FAILED", str(error)))
    if not done.stdout:
        return describe_unknown(Failure("NOT_RECORDED", sanitize.join_lines(done.stderr)))
    return read_verdict(done.returncode, done.stdout)


def ask_host(inventory: str, name: str, data: tuple[str, ...]) -> Verdict:
    """Connect to a host, and run its script there.

    Args:
        inventory: File of the inventory.
        name: The host.
        data: ``KEY=VALUE`` pairs for all hosts.

    Raises:
        InvalidInput: Something is wrong that can be known before the connection.
    """
    from pyinfra.api.exceptions import ConnectError
    from pyinfra.context import ctx_config, ctx_host

    from mlufleet.connect import errors
    from mlufleet.rollout.session import Session

    session = Session(inventory, (name,), data)
    if [host.name for host in session.hosts] != [name]:
        raise InvalidInput(_("{host}: expected the name of one host", host=name))
    (host,) = session.hosts
    with ctx_host.use(host), ctx_config.use(session.state.config.copy()):
        try:
            host.connect(show_errors=False, raise_exceptions=True)
            return _ask_connected(host)
        except ConnectError as error:
            return describe_unknown(errors.classify_connect_error(error, (str(error),)))
        except Exception as error:  # its exit status would be that of a host that is degraded
            return describe_unknown(Failure("INTERNAL", f"{type(error).__name__}: {error}"))


def _ask_connected(host: Host) -> Verdict:
    from operations import stages
    from operations.host import connection, sudo
    from operations.host.probe import capture_failure
    from operations.host.scripts import script_command

    def ask() -> list[str]:
        command = script_command("ask-verdict", timeout=LIMIT_S)
        arguments = connection.connector_arguments(host)
        return connection.run_command(host, command, arguments)[1].stdout_lines

    try:
        if refusal := stages.prepare_host(host):
            return describe_unknown(refusal)
        return _read_answer(capture_failure(host, ask))
    finally:
        sudo.remove_password(host)
        host.disconnect()
        connection.close(host)


def _read_answer(said: list[str] | Failure) -> Verdict:
    if isinstance(said, Failure):
        return describe_unknown(said)
    for line in said:
        if found := ANSWER.fullmatch(line):
            return read_verdict(int(found[1]), found[2])
    return describe_unknown(Failure("PROBE_FAILED", said[-1] if said else _("no output")))
