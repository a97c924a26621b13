"""Work of the controller that would block all hosts: it runs in gevent's pool of threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gevent

T = TypeVar("T")


def run_in_thread(compute: Callable[..., T], *arguments: object) -> T:
    """Run something without blocking other hosts, and wait for it.

    An exception of gevent's own `apply` reaches the caller as well, but gevent has then printed it
    to standard error, also if the caller handles it.

    Args:
        compute: What to run. It starts no process: gevent does not start one in a thread.
        *arguments: Its arguments.

    Returns:
        What it returns.

    Raises:
        Exception: Whatever it raises.
    """

    def attempt() -> tuple[T, None] | tuple[None, Exception]:
        try:
            return compute(*arguments), None
        except Exception as error:
            return None, error

    result: tuple[T, None] | tuple[None, Exception] = gevent.get_hub().threadpool.apply(attempt)
    if result[1] is not None:
        raise result[1]
    return result[0]
