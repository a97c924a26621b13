"""What happens to hosts, told to whoever listens (the journal does; operations need not know)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Listener = Callable[[str, str, dict[str, Any]], None]
listeners: list[Listener] = []


def emit(host: str, kind: str, **fields: Any) -> None:
    """Tell of one event of one host before the next step starts."""
    for listener in listeners:
        listener(host, kind, fields)
