"""What happens to hosts, told to whoever listens (the journal does; operations need not know)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleet import foreign

Listener = Callable[[str, str, dict[str, Any]], None]
listeners: list[Listener] = []
#: called when every host is asked to stop; may not wait for anything
halting: list[Callable[[], None]] = []


def emit(host: str, kind: str, **fields: Any) -> None:
    """Tell of one event of one host before the next step starts; what it quotes is text."""
    fields = foreign.data(fields)
    for listener in listeners:
        listener(host, kind, fields)


class _Halt:
    asked = False


def halt() -> None:
    """Ask every host to stop before its next step."""
    _Halt.asked = True
    for end in halting:
        end()


def halted() -> bool:
    """Whether that was asked."""
    return _Halt.asked
