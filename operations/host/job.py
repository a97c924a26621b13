"""A script as a job of the host: with a title and a failure code, independent of the connection."""

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
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _
from operations.host import connection
from operations.host.command import HostCommand
from operations.host.context import emit_event, run_context
from operations.host.failures import TAIL_LINES, failure_from_output, relay_output
from operations.host.lock import audit_identity, held_lock
from operations.host.output import tag_directives
from operations.host.probe import invalidate_facts
from operations.host.scripts import script_command, script_text, stamps_subdirectory

#: seconds until the first progress reports of a long job; later ones follow at twice the last
PROGRESS_INTERVALS_S = (10, 20, 30)
#: seconds that waiting for a job may take longer than the job itself
WAIT_GRACE_S = 120
#: in the place of a job's standard input: what follows on that of the command, through a pipe
PIPE_MARK = "@@pipe"


class RemoteJob(HostCommand):
    """Runs `files/scripts/NAME.sh ARGUMENTS…` so that it outlives the connection.

    Attributes:
        job_id: id of the job on the host; "" until it starts
    """

    def __init__(
        self,
        title: str,
        script_name: str,
        *arguments: str,
        code: str,
        timeout: int = 600,
        stdin: str = "",
        secret_stdin: str = "",
        resource: str = "",
        check_output: Callable[[list[str]], None] | None = None,
    ) -> None:
        """Prepare a job.

        Args:
            title: what the operator reads
            script_name: name of the script, without .sh
            *arguments: of the script
            code: failure code, unless the script names a more precise one
            timeout: seconds that it may take, counted on the host
            stdin: text for its standard input; never a secret
            secret_stdin: lines for its standard input that are passed through a pipe: they are in
                no argument and no file of the host. The script must not wait for their end.
            resource: limited resource that it uses, such as "load"; "" for none
            check_output: reads what it printed; raises ValueError if that does not prove success
        """
        super().__init__(title)
        self.script_name, self.arguments = script_name, arguments
        self.code, self.timeout, self.stdin = code, timeout, stdin
        self._secret_stdin = secret_stdin
        self.resource, self.check_output = resource, check_output
        self.job_id = ""

    @property
    @override
    def summary(self) -> str:
        return shlex.join((self.script_name, *self.arguments))

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        lock = held_lock(host)
        if lock is None:
            raise RuntimeError("a job needs the host's lock")
        if not self.job_id:  # a job that is resumed after a lost connection keeps its id
            lock.job_count += 1
            self.job_id = f"{lock.owner.run}-{lock.job_count}"
            logger.info(f"{host.print_prefix}{self.title}")
            emit_event(host, "step", stage=self.stage, title=self.title)
        text = script_text(self.script_name, stamps_subdirectory(self.target))
        command = script_command(
            "job",
            self.job_id,
            str(self.timeout),
            tag_directives(PIPE_MARK) if self._secret_stdin else self.stdin,
            tag_directives(text),
            f"mlufleet-{self.script_name}",
            *self.arguments,
            timeout=self.timeout + WAIT_GRACE_S,
            identity=audit_identity(host, self.stage, self.title),
        )
        invalidate_facts(host)
        reporter = gevent.spawn(self._report_progress, host, arguments)
        try:
            with run_context(host).limits.hold_slot(host, self.resource):
                given = {"_stdin": f"{self._secret_stdin}.\n"} if self._secret_stdin else {}
                ok, output = connection.run_command(host, command, {**arguments, **given})
        finally:
            reporter.kill()
        relay_output(host, output.stdout_lines, self.target)
        if not ok:
            return failure_from_output(self.code, output.output_lines, self.title)
        try:
            if self.check_output:
                self.check_output(output.stdout_lines)
        except ValueError as error:
            tail = tuple(output.stdout_lines[-TAIL_LINES:])
            return Failure(self.code, f"{self.title}: {error}", tail)
        return None

    def _report_progress(self, host: Host, arguments: dict[str, Any]) -> None:
        """Log from time to time that the job runs, and the last line that it printed."""
        started = time.monotonic()
        for interval in chain(PROGRESS_INTERVALS_S, repeat(PROGRESS_INTERVALS_S[-1] * 2)):
            gevent.sleep(interval)
            lines: list[str] = []
            with suppress(OSError, EOFError, SSHException):
                command = script_command("tail-log", self.job_id, timeout=10)
                _ok, output = connection.run_command(host, command, arguments)
                lines = output.stdout_lines
            seconds = time.monotonic() - started
            state = lines[-1] if lines else _("still running")
            logger.info(f"{host.print_prefix}  … {self.title}: {seconds:.0f} s, {state}")
