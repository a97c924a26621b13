from __future__ import annotations

import threading

import gevent
import pytest

from operations.host.threads import run_in_thread


def test_what_blocks_a_thread_blocks_no_greenlet() -> None:
    free = threading.Event()
    gevent.spawn(free.set)
    ended, ran_in = run_in_thread(lambda: (free.wait(60), threading.current_thread()))
    assert ended and ran_in is not threading.current_thread()


def test_an_exception_is_raised_here_and_printed_nowhere(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught:
        run_in_thread(int, "seven")
    assert caught.traceback[-1].name == "attempt"
    gevent.sleep(0.1)
    assert capfd.readouterr() == ("", "")
