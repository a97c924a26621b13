"""Connects listeners to the events of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mlufleet.journal import events
from operations.host.events import EventBus


@contextmanager
def listening(bus: EventBus, handler: Callable[[events.Event], None]) -> Iterator[None]:
    """Call a function with every event, until the context ends.

    Args:
        bus: Delivers the events of the run.
        handler: Called with each event before the next step starts; must not wait.
    """

    def listener(host: str, kind: str, fields: dict[str, Any]) -> None:
        handler(events.from_fields(kind, {**fields, "host": host}))

    bus.listeners.append(listener)
    try:
        yield
    finally:
        bus.listeners.remove(listener)
