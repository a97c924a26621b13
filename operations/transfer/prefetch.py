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
from operations.host.failures import alone
from operations.transfer import ssh_stream

if TYPE_CHECKING:
    from operations.stages import Look
    from operations.transfer.upload import Upload

#: seconds after which it is asked again whether a file moves, or only waits for a place
PATIENCE = 0.5
#: seconds that the block which is being sent may still take
GRACE = 3


class Flight:
    """The files of one host, one after the other.

    :param uploads: in the order in which stages want them
    """

    def __init__(self, host: Host, uploads: list[Upload], arguments: Any) -> None:
        self.host, self.uploads, self.arguments = host, uploads, arguments
        self.at: Upload | None = None
        self.landed = {upload.kind: Event() for upload in uploads}
        self.greenlet: gevent.Greenlet | None = None

    def go(self) -> None:
        self.greenlet = gevent.spawn(self._fly)

    def _fly(self) -> None:
        try:
            for upload in self.uploads:
                landed = self.landed[upload.kind]
                if landed.is_set():
                    continue
                if events.halted():
                    return
                self.at = upload
                if why := upload.fill(self.host, self.arguments):
                    raise ValueError(why[-1])
                landed.set()
        except Exception as error:
            title = self.at.title if self.at else ""
            logger.info(f"{self.host.print_prefix}{title}: left to its stage: {error}")
        finally:
            self.at = None

    def end(self, block: bool = True) -> None:
        flying = self.greenlet
        if flying and not flying.dead:
            if block:
                _end(flying)
            else:
                gevent.spawn(_end, flying)

    @property
    def on(self) -> bool:
        """Whether it is under way, or nothing is left of it."""
        flying = self.greenlet is not None and not self.greenlet.dead
        return flying or all(landed.is_set() for landed in self.landed.values())

    def brought(self, kind: str) -> set[str]:
        """Partial files of an upload that are whole, once nobody else fills them."""
        upload = next((one for one in self.uploads if one.kind == kind), None)
        if upload is None or self.greenlet is None:
            return set()
        landed = self.landed[kind]
        while not self.greenlet.dead and not landed.wait(PATIENCE):
            if self.at is not upload or self.greenlet in limits.waiting:
                self.end()
        landed.set()  # whatever is missing is the stage's by now
        return upload.brought


def _end(flying: gevent.Greenlet) -> None:
    """One that is sending ends by itself; what it waits for else is not waited for."""
    ssh_stream.stopping.add(flying)
    if flying not in limits.waiting:
        flying.join(GRACE)
    flying.kill()


#: by host
flights: dict[str, Flight] = {}


@contextmanager
def taken(host: Host, kind: str) -> Iterator[set[str]]:
    """An upload is its stage's; what comes after it is on its way again afterwards.

    :returns: partial files of it that this run has filled before
    """
    flight = flights.get(host.name)
    yield flight.brought(kind) if flight else set()
    _again(host, flight)


@contextmanager
def grounded(host: Host) -> Iterator[None]:
    """Nothing is on its way while the host goes down; what was goes on afterwards."""
    flight = flights.get(host.name)
    if flight:
        flight.end()
    yield
    _again(host, flight)


def _again(host: Host, flight: Flight | None) -> None:
    if flight and flights.get(host.name) is flight and not flight.on:
        flight.go()


def end(host: str, block: bool = True) -> None:
    """A host's part in this run is over."""
    if flight := flights.pop(host, None):
        flight.end(block)


def _heard(host: str, kind: str, event: dict[str, Any]) -> None:
    if kind == "failed":
        end(host)


def _halted() -> None:
    for flight in flights.values():
        flight.end(block=False)


events.listeners.append(_heard)
events.halting.append(_halted)


class Begin(PyinfraCommand):
    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look

    @override
    def __repr__(self) -> str:
        return f"Begin({', '.join(upload.title for upload in self.look.ahead)})"

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        # what a killed run had left at work has ended by now, and may have loaded the image
        if uploads := self.look.anew(host).ahead:
            flight = flights[host.name] = Flight(host, uploads, connector_arguments)
            flight.go()
        return True


@operation()
def begun(look: Look) -> Generator[PyinfraCommand, None, None]:
    """What later stages want is on its way."""
    yield Begin(look)
