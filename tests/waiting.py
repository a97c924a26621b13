"""Waiting for what comes by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
#: Seconds until a test gives up on something that comes within seconds on an idle machine. It is no
#: bound of what is tested: beside everything else, a machine may need a minute for a second's work.
PATIENCE_S = 300.0
#: between two looks
MAX_PAUSE_S = 0.2


def until(look: Callable[[], T], what: str = "", *, seconds: float = PATIENCE_S) -> T:
    """Wait until something is so, and return what was found.

    Args:
        look: What to call until it returns something true.
        what: What is waited for, in words; by default the name of the function.
        seconds: How long to wait.
    """
    end, pause_s = time.monotonic() + seconds, 0.02
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what or look}"
        time.sleep(pause_s)
        pause_s = min(1.2 * pause_s, MAX_PAUSE_S)  # a look may itself cost what is waited for
    return found
