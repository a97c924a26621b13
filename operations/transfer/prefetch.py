"""Big files on their way to a host while its first stages work.

A greenlet of the host's own fills their partial files, exactly as their stage would. The stage
waits for one that is on its way and takes over one that is not, so nobody sends a file twice at
once. What goes wrong here is no failure: the stage tries it itself, and tells.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from pyinfra import logger
from pyinfra.api import Host, operation
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from operations.host import events, limits
from operations.host.failures import isolate_failures
from operations.transfer import ssh_stream

if TYPE_CHECKING:
    from operations.stages import HostPlan
    from operations.transfer.upload import Upload

#: seconds after which it is asked again whether a file moves, or only waits for a place
POLL_INTERVAL_S = 0.5
#: seconds that the block which is being sent may still take
STOP_GRACE_S = 3


class PrefetchJob:
    """The files of one host, one after the other.

    :param uploads: in the order in which stages want them
    """

    def __init__(self, host: Host, uploads: list[Upload], arguments: Any) -> None:
        self.host, self.uploads, self.arguments = host, uploads, arguments
        self.current: Upload | None = None
        self.completed = {upload.upload_id: Event() for upload in uploads}
        self.greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        self.greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        try:
            for upload in self.uploads:
                landed = self.completed[upload.upload_id]
                if landed.is_set():
                    continue
                if events.stop_requested():
                    return
                self.current = upload
                if why := upload.fill_parts(self.host, self.arguments):
                    raise ValueError(why[-1])
                landed.set()
        except Exception as error:
            title = self.current.title if self.current else ""
            logger.info(f"{self.host.print_prefix}{title}: left to its stage: {error}")
        finally:
            self.current = None

    def stop(self, block: bool = True) -> None:
        flying = self.greenlet
        if flying and not flying.dead:
            if block:
                _stop_greenlet(flying)
            else:
                gevent.spawn(_stop_greenlet, flying)

    @property
    def is_active(self) -> bool:
        """Whether it is under way, or nothing is left of it."""
        flying = self.greenlet is not None and not self.greenlet.dead
        return flying or all(landed.is_set() for landed in self.completed.values())

    def wait_for(self, kind: str) -> set[str]:
        """Partial files of an upload that are whole, once nobody else fills them."""
        upload = next((one for one in self.uploads if one.upload_id == kind), None)
        if upload is None or self.greenlet is None:
            return set()
        landed = self.completed[kind]
        while not self.greenlet.dead and not landed.wait(POLL_INTERVAL_S):
            if self.current is not upload or self.greenlet in limits.waiting:
                self.stop()
        landed.set()  # whatever is missing is the stage's by now
        return upload.completed_parts


def _stop_greenlet(greenlet: gevent.Greenlet) -> None:
    """One that is sending ends by itself; what it waits for else is not waited for."""
    ssh_stream.stopping.add(greenlet)
    if greenlet not in limits.waiting:
        greenlet.join(STOP_GRACE_S)
    greenlet.kill()


#: by host
flights: dict[str, PrefetchJob] = {}


@contextmanager
def take_over(host: Host, kind: str) -> Iterator[set[str]]:
    """An upload is its stage's; what comes after it is on its way again afterwards.

    :returns: partial files of it that this run has filled before
    """
    flight = flights.get(host.name)
    yield flight.wait_for(kind) if flight else set()
    _restart(host, flight)


@contextmanager
def paused(host: Host) -> Iterator[None]:
    """Nothing is on its way while the host goes down; what was goes on afterwards."""
    flight = flights.get(host.name)
    if flight:
        flight.stop()
    yield
    _restart(host, flight)


def _restart(host: Host, job: PrefetchJob | None) -> None:
    if job and flights.get(host.name) is job and not job.is_active:
        job.start()


def stop_prefetch(host: str, block: bool = True) -> None:
    """A host's part in this run is over."""
    if flight := flights.pop(host, None):
        flight.stop(block)


def _on_event(host: str, kind: str, event: dict[str, Any]) -> None:
    if kind == "failed":
        stop_prefetch(host)


def _on_stop() -> None:
    for flight in flights.values():
        flight.stop(block=False)


events.listeners.append(_on_event)
events.halting.append(_on_stop)


class StartPrefetch(PyinfraCommand):
    def __init__(self, look: HostPlan) -> None:
        super().__init__()
        self.look = look

    @override
    def __repr__(self) -> str:
        return f"Begin({', '.join(upload.title for upload in self.look.prefetchable)})"

    @override
    @isolate_failures
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        # what a killed run had left at work has ended by now, and may have loaded the image
        if uploads := self.look.reassess(host).prefetchable:
            flight = flights[host.name] = PrefetchJob(host, uploads, connector_arguments)
            flight.start()
        return True


@operation()
def started(look: HostPlan) -> Generator[PyinfraCommand, None, None]:
    """What later stages want is on its way."""
    yield StartPrefetch(look)
