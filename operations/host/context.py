"""The state of one run: made with pyinfra's State object, and gone with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from pyinfra.api import Host
from pyinfra.api.state import State
from pyinfra.context import ContextObject

from operations.host.events import EventBus, StopRequest
from operations.host.limits import ResourceLimits

#: attribute of pyinfra's State that holds the run's context
ATTRIBUTE = "mlufleet_context"

S = TypeVar("S")


class RunRecorder(Protocol):
    """What deploy.py needs of the run that keeps a journal."""

    @property
    def owner(self) -> Any:
        """Who holds the locks of hosts, for :class:`operations.host.lock.LockOwner`."""

    def record_assessment(self, host: Host, plan: Any) -> None:
        """Note what a host is, and still needs, before anything is done to it."""


class RunContext:
    """Everything that the operations of one run share between hosts.

    Modules keep no state of their own. What a single module shares between hosts is a service: a
    class that takes the context, made on first use by :meth:`service`.

    Attributes:
        events: delivers events to the journal and other listeners
        stop: the request to stop the run
        limits: how many hosts may use a resource at once
        is_read_only: whether the run only looks at hosts
        login_durations_s: host name -> seconds that its login took, as far as that was measured
    """

    def __init__(self) -> None:
        self.events = EventBus()
        self.stop = StopRequest()
        self.limits = ResourceLimits()
        self.is_read_only = False
        self.login_durations_s: dict[str, float] = {}
        self._recorder: RunRecorder | None = None
        self._services: dict[Any, Any] = {}

    @classmethod
    def from_state(cls, state: State) -> RunContext:
        """Return the context of a run, made on first use.

        Args:
            state: pyinfra's state, or its proxy of the current one
        """
        if isinstance(state, ContextObject):
            state = cast(State, state._get_module())  # type: ignore[no-untyped-call]
        context: RunContext | None = getattr(state, ATTRIBUTE, None)
        if context is None:
            context = cls()
            setattr(state, ATTRIBUTE, context)
        return context

    @property
    def recorder(self) -> RunRecorder:
        """The run that keeps a journal.

        Raises:
            RuntimeError: deploy.py was not started from the project's folder
        """
        if self._recorder is None:
            raise RuntimeError("run pyinfra in the project's folder, where config.py is")
        return self._recorder

    @recorder.setter
    def recorder(self, recorder: RunRecorder) -> None:
        self._recorder = recorder

    @property
    def is_recorded(self) -> bool:
        """Whether a journal is kept."""
        return self._recorder is not None

    def service(self, create: Callable[[RunContext], S]) -> S:
        """Return the run's only instance of a class.

        Args:
            create: the class; called with this context on first use
        """
        if create not in self._services:
            self._services[create] = create(self)
        return cast(S, self._services[create])


def run_context(host: Host) -> RunContext:
    """Return the context of the run that a host belongs to."""
    return RunContext.from_state(host.state)


def emit_event(host: Host, kind: str, **fields: Any) -> None:
    """Deliver one event of a host to the listeners of its run.

    Args:
        host: the host that it happened to
        kind: what happened
        **fields: values of the event
    """
    run_context(host).events.emit(host.name, kind, **fields)
