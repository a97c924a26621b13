"""Limits on how many hosts use a resource at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gevent import Greenlet, getcurrent
from gevent.lock import BoundedSemaphore
from pyinfra import logger
from pyinfra.api import Host

from fleet.language import N_, _

#: resources that may be limited: uploads, those before their stage, and loading an image
UPLOAD, UPLOAD_AHEAD, LOAD = N_("upload"), N_("upload ahead"), N_("load")


class ResourceLimits:
    """The limits of one run. A resource without a limit is never waited for.

    Attributes:
        waiting: greenlets that wait for a slot
    """

    def __init__(self) -> None:
        self._slots: dict[str, BoundedSemaphore] = {}
        self.waiting: set[Greenlet] = set()

    def set_limit(self, resource: str, count: int) -> None:
        """Limit a resource.

        Args:
            resource: name of the resource
            count: how many hosts may use it at the same time; 0 blocks all of them
        """
        self._slots[resource] = BoundedSemaphore(count)

    @contextmanager
    def hold_slot(self, host: Host, resource: str) -> Iterator[None]:
        """Hold a slot of a resource while the context is active.

        Args:
            host: the host that uses it; other hosts continue meanwhile
            resource: name of the resource; "" needs no slot
        """
        slots = self._slots.get(resource)
        if slots is None:
            yield
            return
        if slots.locked():
            logger.info(
                host.print_prefix + _("waiting for a slot to {resource}", resource=_(resource))
            )
        self.waiting.add(getcurrent())
        try:
            slots.acquire()
        finally:
            self.waiting.discard(getcurrent())
        try:
            yield
        finally:
            slots.release()
