"""Events of a run and its request to stop.

Operations emit events without knowing who listens: the run's journal does, and so do prefetches,
swarms and the live view of a rollout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleet.text import sanitize

#: called with the host's name ("" for the run itself), the kind of event and its fields
Listener = Callable[[str, str, dict[str, Any]], None]


class EventBus:
    """Delivers the events of one run to its listeners.

    Attributes:
        listeners: called in this order; each may be added and removed at any time
    """

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    def emit(self, host: str, kind: str, **fields: Any) -> None:
        """Deliver one event to every listener before the next step starts.

        Args:
            host: name of the host; "" for the run itself
            kind: what happened; the journal documents the kinds and their fields
            **fields: values of the event; control characters in their texts are escaped
        """
        fields = sanitize.escape_data(fields)
        for listener in tuple(self.listeners):
            listener(host, kind, fields)


class StopRequest:
    """A request that every host stops before its next step.

    Attributes:
        requested: whether the run is to stop
        reason: why, if somebody else than the operator asked for it
        callbacks: called when the request is made; they must not block
    """

    def __init__(self) -> None:
        self.requested = False
        self.reason = ""
        self.callbacks: list[Callable[[], None]] = []

    def request(self, reason: str = "") -> None:
        """Ask every host to stop before its next step.

        Args:
            reason: why, if the operator did not ask for it; the first reason stays
        """
        self.requested, self.reason = True, self.reason or reason
        for callback in tuple(self.callbacks):
            callback()
