"""How one host fails, alone and with a remedy; and what it does about a connection that is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from paramiko import SSHException
from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.state import State

from fleet.errors import FAILURE_TABLE, SYMPTOM_CODES, Failure
from fleet.release.target import ReleaseTarget
from fleet.text import sanitize
from operations.host import connection, events, sudo
from operations.host.probe import unwrap_host
from operations.host.sessions import NoSessionError

TAIL_LINES = 20
#: characters of a line that are told and kept in the journal
MAX_LINE_CHARS = 4096
#: seconds in which a lost connection has to come back, where a host's data says no other
RECONNECT_TIMEOUT_S = 300
#: key of a host's data: what makes it this run's again after that; returns whether it is
RESUME_KEY = "mlufleet_resume"


def fail_host(host: Host, failure: Failure, stage: str = "") -> bool:
    """Name a host's failure with its remedy, to the operator and the journal."""
    for line in failure.tail[:-1]:
        logger.info(f"{host.print_prefix}    {line}")
    logger.error(f"{host.print_prefix}{failure.code}: {failure.sentence}")
    logger.error(f"{host.print_prefix}  remedy: {failure.remedy}")
    events.emit(
        host.name,
        "failed",
        stage=stage,
        code=failure.code,
        sentence=failure.sentence,
        remedy=failure.remedy,
        tail=list(failure.tail),
    )
    return False


def fail_by_output(
    host: Host, code: str, stage: str, output: Iterable[str], title: str = ""
) -> bool:
    """Fail a host by what its script printed: one that knows better names the code itself."""
    lines = [line for line in output if line.strip()]
    named = [line.split()[-1] for line in lines if line.startswith("@@code ")]
    lines = [line[:MAX_LINE_CHARS] for line in lines if not line.startswith("@@")][-TAIL_LINES:]
    meant = [
        meaning
        for symptom, meaning in SYMPTOM_CODES.items()
        if any(symptom in line for line in lines)
    ]
    code = next((one for one in (*named[::-1], *meant[::-1]) if one in FAILURE_TABLE), code)
    said = lines[-1] if lines else "no output"
    return fail_host(
        host, Failure(code, f"{title}: {said}" if title else said, tuple(lines)), stage
    )


def relay_output(host: Host, lines: Iterable[str], target: ReleaseTarget | None = None) -> None:
    """Pass on what a script says of its own accord: what it kept, what the model answered.

    :param of: the release that it worked for
    """
    for line in (sanitize.escape_line(line[:MAX_LINE_CHARS]) for line in lines):
        if line.startswith("kept what was "):
            logger.warning(f"{host.print_prefix}{line}")
            events.emit(host.name, "kept", what=line)
        elif line.startswith("left empty: "):
            logger.warning(f"{host.print_prefix}{line}")
        elif line.startswith("removed a partial file "):
            logger.info(f"{host.print_prefix}{line}")
        elif line.startswith("@@answer "):
            events.emit(
                host.name,
                "answer",
                text=line.removeprefix("@@answer "),
                of=target.release.name if target and target.key else "",
            )
        elif line.startswith("@@lock "):
            logger.info(f"{host.print_prefix}lock {line.removeprefix('@@lock ')}")
            events.emit(host.name, "lock", text=line.removeprefix("@@lock "))


def resume_connection(host: Host) -> bool:
    """Bring a lost connection back, with sudo's answer and the lock."""
    patience = int(host.data.get("reconnect_timeout") or RECONNECT_TIMEOUT_S)
    logger.warning(f"{host.print_prefix}the connection is lost, trying for {patience} s")
    events.emit(host.name, "lost")

    def ours() -> bool:
        resume = host.connector_data.get(RESUME_KEY)
        return sudo.provide_password(host) is None and (resume is None or resume())

    return connection.reconnect(host, patience, ours)


Execute = Callable[..., bool]


def isolate_failures(execute: Execute) -> Execute:
    """An exception that leaves a command would end the run of every host: it fails this one.

    What a command starts beside itself knows no "current host": in a rollout pyinfra hands out its
    proxy of that, so the command gets the host itself.

    A command whose connection is lost is given again once that is back, so it must be one that
    can be: it looks first at what is there, or is a job that is picked up.
    """

    @wraps(execute)
    def guarded(self: Any, state: State, host: Host, connector_arguments: Any) -> bool:
        host = unwrap_host(host)
        stage = getattr(self, "stage", "")
        if events.stop_requested():
            return fail_host(host, Failure("INTERRUPTED", events.stop_reason()), str(stage))
        for _ in range(3):
            try:
                return execute(self, state, host, connector_arguments)
            except NoSessionError as error:
                return fail_host(host, Failure("MAX_SESSIONS", str(error)), str(stage))
            except (OSError, EOFError, SSHException) as error:
                reason = f"{self!r}: {error}"
                if not connection.wait_until_lost(host) or not resume_connection(host):
                    break
            except Exception as error:
                return fail_host(
                    host, Failure("INTERNAL", f"{self!r}: {type(error).__name__}: {error}")
                )
        return fail_host(host, Failure("CONNECTION_LOST", reason), str(stage))

    return guarded
