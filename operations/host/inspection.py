"""Runs a read-only script on a host, and returns the records that it prints."""

from __future__ import annotations

from pyinfra.api import Host

from fleet.errors import Failure
from fleet.language import _
from fleet.release.target import ReleaseTarget
from operations.host import connection
from operations.host.failures import TAIL_LINES, failure_from_output
from operations.host.scripts import script_command

#: directive of a record: its fields follow, each after a tab
RECORD = "@@fact"
#: directive that ends a complete answer
END = "@@end"


class InspectionFailed(Exception):
    """A host did not answer an inspection.

    Attributes:
        failure: why
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


def ask_host(
    host: Host,
    script: str,
    *arguments: str,
    timeout: int = 120,
    target: ReleaseTarget | None = None,
    stdin: str = "",
) -> list[list[str]]:
    """Run ``files/scripts/SCRIPT.sh`` on a host, and return what it found.

    The script prints each record as a line ``@@fact<TAB>FIELD<TAB>FIELD…`` and ``@@end`` at its
    end. No file, container or banner can print such a line, as directives carry a mark of the run.
    The script must not write anything, not even to the state folder.

    Args:
        host: A connected host.
        script: Name of the script, without .sh.
        *arguments: Of the script; each at most 128 KiB (Linux's MAX_ARG_STRLEN).
        timeout: Seconds after which the host ends it.
        target: The release whose stamps the script reads; None for those of the host.
        stdin: Text for its standard input, of any length.

    Returns:
        The fields of each record.

    Raises:
        InspectionFailed: The script failed, or its answer is incomplete.
    """
    command = script_command(script, *arguments, timeout=timeout, target=target, read_only=True)
    given = connection.connector_arguments(host, **({"_stdin": stdin} if stdin else {}))
    ok, output = connection.run_command(host, command, given)
    lines = output.stdout_lines
    if not ok:
        raise InspectionFailed(failure_from_output("PROBE_FAILED", output.output_lines, script))
    if END not in lines:
        tail = [line for line in output.output_lines if not line.startswith("@@")][-TAIL_LINES:]
        reason = _("{script}: its answer has no end", script=script)
        raise InspectionFailed(Failure("PROBE_FAILED", reason, tuple(tail)))
    return [line.split("\t")[1:] for line in lines if line.startswith(f"{RECORD}\t")]
