"""pyinfra in this process, each host on its own: connect, run deploy.py from top to bottom, leave.

pyinfra's own run takes all hosts through each operation together. Here its state is in the
execute stage from the start, where an operation is carried out when deploy.py calls it, so every
host goes through its stages at its own pace.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gevent import GreenletExit
from pyinfra import logger
from pyinfra.api import Config, Host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import State, StateStage
from pyinfra.context import ctx_config, ctx_host, ctx_inventory, ctx_state

from fleet.errors import Failure
from fleet.inventory import host_selection
from fleet.inventory.pyinfra_loader import load
from mlufleet.connect import open_files
from mlufleet.journal.journal import identity, ready
from mlufleet.run import launcher
from mlufleet.run.run import Run
from operations import stages
from operations.host import connection
from operations.host.failures import fail
from operations.host.probe import forget

CONFIG, DEPLOY = "config.py", "deploy.py"


class Session:
    """The hosts of an inventory, and one run of this process over them.

    :raises InvalidInput: anything that can be known before the first connection is wrong
    """

    def __init__(
        self,
        inventory: str,
        limit: tuple[str, ...],
        data: tuple[str, ...],
        exclude: tuple[str, ...] = (),
    ) -> None:
        from pyinfra_cli.util import exec_file

        ready()
        pairs = launcher.override(data)
        self.state = State(check_for_changes=False)
        ctx_state.set(self.state)  # type: ignore[no-untyped-call]
        found = load(inventory, pairs)
        launcher.check(inventory, found)
        launcher.warned(inventory, found)
        limited = host_selection.without(found, host_selection.limited(found, limit), exclude)
        ctx_inventory.set(found)  # type: ignore[no-untyped-call]
        config = Config()  # type: ignore[no-untyped-call]
        with ctx_config.use(config):
            if os.path.isfile(CONFIG):
                exec_file(CONFIG)
        self.state.init(found, config, initial_limit=limited)
        self.hosts: list[Host] = list(found) if limited is None else limited
        open_files.allow(self.hosts)
        for host in self.hosts:
            self.state.activate_host(host)
        self.state.current_stage = StateStage.Execute
        self.state.is_executing = True
        self._exec_file = exec_file

    def begin(self, why: str) -> Run:
        """Begin the run's journal. :param why: the command that was given"""
        logger.setLevel(logging.INFO)  # as pyinfra's command does: a host's log has all it says
        self.run = Run.begin(self.state, identity(), why)
        self.run.name_hosts()
        return self.run

    @contextmanager
    def connected(self, host: Host) -> Iterator[bool]:
        """A host with a fresh connection; given back and left at the end, whatever happens.

        What goes wrong meanwhile is this host's own failure, told and in the journal: the others
        go on, and whoever asks the run whether the host failed is not told that it passed.
        """
        with ctx_host.use(host), ctx_config.use(self.state.config.copy()):
            self.run.log.connects(host.name)
            host.connect()
            if not host.connected:
                self.run.unreachable(host)
            try:
                yield host.connected
            except PyinfraError:
                self.run.name_silent_failure(host)
            except GreenletExit:
                fail(host, Failure("INTERRUPTED"), "")
                raise
            except BaseException as error:
                cause: Any = getattr(error, "exception", error)
                fail(host, Failure("INTERNAL", f"{type(cause).__name__}: {cause}"))
            finally:
                if host.connected:
                    host.disconnect()
                    connection.leave(host)  # pyinfra keeps its client

    def look(self, host: Host) -> stages.Look:
        """What a connected host is and still needs, asked anew."""
        forget(host)
        return stages.look(host)

    def seen(self, host: Host) -> stages.Look:
        """The same, noted as what the host is before anything is done to it."""
        look = self.look(host)
        self.run.observed(host, look)
        return look

    def deploy(self, host: Host) -> bool:
        """Run deploy.py on a host."""
        with self.connected(host) as there:
            if there:
                self._exec_file(DEPLOY, is_deploy_code=True)
        return not self.run.failed(host.name)
