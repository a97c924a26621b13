"""Connects listeners to the events of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from operations.host.events import EventBus, Listener


@contextmanager
def listening(bus: EventBus, handler: Listener) -> Iterator[None]:
    """Call a function with every event, until the context ends.

    Args:
        bus: Delivers the events of the run.
        handler: Called with each event before the next step starts; must not wait.
    """
    bus.listeners.append(handler)
    try:
        yield
    finally:
        bus.listeners.remove(handler)
