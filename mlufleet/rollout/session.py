"""pyinfra within this process, one host at a time: connect, run deploy.py, disconnect.

pyinfra's own command takes all hosts through each operation together. Here pyinfra's state is in
the execute stage from the start, in which an operation is carried out when deploy.py calls it.
So every host goes through its stages at its own pace.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gevent import GreenletExit
from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_config, ctx_host

from fleet.errors import Failure, InvalidInput
from fleet.release.target import HostTarget
from fleet.store.targets import load_host_target
from mlufleet.journal.journal import check_writable, new_run_id
from mlufleet.run.execution_state import prepare_state
from mlufleet.run.quarantined_hosts import find_quarantined
from mlufleet.run.run import Run
from operations import stages
from operations.host import connection
from operations.host.facts import HostFacts
from operations.host.failures import fail_host
from operations.host.probe import invalidate_facts, probe_host

DEPLOY_FILE = "deploy.py"


class Session:
    """The hosts of an inventory, and one run over them.

    Args:
        inventory: File of the inventory.
        limit: Only these hosts and groups; empty for all.
        data: ``KEY=VALUE`` pairs for all hosts.
        exclude: Not these hosts and groups.
        heeds_quarantine: Whether hosts in quarantine are left out.

    Attributes:
        state: pyinfra's state, in its execute stage.
        hosts: The selected hosts.
        quarantined: Hosts in quarantine that were asked for.
        run: The run, after :meth:`begin_run`.

    Raises:
        InvalidInput: Something is wrong that can be known before the first connection.
    """

    run: Run

    def __init__(
        self,
        inventory: str,
        limit: tuple[str, ...],
        data: tuple[str, ...],
        exclude: tuple[str, ...] = (),
        *,
        heeds_quarantine: bool = False,
    ) -> None:
        from pyinfra_cli.util import exec_file

        check_writable()
        self.state, self.hosts, self.quarantined = prepare_state(
            inventory, limit, data, exclude, heeds_quarantine=heeds_quarantine
        )
        self._exec_file = exec_file
        self._inventory, self._heeds_quarantine = inventory, heeds_quarantine

    def begin_run(self, command: str) -> Run:
        """Begin the run and its journal.

        Args:
            command: The command that was given.
        """
        logger.setLevel(logging.INFO)  # as pyinfra's command does; the logs of hosts need it
        self.run = Run.begin(self.state, new_run_id(), command)
        self.run.note_quarantined(self.quarantined)
        self.run.record_hosts()
        return self.run

    def leaves_out(self, host: Host) -> bool:
        """Return whether a host came into quarantine since the run began; that is recorded.

        Args:
            host: A host that has not started.
        """
        if not self._heeds_quarantine:
            return False
        try:
            found = find_quarantined(self._inventory, [host], is_alone=False)
        except InvalidInput:  # somebody edits the file; what was read at the start holds
            return False
        if not found.left_out:
            return False
        self.run.record_quarantined(found)
        return True

    @contextmanager
    def connected(self, host: Host) -> Iterator[bool]:
        """Connect to a host; at the end, release its lock and disconnect, whatever happens.

        An exception in the context is recorded as a failure of this host; other hosts continue.

        Args:
            host: The host.

        Yields:
            Whether the host is connected; if not, its failure is recorded.
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

    def look(self, host: Host, target: HostTarget | None = None) -> HostFacts | Failure:
        """Probe a host that is not connected; that it does not answer is not a failure of it.

        Args:
            host: A host that nothing is done on.
            target: What the probe is asked about; by default what the host is to be.

        Returns:
            What the host is now, or why it could not be looked at.
        """
        with ctx_host.use(host), ctx_config.use(self.state.config.copy()):
            self.run.log.note_connect_start(host.name)
            try:
                host.connect(show_errors=False)
                if not host.connected:
                    return Failure("UNREACHABLE")
                invalidate_facts(host)
                wanted = target or load_host_target(host.data)
                return stages.prepare_host(host) or probe_host(host, wanted)
            except Exception as error:  # it would end the looks at other hosts
                return Failure("PROBE_FAILED", f"{type(error).__name__}: {error}")
            finally:
                invalidate_facts(host)  # the work on the host begins with a probe of its own
                if host.connected:
                    host.disconnect()
                    connection.close(host)

    def assess(self, host: Host) -> stages.HostPlan:
        """Probe a connected host, and return what it needs.

        Args:
            host: The host.
        """
        invalidate_facts(host)
        return stages.assess(host)

    def assess_and_record(self, host: Host) -> stages.HostPlan:
        """Probe a connected host before anything is done to it, and record what it needs.

        Args:
            host: The host.
        """
        plan = self.assess(host)
        self.run.record_assessment(host, plan)
        return plan

    def deploy(self, host: Host) -> bool:
        """Run deploy.py on a host.

        Args:
            host: The host.

        Returns:
            Whether it did not fail.
        """
        with self.connected(host) as is_connected:
            if is_connected:
                self._exec_file(DEPLOY_FILE, is_deploy_code=True)
        return not self.run.has_failed(host.name)
