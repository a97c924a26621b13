"""How often a server is started again, and when that is given up.

Python 3.6 and its standard library, as all of the supervisor.
"""

import threading
from typing import Dict

from client_http import CheckFailure, is_wrong_answer
from supervisor_output import State


class StartCount:
    """Counts the starts of a server that do not stay ready, or only give wrong answers.

    Attributes:
        starts: How many starts count towards giving up.
        was_ready: Whether the server has ever been ready.
    """

    def __init__(self, settings: Dict[str, float], state: State) -> None:
        self._settings, self._state = settings, state
        self.starts, self.was_ready = 0, False
        #: how many of the last starts of a server that was never ready answered wrongly
        self._wrong = 0
        #: whether starts from now on do not add to those before; guarded by the lock
        self._counts_anew, self._lock = False, threading.Lock()

    @property
    def delay_s(self) -> float:
        """Seconds until the next start."""
        delay: float = self._settings["backoff_first"] * 2 ** max(0, self.starts - 1)
        return min(delay, self._settings["backoff_limit"])

    def add_failure(self, failure: CheckFailure) -> None:
        """Take into account what the last start failed with."""
        is_wrong = is_wrong_answer(failure) and not self.was_ready
        self._wrong = self._wrong + 1 if is_wrong else 0

    def retry(self) -> None:
        """Count anew, from another thread.

        When this returns, the state does not say any more that the server was given up.
        """
        with self._lock:
            self._counts_anew = True
            if self._state.state == "failed":
                self._state.update(state="loading")

    def gives_up(self) -> bool:
        """Return whether it was started too often, and say so in its state."""
        with self._lock:
            if self._counts_anew:
                self._reset()
            is_in_vain = self._wrong >= self._settings["wrong_limit"]
            if not is_in_vain and self.starts < self._settings["starts_limit"]:
                return False
            self._state.update(state="failed")
        return True

    def reset(self) -> None:
        """Begin to count again."""
        with self._lock:
            self._reset()

    def _reset(self) -> None:
        self._counts_anew, self.starts, self._wrong = False, 0, 0
