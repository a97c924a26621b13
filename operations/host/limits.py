"""Limits on what a rollout does at once with one resource; without one, none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gevent import Greenlet, getcurrent
from gevent.lock import BoundedSemaphore
from pyinfra import logger
from pyinfra.api import Host

#: resource ("upload", "upload ahead" of its stage, "load") -> its places
places: dict[str, BoundedSemaphore] = {}
#: who has none yet
waiting: set[Greenlet] = set()


@contextmanager
def hold_slot(host: Host, resource: str) -> Iterator[None]:
    """Hold a place of a resource; other hosts go on with what needs none."""
    limit = places.get(resource)
    if limit is None:
        yield
        return
    if limit.locked():
        logger.info(f"{host.print_prefix}waits for a place to {resource}")
    waiting.add(getcurrent())
    try:
        limit.acquire()
    finally:
        waiting.discard(getcurrent())
    try:
        yield
    finally:
        limit.release()
