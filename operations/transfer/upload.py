"""Files from the store to a host: partial file, verified, then moved into place."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

from gevent.lock import BoundedSemaphore
from pyinfra import logger
from pyinfra.api import Host
from typing_extensions import override

from fleet.checksum import chunks
from fleet.errors import Failure
from fleet.language import _
from fleet.release import host_paths
from operations.host import connection
from operations.host.command import HostCommand
from operations.host.context import RunContext, emit_event, run_context
from operations.host.failures import failure_from_output, relay_output
from operations.host.limits import UPLOAD, UPLOAD_AHEAD
from operations.host.lock import audit_identity
from operations.host.probe_parser import parse_integer
from operations.host.scripts import script_command
from operations.host.threads import run_in_thread
from operations.transfer import reuse
from operations.transfer.prefetch import prefetches
from operations.transfer.ssh_stream import TransferProgress, write_ranges
from operations.transfer.swarm import aria2_file, swarms

INCOMING_DIR = f"{host_paths.STATE_FOLDER}/incoming"
#: seconds that a host may take to compute checksums of what it has
CHECKSUM_TIMEOUT_S = 3600


class ChecksumReader:
    """Lets one large file of the store be read at a time, in a run."""

    def __init__(self, context: RunContext) -> None:
        """Begin idle.

        Args:
            context: of the run
        """
        self._slot = BoundedSemaphore(1)

    def read(self, local: Path, sha: str, size: int) -> list[str]:
        """Return the sha256 of each chunk of a file, without blocking other hosts.

        Args:
            local: the file
            sha: its sha256
            size: its bytes
        """
        with self._slot:
            return run_in_thread(chunks.load_or_compute, local, sha, size)


def _words_after(lines: list[str], word: str) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith(f"{word} ") and line.split()[1:]]


class Upload(HostCommand):
    """Puts files on a host.

    A file that is there already, byte for byte, is not sent, wherever on the host it lies; of an
    interrupted transfer, only what is missing.

    Attributes:
        upload_id: tells the uploads of a host apart; partial files begin with it
        files: name of the partial file -> local path, path on the host, sha256
        completed_parts: names of the partial files that were filled, and not verified since
        searches_host: whether the host may have the files elsewhere
    """

    def __init__(self, title: str, files: list[tuple[Path, str, str]]) -> None:
        """Prepare an upload.

        Args:
            title: what the operator reads
            files: local path, path on the host, sha256
        """
        super().__init__(title)
        self.upload_id = re.sub(r"[^A-Za-z0-9]+", "-", title)
        self.files: dict[str, tuple[Path, str, str]] = {}
        self.set_files(files)
        self.completed_parts: set[str] = set()
        self.searches_host = True

    def set_files(self, files: list[tuple[Path, str, str]]) -> None:
        """Replace the files.

        Args:
            files: local path, path on the host, sha256
        """
        self.files.clear()
        seen = Counter[str]()  # two files may have the same bytes
        for local, dest, sha in files:
            self.files[f"{self.upload_id}.{sha}.{seen[sha]}.part"] = (local, dest, sha)
            seen[sha] += 1

    @property
    @override
    def summary(self) -> str:
        return f"{self.title}: {', '.join(dest for _local, dest, _sha in self.files.values())}"

    @override
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        stop = run_context(host).stop
        try:
            with prefetches(host).take_over(host, self.upload_id) as completed:
                if stop.requested:  # while this waited
                    return Failure("INTERRUPTED")
                problem = self._transfer(host, arguments, completed)
        finally:
            for _local, _dest, sha in self.files.values():
                swarms(host).host_done(host.name, sha)
        return failure_from_output("TRANSFER", problem, self.title) if problem else None

    def fill_parts(
        self,
        host: Host,
        arguments: dict[str, Any],
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> list[str]:
        """Fill the partial files before the stage needs them, without moving them into place.

        Args:
            host: the host that receives them
            arguments: pyinfra's connector arguments
            is_cancelled: asked between two blocks

        Returns:
            Why one of them is not complete; empty on success.
        """
        missing, problem = self._begin(host, arguments)
        if problem:
            return problem
        missing = self._reuse_files(host, arguments, missing)
        return self._send_missing(
            host, arguments, missing, use_swarm=True, prefetching=True, is_cancelled=is_cancelled
        )

    def _transfer(
        self, host: Host, arguments: dict[str, Any], completed: Set[str] = frozenset()
    ) -> list[str]:
        """Send the files and move them into place; return what is wrong.

        Args:
            host: the host that receives them
            arguments: pyinfra's connector arguments
            completed: partial files that are complete
        """
        missing, problem = self._begin(host, arguments)
        if problem:
            return problem
        unfilled = {
            part: there
            for part, there in missing.items()
            if part not in completed or there != self._part_bytes(part)
        }
        unsent = self._reuse_files(host, arguments, unfilled)
        problem = self._send_missing(host, arguments, unsent, use_swarm=True)
        if problem:
            return problem
        # what was in place before was verified there
        arrived = missing.keys() - (unfilled.keys() - unsent.keys())
        ok, lines = self._run_place_files(host, arguments, "end", arrived)
        if damaged := [part for part in _words_after(lines, "broken") if part in self.files]:
            logger.warning(
                host.print_prefix
                + _(
                    "{title}: damaged files are sent again",
                    title=self.title,
                )
            )
            sizes = {part: self._part_bytes(part) for part in damaged}
            problem = self._send_missing(host, arguments, sizes)
            if not problem:
                ok, lines = self._run_place_files(host, arguments, "end", arrived)
                for part in self.files.keys() & _words_after(lines, "broken"):
                    problem += self._describe_damage(host, arguments, part)
        if ok and not problem:
            return []
        return problem or lines or [_("no output")]

    def _begin(self, host: Host, arguments: dict[str, Any]) -> tuple[dict[str, int], list[str]]:
        """Partial files to fill and how many bytes of each are there; or what is wrong."""
        ok, lines = self._run_place_files(host, arguments, "begin")
        if not ok:
            return {}, lines or [_("the host accepts no files")]
        answers = (line.split() for line in lines if line.startswith("want "))
        try:
            missing = {
                words[1]: parse_integer(words[2]) for words in answers if words[1] in self.files
            }
        except (ValueError, IndexError) as error:
            return {}, [_("the host's answer is not understood: {error}", error=error)]
        for part in self.files.keys() - missing.keys():
            self._has_file(host, arguments, part)
        return missing, []

    def needed_files(self) -> list[reuse.NeededFile]:
        """Return the files as a search of the host takes them."""
        return [
            reuse.NeededFile(part, sha, self._part_bytes(part), dest)
            for part, (_local, dest, sha) in self.files.items()
        ]

    def _reuse_files(
        self, host: Host, arguments: dict[str, Any], missing: dict[str, int]
    ) -> dict[str, int]:
        """Put files in place that lie elsewhere on the host; return those that are still missing.

        Args:
            host: the host that needs them
            arguments: pyinfra's connector arguments
            missing: partial file -> bytes of it that are there
        """
        if not self.searches_host or sum(map(self._part_bytes, missing)) < reuse.MIN_BYTES:
            return missing
        needed = [file for file in self.needed_files() if file.part in missing]
        identity = audit_identity(host, self.stage, self.title)
        reused = reuse.use_files(host, arguments, needed, self.title, self.stage, identity)
        for part in reused:
            self._has_file(host, arguments, part)
        return {part: there for part, there in missing.items() if part not in reused}

    def _has_file(self, host: Host, arguments: dict[str, Any], part: str) -> None:
        """Tell the swarm that a host has a file, which it then serves to those that need it."""
        local, dest, sha = self.files[part]
        swarms(host).host_done(host.name, sha)
        if swarms(host).should_seed(host, sha, self._part_bytes(part)):
            swarms(host).seed(
                host, local, sha, dest, lambda: self._place_swarm_client(host, arguments)
            )

    def _run_place_files(
        self, host: Host, arguments: dict[str, Any], phase: str, parts: Set[str] | None = None
    ) -> tuple[bool, list[str]]:
        manifest = "".join(
            f"{sha} {part} {dest}\n"
            for part, (_local, dest, sha) in self.files.items()
            if parts is None or part in parts
        )
        command = script_command(
            "place-files",
            phase,
            self.upload_id,
            timeout=CHECKSUM_TIMEOUT_S,
            identity=audit_identity(host, self.stage, self.title),
        )
        ok, output = connection.run_command(host, command, {**arguments, "_stdin": manifest})
        relay_output(host, output.stdout_lines)
        return ok, output.output_lines

    def _part_bytes(self, part: str) -> int:
        return self.files[part][0].stat().st_size

    def _send_missing(
        self,
        host: Host,
        arguments: dict[str, Any],
        parts: dict[str, int],
        *,
        use_swarm: bool = False,
        prefetching: bool = False,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> list[str]:
        """Fill partial files; return what is wrong.

        Args:
            host: the host that receives them
            arguments: pyinfra's connector arguments
            parts: partial file -> bytes of it that are there, correct or not
            use_swarm: whether other hosts may be asked first
            prefetching: whether this is before the stage; uploads that are due take precedence
            is_cancelled: asked between two blocks
        """
        if not parts:
            return []
        started = time.monotonic()
        progress = TransferProgress(sum(map(self._part_bytes, parts)))
        fallbacks: list[str] = []
        logger.info(
            host.print_prefix
            + _(
                "{title}: {count} files, {size:.1f} MB",
                title=self.title,
                count=len(parts),
                size=progress.total / 1e6,
            )
        )
        ahead = UPLOAD_AHEAD if prefetching else ""
        try:
            for part, there in parts.items():
                sha, size, before = self.files[part][2], self._part_bytes(part), progress.swarmed
                by_swarm = use_swarm and swarms(host).should_use_swarm(host, sha, size)
                reason = ""
                if by_swarm:
                    reason = self._fill_from_swarm(host, arguments, part, there, progress)
                    if reason:
                        fallbacks.append(reason)
                # chunks of a swarm are correct; the complete file is verified in the end
                if reason or not by_swarm:
                    missing = [(0, size)]
                    if reason or there:
                        missing = self._resume(host, arguments, part, progress, before, there > 0)
                    with run_context(host).limits.hold_slot(host, ahead):
                        problem = self._write(host, part, missing, progress, is_cancelled)
                    if problem:
                        # half a file could occupy the space that is missing
                        self._run_place_files(host, arguments, "drop")
                        self.completed_parts.clear()
                        return problem
                self.completed_parts.add(part)
        except ValueError as error:
            return [str(error)]
        finally:
            emit_event(
                host,
                "transfer",
                title=self.title,
                sent=progress.sent,
                total=progress.total,
                resumed=progress.resumed,
                swarmed=progress.swarmed,
                fallback="; ".join(fallbacks),
                stage=self.stage,
                seconds=round(time.monotonic() - started, 2),
            )
        return []

    def _write(
        self,
        host: Host,
        part: str,
        missing: list[tuple[int, int]],
        progress: TransferProgress,
        is_cancelled: Callable[[], bool],
    ) -> list[str]:
        """Write what is missing of a partial file over SSH; return what is wrong.

        Args:
            host: the host that receives it
            part: name of the partial file
            missing: (begin, end) in bytes
            progress: counts what is sent
            is_cancelled: asked between two blocks
        """
        local, dest, _sha = self.files[part]
        size, stop = self._part_bytes(part), run_context(host).stop
        with (
            run_context(host).limits.hold_slot(host, UPLOAD),
            progress.report_progress(host, self.title),
        ):
            problem = write_ranges(
                host,
                local,
                f"{INCOMING_DIR}/{part}",
                missing,
                progress,
                lambda: stop.is_urgent or is_cancelled(),
            )
        if problem:
            problem.append(_("{dest} of {size:,} bytes could not be written", dest=dest, size=size))
        return problem

    def _resume(
        self,
        host: Host,
        arguments: dict[str, Any],
        part: str,
        progress: TransferProgress,
        swarmed_before: int,
        was_there: bool,
    ) -> list[tuple[int, int]]:
        """Find what is missing of a partial file, and count what is not.

        Args:
            host: the host that has it
            arguments: pyinfra's connector arguments
            part: name of the partial file
            progress: is corrected by what the host has
            swarmed_before: bytes of earlier files that came by the swarm
            was_there: whether some of the file was there before this run

        Returns:
            (begin, end) in bytes of what is missing.
        """
        size = self._part_bytes(part)
        received, bad_chunks = self._compare_chunks(host, arguments, part)
        missing = chunks.missing_ranges(received, bad_chunks, size)
        correct = size - sum(end - begin for begin, end in missing)
        # aria2's last progress line may be a second old
        swarmed = min(progress.swarmed - swarmed_before, correct) if was_there else correct
        progress.swarmed = swarmed_before + swarmed
        progress.resumed += correct - swarmed
        logger.info(
            host.print_prefix
            + _(
                "{title}: {correct:,} of {size:,} bytes are there and correct",
                title=self.title,
                correct=correct,
                size=size,
            )
        )
        return missing

    def _fill_from_swarm(
        self,
        host: Host,
        arguments: dict[str, Any],
        part: str,
        there: int,
        progress: TransferProgress,
    ) -> str:
        """Let other hosts fill a partial file; return why it is not complete, "" if it is."""
        local, _dest, sha = self.files[part]
        reason = self._place_swarm_client(host, arguments)
        if not reason:
            with progress.report_progress(host, _("{title}, by the swarm", title=self.title)):
                reason = swarms(host).fill(host, local, sha, part, there, progress)
        if reason:
            logger.warning(
                host.print_prefix
                + _(
                    "{title}: leaves the swarm: {reason}",
                    title=self.title,
                    reason=reason,
                )
            )
        return reason

    def _place_swarm_client(self, host: Host, arguments: dict[str, Any]) -> str:
        """Put aria2c on a host; return why that failed, "" if it did not."""
        client = Upload(_("swarm client"), [aria2_file()])
        client.stage, client.searches_host = self.stage, False
        problem = client._transfer(host, arguments)
        return (
            _("its client could not be put there: {problem}", problem=problem[-1])
            if problem
            else ""
        )

    def _chunk_checksums(self, host: Host, part: str) -> list[str]:
        local, _dest, sha = self.files[part]
        return run_context(host).service(ChecksumReader).read(local, sha, self._part_bytes(part))

    def _compare_chunks(
        self, host: Host, arguments: dict[str, Any], part: str
    ) -> tuple[int, list[int]]:
        """Where the last correct chunk of a partial file ends, and the bad chunks before that."""
        command = script_command(
            "check-chunks", part, str(chunks.CHUNK_BYTES), timeout=CHECKSUM_TIMEOUT_S
        )
        checksums = "".join(f"{checksum}\n" for checksum in self._chunk_checksums(host, part))
        ok, output = connection.run_command(host, command, {**arguments, "_stdin": checksums})
        received = _words_after(output.stdout_lines, "right")
        if not ok or not received:
            raise ValueError(f"{part} cannot be read: {' '.join(output.output_lines)}")
        bad_chunks = _words_after(output.stdout_lines, "wrong")
        return (
            parse_integer(received[-1], maximum=self._part_bytes(part)),
            [parse_integer(index) for index in bad_chunks],
        )

    def _describe_damage(self, host: Host, arguments: dict[str, Any], part: str) -> list[str]:
        """Which chunks of a file are damaged for the second time."""
        _local, dest, sha = self.files[part]
        received, bad_chunks = self._compare_chunks(host, arguments, part)
        missing = chunks.missing_ranges(received, bad_chunks, self._part_bytes(part))
        if not missing:
            return [_("{dest} arrived damaged, expected sha256 {sha}", dest=dest, sha=sha)]
        count = len(self._chunk_checksums(host, part))
        return [
            _(
                "{dest}: chunk {number} of {count} (bytes {begin:,} to {end:,}) arrived "
                "damaged twice",
                dest=dest,
                number=begin // chunks.CHUNK_BYTES + 1,
                count=count,
                begin=begin,
                end=end,
            )
            for begin, end in missing
        ]
