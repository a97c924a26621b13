"""Transfer of large files while the first stages of a host are still at work.

A greenlet per host fills the partial files, exactly as their stages would. A stage waits for an
upload that is running and takes over one that is not, so that no file is sent twice at once. A
problem here does not fail the host: the stage transfers the file itself, and reports its problem.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import gevent
from gevent.event import Event
from pyinfra import logger
from pyinfra.api import Host, operation
from pyinfra.api.command import PyinfraCommand
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _
from operations.host import events
from operations.host.command import HostCommand
from operations.host.context import RunContext, run_context

#: seconds between two checks whether an upload runs or only waits for a slot
POLL_INTERVAL_S = 0.5


class PartialUpload(Protocol):
    """An upload whose partial files can be filled before its stage.

    Attributes:
        title: what the operator reads
        upload_id: tells the uploads of a host apart
        completed_parts: names of the partial files that are complete
    """

    title: str
    upload_id: str
    completed_parts: set[str]

    def fill_parts(
        self, host: Host, arguments: dict[str, Any], is_cancelled: Callable[[], bool]
    ) -> list[str]:
        """Fill the partial files; return the reasons if one is not complete."""


class PrefetchJob:
    """The transfer of one host's files, one after the other.

    Attributes:
        current: the upload that is being filled
        completed: upload id -> set once nothing is left to prefetch of it
    """

    def __init__(
        self, host: Host, uploads: Sequence[PartialUpload], arguments: dict[str, Any]
    ) -> None:
        """Prepare a job.

        Args:
            host: the host that receives the files
            uploads: what to transfer, in the order in which stages need it
            arguments: pyinfra's connector arguments
        """
        self.host, self.uploads, self.arguments = host, uploads, arguments
        self.current: PartialUpload | None = None
        self.completed = {upload.upload_id: Event() for upload in uploads}
        self._context = run_context(host)
        self._greenlet: gevent.Greenlet | None = None
        self._is_stopping = False

    def start(self) -> None:
        """Begin, or continue after :meth:`stop`."""
        self._is_stopping = False
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        try:
            for upload in self.uploads:
                completed = self.completed[upload.upload_id]
                if completed.is_set():
                    continue
                if self._context.stop.requested:
                    return
                self.current = upload
                if problem := upload.fill_parts(
                    self.host, self.arguments, lambda: self._is_stopping
                ):
                    raise ValueError(problem[-1])
                completed.set()
        except Exception as error:
            title = self.current.title if self.current else ""
            logger.info(
                self.host.print_prefix
                + _(
                    "{title}: left to its stage: {error}",
                    title=title,
                    error=error,
                )
            )
        finally:
            self.current = None

    def stop(self, block: bool = True) -> None:
        """Stop the transfer.

        Args:
            block: whether to wait until it has stopped
        """
        greenlet = self._greenlet
        if greenlet and not greenlet.dead:
            self._is_stopping = True
            if block:
                self._end(greenlet)
            else:
                gevent.spawn(self._end, greenlet)

    def _end(self, greenlet: gevent.Greenlet) -> None:
        """Let a running transfer finish its block; kill a greenlet that only waits for a slot."""
        if greenlet not in self._context.limits.waiting:
            greenlet.join(events.STOP_GRACE_S)
        greenlet.kill()

    @property
    def is_active(self) -> bool:
        """Whether the transfer runs, or nothing is left to transfer."""
        running = self._greenlet is not None and not self._greenlet.dead
        return running or all(completed.is_set() for completed in self.completed.values())

    def wait_for(self, upload_id: str) -> set[str]:
        """Wait for an upload that is being filled; stop one that only waits for its turn.

        Args:
            upload_id: the upload that its stage is about to transfer

        Returns:
            Names of its partial files that are complete.
        """
        upload = next((each for each in self.uploads if each.upload_id == upload_id), None)
        if upload is None or self._greenlet is None:
            return set()
        completed = self.completed[upload_id]
        while not self._greenlet.dead and not completed.wait(POLL_INTERVAL_S):
            if self.current is not upload or self._greenlet in self._context.limits.waiting:
                self.stop()
        completed.set()  # the stage transfers whatever is missing
        return upload.completed_parts


class Prefetches:
    """The prefetch jobs of a run. A failed host's job ends; a request to stop ends all of them."""

    def __init__(self, context: RunContext) -> None:
        """Listen to the run.

        Args:
            context: of the run
        """
        self._jobs: dict[str, PrefetchJob] = {}
        context.events.listeners.append(self._on_event)
        context.stop.callbacks.append(self._on_stop)

    def __contains__(self, host_name: str) -> bool:
        return host_name in self._jobs

    def add(self, job: PrefetchJob) -> None:
        """Start a job.

        Args:
            job: of a host that has none yet
        """
        self._jobs[job.host.name] = job
        job.start()

    def end(self, host_name: str, block: bool = True) -> None:
        """End a host's prefetch for good.

        Args:
            host_name: a host whose part in the run is over
            block: whether to wait until the transfer has stopped
        """
        if job := self._jobs.pop(host_name, None):
            job.stop(block)

    @contextmanager
    def take_over(self, host: Host, upload_id: str) -> Iterator[set[str]]:
        """Leave an upload to its stage; the prefetch of later ones continues afterwards.

        Args:
            host: the host that receives the files
            upload_id: the upload that its stage is about to transfer

        Yields:
            Names of its partial files that are complete.
        """
        job = self._jobs.get(host.name)
        yield job.wait_for(upload_id) if job else set()
        self._restart(host, job)

    @contextmanager
    def paused(self, host: Host) -> Iterator[None]:
        """Transfer nothing while a host reboots.

        Args:
            host: the host that reboots
        """
        job = self._jobs.get(host.name)
        if job:
            job.stop()
        yield
        self._restart(host, job)

    def _restart(self, host: Host, job: PrefetchJob | None) -> None:
        if job and self._jobs.get(host.name) is job and not job.is_active:
            job.start()

    def _on_event(self, event: events.Event) -> None:
        if isinstance(event, events.HostFailed):
            self.end(event.host)

    def _on_stop(self) -> None:
        for job in self._jobs.values():
            job.stop(block=False)


def prefetches(host: Host) -> Prefetches:
    """Return the prefetch jobs of the run that a host belongs to."""
    return run_context(host).service(Prefetches)


class StartPrefetch(HostCommand):
    """Starts the transfer of files that later stages need."""

    def __init__(
        self, planned: Sequence[PartialUpload], select: Callable[[Host], Sequence[PartialUpload]]
    ) -> None:
        """Prepare the command.

        Args:
            planned: uploads that the host needed when it was assessed
            select: returns what it still needs: a job of a killed run may have ended meanwhile
        """
        super().__init__(", ".join(upload.title for upload in planned))
        self.select = select

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        if uploads := self.select(host):
            prefetches(host).add(PrefetchJob(host, uploads, arguments))
        return None


@operation()
def started(
    planned: Sequence[PartialUpload], select: Callable[[Host], Sequence[PartialUpload]]
) -> Generator[PyinfraCommand, None, None]:
    """Files that later stages need are being transferred.

    Args:
        planned: uploads that the host needed when it was assessed
        select: returns what a host still needs
    """
    yield StartPrefetch(planned, select)
