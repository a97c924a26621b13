"""A remote script as a job of the host's own, with a title and a failure code."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import chain, repeat
from typing import Any

import gevent
from paramiko import SSHException
from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from fleet.errors import Failure
from fleet.release.target import ReleaseTarget
from operations.host import connection, events, limits
from operations.host.failures import (
    TAIL_LINES,
    fail_by_output,
    fail_host,
    isolate_failures,
    relay_output,
)
from operations.host.lock import audit_identity, held_lock
from operations.host.output import tag_directives
from operations.host.probe import invalidate_facts
from operations.host.scripts import script_command, script_text, stamps_subdirectory

#: seconds between two signs of life of a long step: the first come earlier
PROGRESS_INTERVALS_S = (10, 20, 30)


class RemoteJob(PyinfraCommand):
    """Runs `files/scripts/NAME.sh ARGUMENTS…` so that it outlives the connection.

    :param title: what the operator reads
    :param code: of its failure, unless the script itself says a better one
    :param timeout: seconds, counted on the host
    :param stdin: text for its standard input; never a secret
    :param resource: what of a fleet it is heavy on
    :param judge: reads what it printed; raises ValueError where that proves nothing
    """

    def __init__(
        self,
        title: str,
        script_name: str,
        *arguments: str,
        code: str,
        timeout: int = 600,
        stdin: str = "",
        libraries: str = "",
        resource: str = "",
        check_output: Callable[[list[str]], None] | None = None,
    ) -> None:
        super().__init__()
        self.title, self.script_name, self.arguments = title, script_name, arguments
        self.code, self.timeout, self.stdin, self.libraries = code, timeout, stdin, libraries
        self.resource, self.check_output = resource, check_output
        self.stage = self.job_id = ""
        #: set by its stage, as that is
        self.wanted: ReleaseTarget | None = None

    @override
    def __repr__(self) -> str:
        return f"Step({shlex.join((self.script_name, *self.arguments))})"

    @override
    @isolate_failures
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        lock = held_lock(host)
        if lock is None:
            raise RuntimeError("a step needs the host's lock")
        if not self.job_id:  # a step that is given again after a lost connection keeps its own
            lock.job_count += 1
            self.job_id = f"{lock.owner.run}-{lock.job_count}"
            logger.info(f"{host.print_prefix}{self.title}")
            events.emit(host.name, "step", stage=self.stage, title=self.title)
        text = tag_directives(
            script_text(self.script_name, self.libraries, stamps_subdirectory(self.wanted))
        )
        command = script_command(
            "job",
            self.job_id,
            str(self.timeout),
            self.stdin,
            text,
            f"mlufleet-{self.script_name}",
            *self.arguments,
            timeout=self.timeout + 120,
            identity=audit_identity(host, self.stage, self.title),
        )
        invalidate_facts(host)
        signs = gevent.spawn(self._report_progress, host, connector_arguments)
        try:
            with limits.hold_slot(host, self.resource):
                ok, output = connection.run_command(host, command, connector_arguments)
        finally:
            signs.kill()
        relay_output(host, output.stdout_lines, self.wanted)
        if not ok:
            return fail_by_output(host, self.code, self.stage, output.output_lines, self.title)
        try:
            if self.check_output:
                self.check_output(output.stdout_lines)
        except ValueError as error:
            tail = tuple(output.stdout_lines[-TAIL_LINES:])
            return fail_host(host, Failure(self.code, f"{self.title}: {error}", tail), self.stage)
        return True

    def _report_progress(self, host: Host, arguments: Any) -> None:
        """Say now and then that the step runs, and what it last said on the host."""
        started = time.monotonic()
        for pause in chain(PROGRESS_INTERVALS_S, repeat(PROGRESS_INTERVALS_S[-1] * 2)):
            gevent.sleep(pause)
            said: list[str] = []
            with suppress(OSError, EOFError, SSHException):
                _, output = connection.run_command(
                    host, script_command("said", self.job_id, timeout=10), arguments
                )
                said = output.stdout_lines
            seconds = time.monotonic() - started
            logger.info(
                f"{host.print_prefix}  … {self.title}: {seconds:.0f} s, "
                f"{said[-1] if said else 'still running'}"
            )
