"""Looks at hosts as a run does before it decides anything: one connection, one command."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import State
from pyinfra.context import ctx_config, ctx_host

from fleet.errors import Failure
from mlufleet.connect import errors
from mlufleet.run import assessment
from mlufleet.run.host_log import HostLog
from mlufleet.watch.observation import (
    BUSY,
    SEEN,
    UNPROBED,
    UNREACHABLE,
    Observation,
    record_failure,
)
from operations import stages
from operations.host import connection, sudo
from operations.host.context import RunContext
from operations.host.failures import TAIL_LINES

#: stage of a failure of the connection, as runs call it
CONNECT_STAGE = "connect"


@dataclass(frozen=True)
class Found:
    """What a look found, but for its times.

    Attributes:
        outcome: One of :data:`mlufleet.watch.observation.OUTCOMES`.
        failure: Why the host could not be looked at or deployed; None for neither.
        stage: Stage of that failure.
        boot_id: Of the host.
        facts: Fields of :class:`mlufleet.journal.events.FactsObserved`.
        drift: Stage -> what it would do.
        kinds: Stage -> the kind of each of these changes; only of stages with such changes.
    """

    outcome: str
    failure: Failure | None = None
    stage: str = ""
    boot_id: str = ""
    facts: dict[str, Any] | None = None
    drift: dict[str, list[str]] | None = None
    kinds: dict[str, list[str]] | None = None


class Looker:
    """Looks at the hosts of a state; nothing is written, neither there nor here.

    Args:
        state: pyinfra's state, in its execute stage.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        context = RunContext.from_state(state)
        context.is_read_only = True
        self.log = HostLog(None, context.login_durations_s)
        logger.setLevel(logging.INFO)  # as pyinfra's command does; the log needs it
        logger.addHandler(self.log)
        logger.propagate = False

    def look_at(self, host: Host) -> Observation:
        """Connect to a host, probe it and compare it with what it is to be.

        Args:
            host: A host that is not connected.

        Returns:
            What was found, whatever happened.
        """
        began = time.time()
        with ctx_host.use(host), ctx_config.use(self.state.config.copy()):
            self.log.note_connect_start(host.name)
            try:
                found = self._connect(host) or self._assess(host)
            except PyinfraError:  # it has logged why
                tail = self._tail_of(host)
                found = Found(UNPROBED, Failure("NOT_PROVED", tail[-1] if tail else "", tail))
            except Exception as error:  # it would end the looks at other hosts
                cause: Any = getattr(error, "exception", error)
                found = Found(UNPROBED, Failure("INTERNAL", f"{type(cause).__name__}: {cause}"))
            finally:
                self._disconnect(host)
        return Observation(
            host=host.name,
            began=round(began, 3),
            ended=round(time.time(), 3),
            outcome=found.outcome,
            failure=record_failure(found.failure, found.stage) if found.failure else None,
            boot_id=found.boot_id,
            facts=found.facts or {},
            drift=found.drift or {},
            kinds=found.kinds or {},
        )

    def _connect(self, host: Host) -> Found | None:
        """Return why there is no connection; None if there is one."""
        host.connect()
        if host.connected:
            return None
        cause = self.log.errors.get(host.name)
        failure = errors.classify_connect_error(cause, self._tail_of(host))
        return Found(UNREACHABLE, failure, CONNECT_STAGE)

    def _assess(self, host: Host) -> Found:
        plan = stages.assess(host)
        sudo.remove_password(host)  # at once: pyinfra would need a command of its own for it
        failures = {stage: said for stage, said in plan.drift.items() if isinstance(said, Failure)}
        stage, failure = next(iter(failures.items()), ("", None))
        if isinstance(plan.facts, Failure) or stage == stages.PROBE_STAGE:
            return Found(UNPROBED, failure, stages.PROBE_STAGE)
        lock = plan.facts.lock
        return Found(
            BUSY if lock is not None and lock.is_alive else SEEN,
            failure,
            stage,
            plan.facts.boot_id,
            assessment.observation_fields(plan.target, plan.facts, plan.options),
            {stage: said for stage, said in plan.drift.items() if not isinstance(said, Failure)},
            plan.kinds,
        )

    def _disconnect(self, host: Host) -> None:
        try:
            if host.connected:
                sudo.remove_password(host)
                host.disconnect()
        except Exception as error:  # what was seen is seen
            logger.debug(f"{host.print_prefix}{type(error).__name__}: {error}")
        finally:
            connection.close(host)  # pyinfra keeps its client

    def _tail_of(self, host: Host) -> tuple[str, ...]:
        return tuple(self.log.lines.get(host.name, [])[-TAIL_LINES:])
