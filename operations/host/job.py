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
from fleet.release.target import Wanted
from operations.host import connection, events, limits
from operations.host.failures import TAIL, alone, fail, refused, told
from operations.host.lock import held, who
from operations.host.output import marked
from operations.host.probe import forget
from operations.host.scripts import body, script, slot

#: seconds between two signs of life of a long step: the first come earlier
PATIENCE = (10, 20, 30)


class Step(PyinfraCommand):
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
        name: str,
        *arguments: str,
        code: str,
        timeout: int = 600,
        stdin: str = "",
        uses: str = "",
        resource: str = "",
        judge: Callable[[list[str]], None] | None = None,
    ) -> None:
        super().__init__()
        self.title, self.name, self.arguments = title, name, arguments
        self.code, self.timeout, self.stdin, self.uses = code, timeout, stdin, uses
        self.resource, self.judge = resource, judge
        self.stage = self.id = ""
        #: set by its stage, as that is
        self.wanted: Wanted | None = None

    @override
    def __repr__(self) -> str:
        return f"Step({shlex.join((self.name, *self.arguments))})"

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        lock = held(host)
        if lock is None:
            raise RuntimeError("a step needs the host's lock")
        if not self.id:  # a step that is given again after a lost connection keeps its own
            lock.steps += 1
            self.id = f"{lock.owner.run}-{lock.steps}"
            logger.info(f"{host.print_prefix}{self.title}")
            events.emit(host.name, "step", stage=self.stage, title=self.title)
        text = marked(body(self.name, self.uses, slot(self.wanted)))
        command = script(
            "job",
            self.id,
            str(self.timeout),
            self.stdin,
            text,
            f"mlufleet-{self.name}",
            *self.arguments,
            timeout=self.timeout + 120,
            who=who(host, self.stage, self.title),
        )
        forget(host)
        signs = gevent.spawn(self._signs, host, connector_arguments)
        try:
            with limits.place(host, self.resource):
                ok, output = connection.shell(host, command, connector_arguments)
        finally:
            signs.kill()
        told(host, output.stdout_lines, self.wanted)
        if not ok:
            return refused(host, self.code, self.stage, output.output_lines, self.title)
        try:
            if self.judge:
                self.judge(output.stdout_lines)
        except ValueError as error:
            tail = tuple(output.stdout_lines[-TAIL:])
            return fail(host, Failure(self.code, f"{self.title}: {error}", tail), self.stage)
        return True

    def _signs(self, host: Host, arguments: Any) -> None:
        """Say now and then that the step runs, and what it last said on the host."""
        started = time.monotonic()
        for pause in chain(PATIENCE, repeat(PATIENCE[-1] * 2)):
            gevent.sleep(pause)
            said: list[str] = []
            with suppress(OSError, EOFError, SSHException):
                _, output = connection.shell(host, script("said", self.id, timeout=10), arguments)
                said = output.stdout_lines
            seconds = time.monotonic() - started
            logger.info(
                f"{host.print_prefix}  … {self.title}: {seconds:.0f} s, "
                f"{said[-1] if said else 'still running'}"
            )
