"""The archive of an image to a host that has some of its layers: only the others are sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gevent.lock import BoundedSemaphore
from pyinfra import logger
from pyinfra.api import Host
from typing_extensions import override

from fleet.language import _
from fleet.store import layer_archive, layer_index
from fleet.store.layer_index import LayerIndex
from operations.host.context import RunContext, emit_event, run_context
from operations.host.threads import run_in_thread
from operations.transfer.swarm import swarms
from operations.transfer.upload import Upload

#: ending of the path of an archive that has only the layers that the host lacks
LAYERS_SUFFIX = ".layers"
#: share of an image's layers below which it does not pay to leave them out
MIN_PRESENT_SHARE = 0.1


@dataclass(frozen=True)
class LayerArchive:
    """An archive with the layers of an image that a host lacks.

    Attributes:
        path: where it lies on the controller.
        sha: its SHA-256.
        size: its bytes.
        words: how many layers the host has.
    """

    path: Path
    sha: str
    size: int
    words: str


def count_present(index: LayerIndex, chains: Set[tuple[str, ...]]) -> int:
    """Return how many layers of an image need not be sent.

    Args:
        index: where the layers lie in the image's archive.
        chains: the diff ids of each image of the host.

    Returns:
        The number of layers, from the lowest; 0 if they are hardly worth it.
    """
    present = index.count_present(chains)
    total, missing = index.missing_bytes(0), index.missing_bytes(present)
    return present if missing <= (1 - MIN_PRESENT_SHARE) * total else 0


class LayerArchives:
    """The archives of layers of a run: hosts that lack the same layers get the same file."""

    def __init__(self, context: RunContext) -> None:
        """Begin without any.

        Args:
            context: of the run
        """
        self._slot = BoundedSemaphore(1)
        #: SHA-256 of the whole archive, and layers that are left out -> hosts that wait for it
        self._waiting: dict[tuple[str, int], set[str]] = defaultdict(set)

    def find_or_write(
        self, host: Host, local: Path, sha: str, image_id: str, chains: Set[tuple[str, ...]]
    ) -> LayerArchive | None:
        """Return the archive of the layers that a host lacks.

        Args:
            host: the host
            local: the whole archive
            sha: its SHA-256
            image_id: the image's id
            chains: the diff ids of each image of the host

        Returns:
            The archive; None if the host needs the whole one.

        Raises:
            OSError, ValueError: it cannot be read or written.
        """
        with self._slot:  # one large file of the store is read at a time
            index = run_in_thread(lambda: layer_index.find_index(local, sha, unpack=True))
        if index is None or index.image_id != image_id:
            raise ValueError(f"the layers in {local.name} are not found")
        present = count_present(index, chains)
        if not present:
            return None
        waiting = self._waiting[sha, present]
        waiting.add(host.name)
        try:
            with self._slot:
                path, found = run_in_thread(layer_archive.write_archive, local, sha, index, present)
            for name in waiting:  # before the first of them decides about a swarm
                swarms(host).register_demand(name, [found])
        finally:
            waiting.discard(host.name)
        words = _("{present} of {count} layers in docker", present=present, count=len(index.layers))
        return LayerArchive(path, found, path.stat().st_size, words)


class ImageUpload(Upload):
    """Puts the archive of an image on a host, without the layers that the host has.

    The whole archive is used if the host has none of its layers, if another archive cannot be made
    of it, and if it lies on the host and more than half of it would be sent.
    """

    def __init__(
        self, title: str, file: tuple[Path, str, str], image_id: str, chains: Set[tuple[str, ...]]
    ) -> None:
        """Prepare the upload.

        Args:
            title: what the operator reads
            file: the whole archive: local path, path on the host, SHA-256
            image_id: the image's id
            chains: the diff ids of each image of the host that may share layers
        """
        super().__init__(title, [file])
        self._image_id, self._chains = image_id, chains
        self._left_out_bytes, self._present = 0, ""

    @property
    def has_layers_only(self) -> bool:
        """Whether layers that the host has are left out."""
        return any(dest.endswith(LAYERS_SUFFIX) for _local, dest, _sha in self.files.values())

    @property
    def total_bytes(self) -> int:
        """Bytes of the archive that is sent."""
        return sum(map(self._part_bytes, self.files))

    @override
    def _transfer(
        self, host: Host, arguments: dict[str, Any], completed: Set[str] = frozenset()
    ) -> list[str]:
        # prefetched without layers: the whole archive was not found on the host
        if completed - self.files.keys() and (found := self._find_layers(host)):
            self._replace_archive(host, found)
        return super()._transfer(host, arguments, completed)

    @override
    def _begin(self, host: Host, arguments: dict[str, Any]) -> tuple[dict[str, int], list[str]]:
        missing, problem = super()._begin(host, arguments)
        if problem or not missing or not self._chains:
            return missing, problem
        found = self._find_layers(host, sum(missing.values()))
        if found is None or 2 * found.size > self.total_bytes:
            # an archive that lies on the host need not be sent at all
            missing = self._reuse_files(host, arguments, missing)
            self.searches_host = False
        if found is None or not missing:
            return missing, []
        self._replace_archive(host, found)
        return super()._begin(host, arguments)

    def _find_layers(self, host: Host, there: int = 0) -> LayerArchive | None:
        """Return the archive of the layers that the host lacks, if it is smaller.

        Args:
            host: the host
            there: bytes of the whole archive that were sent before
        """
        ((local, _dest, sha),) = self.files.values()
        found = None
        try:
            archives = run_context(host).service(LayerArchives)
            found = archives.find_or_write(host, local, sha, self._image_id, self._chains)
        except (OSError, ValueError) as error:
            note = _(
                "{title}: the whole archive is sent, also layers that are there: {error}",
                title=self.title,
                error=error,
            )
            logger.warning(f"{host.print_prefix}{note}")
            emit_event(host, "note", text=note)
        self._chains = frozenset()
        return found if found and found.size < self.total_bytes - there else None

    def _replace_archive(self, host: Host, found: LayerArchive) -> None:
        ((_local, dest, sha),) = self.files.values()
        self._left_out_bytes, self._present = self.total_bytes - found.size, found.words
        swarms(host).host_done(host.name, sha)
        self.set_files([(found.path, f"{dest}{LAYERS_SUFFIX}", found.sha)])
        self.searches_host = False
        sizes = _(
            "{sent:.1f} MB are sent, {left_out:.1f} MB are not",
            sent=found.size / 1e6,
            left_out=self._left_out_bytes / 1e6,
        )
        logger.info(
            host.print_prefix
            + _(
                "{title}: {sizes}: the host has {words}",
                title=self.title,
                sizes=sizes,
                words=found.words,
            )
        )

    def report_left_out(self, host: Host) -> None:
        """Report the layers that were left out, once docker has taken the archive without them.

        Args:
            host: the host
        """
        if self.has_layers_only:
            emit_event(
                host,
                "transfer",
                title=self.title,
                sent=0,
                total=self._left_out_bytes,
                reused=self._left_out_bytes,
                found=[self._present],
                stage=self.stage,
            )
