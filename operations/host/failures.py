"""How a host fails: with a code and a remedy, for the operator and the journal."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra import logger
from pyinfra.api import Host

from fleet.errors import FAILURE_TABLE, SYMPTOM_CODES, Failure
from fleet.language import _
from fleet.release.target import ReleaseTarget
from fleet.text import sanitize
from operations.host import connection, sudo
from operations.host.context import emit_event

#: lines of a script's output that a failure quotes
TAIL_LINES = 20
#: characters of a line that are shown and kept in the journal
MAX_LINE_CHARS = 4096
#: seconds to wait for a lost connection, unless the host's data set `reconnect_timeout`
RECONNECT_TIMEOUT_S = 300
#: key in a host's connector_data of a callable that takes the host lock again after a reconnect;
#: it returns True on success
RESUME_KEY = "mlufleet_resume"


def fail_host(host: Host, failure: Failure, stage: str = "") -> bool:
    """Report a host's failure with its remedy to the operator and the journal.

    Args:
        host: the host that fails
        failure: code, sentence and quoted output
        stage: label of the stage that failed; "" if none did

    Returns:
        False, which is how a pyinfra command fails its host.
    """
    for line in failure.tail[:-1]:
        logger.info(f"{host.print_prefix}    {line}")
    logger.error(f"{host.print_prefix}{failure.code}: {failure.sentence}")
    logger.error(f"{host.print_prefix}  " + _("remedy: {remedy}", remedy=failure.remedy))
    emit_event(
        host,
        "failed",
        stage=stage,
        code=failure.code,
        sentence=failure.sentence,
        remedy=failure.remedy,
        tail=list(failure.tail),
    )
    return False


def failure_from_output(code: str, output: Iterable[str], title: str = "") -> Failure:
    """Derive a failure from what a script printed.

    Args:
        code: of the failure, unless the script names one itself (`@@code CODE`) or its output has a
            known symptom
        output: lines that the script printed
        title: what was done, for the sentence; may be empty
    """
    lines = [line for line in output if line.strip()]
    named = [line.split()[-1] for line in lines if line.startswith("@@code ")]
    lines = [line[:MAX_LINE_CHARS] for line in lines if not line.startswith("@@")][-TAIL_LINES:]
    symptoms = [
        meaning
        for symptom, meaning in SYMPTOM_CODES.items()
        if any(symptom in line for line in lines)
    ]
    candidates = (*named[::-1], *symptoms[::-1])
    code = next((each for each in candidates if each in FAILURE_TABLE), code)
    reason = lines[-1] if lines else _("no output")
    return Failure(code, f"{title}: {reason}" if title else reason, tuple(lines))


def relay_output(host: Host, lines: Iterable[str], target: ReleaseTarget | None = None) -> None:
    """Pass on what a script reports: what it moved aside, how a model answered, who had the lock.

    Args:
        host: the host that it ran on
        lines: what it printed; everything else is ignored
        target: the release that it worked for
    """
    for line in (sanitize.escape_line(line[:MAX_LINE_CHARS]) for line in lines):
        if line.startswith("kept what was "):
            logger.warning(f"{host.print_prefix}{line}")
            emit_event(host, "kept", what=line)
        elif line.startswith("left empty: "):
            logger.warning(f"{host.print_prefix}{line}")
        elif line.startswith("removed a partial file "):
            logger.info(f"{host.print_prefix}{line}")
        elif line.startswith("@@answer "):
            emit_event(
                host,
                "answer",
                text=line.removeprefix("@@answer "),
                of=target.release.name if target and target.key else "",
            )
        elif line.startswith("@@lock "):
            logger.info(f"{host.print_prefix}lock {line.removeprefix('@@lock ')}")
            emit_event(host, "lock", text=line.removeprefix("@@lock "))


def resume_connection(host: Host) -> bool:
    """Restore a lost connection together with sudo's password and the host lock.

    Returns:
        True if the host is connected and its lock is held by this run.
    """
    timeout_s = int(host.data.get("reconnect_timeout") or RECONNECT_TIMEOUT_S)
    logger.warning(
        host.print_prefix
        + _(
            "connection lost, reconnecting for up to {timeout_s} s",
            timeout_s=timeout_s,
        )
    )
    emit_event(host, "lost")

    def take_back() -> bool:
        resume = host.connector_data.get(RESUME_KEY)
        return sudo.provide_password(host) is None and (resume is None or resume())

    return connection.reconnect(host, timeout_s, take_back)
