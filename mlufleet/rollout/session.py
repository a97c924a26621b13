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
from fleet.inventory.pyinfra_loader import load_inventory
from mlufleet.connect import open_files
from mlufleet.journal.journal import check_writable, new_run_id
from mlufleet.run import launcher
from mlufleet.run.run import Run
from operations import stages
from operations.host import connection
from operations.host.failures import fail_host
from operations.host.probe import invalidate_facts

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

        check_writable()
        pairs = launcher.parse_data_overrides(data)
        self.state = State(check_for_changes=False)
        ctx_state.set(self.state)  # type: ignore[no-untyped-call]
        found = load_inventory(inventory, pairs)
        launcher.check_hosts(inventory, found)
        launcher.warn_about_permissions(inventory, found)
        limited = host_selection.apply_exclude(
            found, host_selection.apply_limit(found, limit), exclude
        )
        ctx_inventory.set(found)  # type: ignore[no-untyped-call]
        config = Config()  # type: ignore[no-untyped-call]
        with ctx_config.use(config):
            if os.path.isfile(CONFIG):
                exec_file(CONFIG)
        self.state.init(found, config, initial_limit=limited)
        self.hosts: list[Host] = list(found) if limited is None else limited
        open_files.raise_limit(self.hosts)
        for host in self.hosts:
            self.state.activate_host(host)
        self.state.current_stage = StateStage.Execute
        self.state.is_executing = True
        self._exec_file = exec_file

    def begin_run(self, why: str) -> Run:
        """Begin the run's journal. :param why: the command that was given"""
        logger.setLevel(logging.INFO)  # as pyinfra's command does: a host's log has all it says
        self.run = Run.begin(self.state, new_run_id(), why)
        self.run.record_hosts()
        return self.run

    @contextmanager
    def connected(self, host: Host) -> Iterator[bool]:
        """A host with a fresh connection; given back and left at the end, whatever happens.

        What goes wrong meanwhile is this host's own failure, told and in the journal: the others
        go on, and whoever asks the run whether the host failed is not told that it passed.
        """
        with ctx_host.use(host), ctx_config.use(self.state.config.copy()):
            self.run.log.note_connect_start(host.name)
            host.connect()
            if not host.connected:
                self.run.record_unreachable(host)
            try:
                yield host.connected
            except PyinfraError:
                self.run.record_silent_failure(host)
            except GreenletExit:
                fail_host(host, Failure("INTERRUPTED"), "")
                raise
            except BaseException as error:
                cause: Any = getattr(error, "exception", error)
                fail_host(host, Failure("INTERNAL", f"{type(cause).__name__}: {cause}"))
            finally:
                if host.connected:
                    host.disconnect()
                    connection.close(host)  # pyinfra keeps its client

    def assess(self, host: Host) -> stages.HostPlan:
        """What a connected host is and still needs, asked anew."""
        invalidate_facts(host)
        return stages.assess(host)

    def assess_and_record(self, host: Host) -> stages.HostPlan:
        """The same, noted as what the host is before anything is done to it."""
        look = self.assess(host)
        self.run.record_assessment(host, look)
        return look

    def deploy(self, host: Host) -> bool:
        """Run deploy.py on a host."""
        with self.connected(host) as there:
            if there:
                self._exec_file(DEPLOY, is_deploy_code=True)
        return not self.run.has_failed(host.name)
