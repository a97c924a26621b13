"""Connects listeners of this process to the events of its hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mlufleet.journal import events
from operations.host import events as host_events


@contextmanager
def listening(handler: Callable[[events.Event], None]) -> Iterator[None]:
    """Call a function with every event, until the context ends.

    Args:
        handler: Called with each event before the next step starts; must not wait.
    """

    def listener(host: str, kind: str, fields: dict[str, Any]) -> None:
        handler(events.from_fields(kind, {**fields, "host": host}))

    host_events.listeners.append(listener)
    try:
        yield
    finally:
        host_events.listeners.remove(listener)
