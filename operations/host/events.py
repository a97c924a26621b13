"""What happens to hosts, told to whoever listens (the journal does; operations need not know)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleet.text import sanitize

Listener = Callable[[str, str, dict[str, Any]], None]
listeners: list[Listener] = []
#: called when every host is asked to stop; may not wait for anything
halting: list[Callable[[], None]] = []


def emit(host: str, kind: str, **fields: Any) -> None:
    """Tell of one event of one host before the next step starts; what it quotes is text."""
    fields = sanitize.escape_data(fields)
    for listener in listeners:
        listener(host, kind, fields)


class _Halt:
    asked = False
    why = ""


def request_stop(reason: str = "") -> None:
    """Ask every host to stop before its next step.

    :param why: where it was not the operator
    """
    _Halt.asked, _Halt.why = True, _Halt.why or reason
    for end in halting:
        end()


def stop_requested() -> bool:
    """Whether that was asked."""
    return _Halt.asked


def stop_reason() -> str:
    """What else than the operator asked for it."""
    return _Halt.why
