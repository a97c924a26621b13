"""Removes the state folder, which holds the run's own lock: the last thing of a retirement."""

from __future__ import annotations

from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _
from operations.host import connection
from operations.host.command import HostCommand
from operations.host.failures import failure_from_output, relay_output
from operations.host.lock import audit_identity, forget_lock, held_lock
from operations.host.probe import invalidate_facts
from operations.host.scripts import script_command


class RemoveState(HostCommand):
    """Removes the state folder, or all of it but the record of what stays.

    It is no job of the host: a job keeps its files in that folder. Repeated after a lost
    connection, it finds less to remove.
    """

    def __init__(self, keeps_record: bool) -> None:
        """Prepare the command.

        Args:
            keeps_record: Whether something stays on the host that is to be known as this tool's.
        """
        super().__init__(_("removing the state of mlu-fleet"), stage="state")
        self.keeps_record = keeps_record

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        lock = held_lock(host)
        if lock is None:
            raise RuntimeError("the state can only be removed by the holder of the lock")
        logger.info(f"{host.print_prefix}{self.title}")
        command = script_command(
            "remove-state",
            lock.owner.run,
            *(["record"] if self.keeps_record else []),
            identity=audit_identity(host, self.stage, self.title),
        )
        ok, output = connection.run_command(host, command, arguments)
        invalidate_facts(host)
        relay_output(host, output.stdout_lines)
        if not ok:
            return failure_from_output("NOT_RETIRED", output.output_lines, self.title)
        if "@@removed" in output.stdout_lines:
            forget_lock(host)
        return None
