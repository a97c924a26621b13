"""Files from the store to a host: partial name, verified against the lock, then in place."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Set
from pathlib import Path
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore
from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from fleet.checksum import chunks
from fleet.errors import Failure
from fleet.release import host_paths
from operations.host import connection, events, limits
from operations.host.facts import parse_integer
from operations.host.failures import fail_by_output, fail_host, isolate_failures, relay_output
from operations.host.lock import audit_identity
from operations.host.scripts import script_command
from operations.transfer import prefetch, swarm
from operations.transfer.ssh_stream import TransferProgress, write_ranges

INCOMING_DIR = f"{host_paths.STATE_FOLDER}/incoming"
#: big files are read one at a time
reading = BoundedSemaphore(1)


def _words_after(lines: list[str], word: str) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith(f"{word} ") and line.split()[1:]]


class Upload(PyinfraCommand):
    """Puts files on a host. One that is there already, byte for byte, is not sent; of one whose
    transfer was cut, only what is missing is.

    :param files: (local path, path on the host, sha256)
    """

    def __init__(self, title: str, files: list[tuple[Path, str, str]]) -> None:
        super().__init__()
        self.title, self.stage = title, ""
        self.upload_id = re.sub(r"[^A-Za-z0-9]+", "-", title)
        #: name of the partial file -> what it will be; two files may have the same bytes
        self.files: dict[str, tuple[Path, str, str]] = {}
        seen = Counter[str]()
        for local, dest, sha in files:
            self.files[f"{self.upload_id}.{sha}.{seen[sha]}.part"] = (local, dest, sha)
            seen[sha] += 1
        #: partial files that were filled here, and not looked at since
        self.completed_parts: set[str] = set()

    @override
    def __repr__(self) -> str:
        return f"Upload({self.title}: {', '.join(dest for _, dest, _ in self.files.values())})"

    @override
    @isolate_failures
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        try:
            with prefetch.take_over(host, self.upload_id) as brought:
                if events.stop_requested():  # while it was waited for
                    return fail_host(host, Failure("INTERRUPTED"), self.stage)
                said = self._transfer(host, connector_arguments, brought)
        finally:
            for _, _, sha in self.files.values():
                swarm.host_done(host.name, sha)
        return said is None or fail_by_output(host, "TRANSFER", self.stage, said, self.title)

    def fill_parts(self, host: Host, arguments: Any) -> list[str]:
        """Fill the partial files before the stage wants them; nothing is placed.

        :returns: why one of them is not whole
        """
        wanted, lines = self._begin(host, arguments)
        return lines or self._send_missing(
            host, arguments, wanted, use_swarm=True, prefetching=True
        )

    def _transfer(
        self, host: Host, arguments: Any, completed: Set[str] = frozenset()
    ) -> list[str] | None:
        """Why the files are not in place; None when they are.

        :param brought: partial files that are whole
        """
        wanted, failed = self._begin(host, arguments)
        if failed:
            return failed
        wanted = {
            part: there
            for part, there in wanted.items()
            if part not in completed or there != self._part_bytes(part)
        }
        failed = self._send_missing(host, arguments, wanted, use_swarm=True)
        if failed:
            return failed
        ok, lines = self._run_place_files(host, arguments, "end")
        if broken := [part for part in _words_after(lines, "broken") if part in self.files]:
            logger.warning(f"{host.print_prefix}{self.title}: what arrived broken is sent again")
            failed = self._send_missing(
                host, arguments, {part: self._part_bytes(part) for part in broken}
            )
            if not failed:
                ok, lines = self._run_place_files(host, arguments, "end")
                for part in self.files.keys() & _words_after(lines, "broken"):
                    failed += self._describe_damage(host, arguments, part)
        return None if ok and not failed else failed or lines

    def _begin(self, host: Host, arguments: Any) -> tuple[dict[str, int], list[str]]:
        """Partial files that are to be filled, and how much of each is there; or why not."""
        ok, lines = self._run_place_files(host, arguments, "begin")
        if not ok:
            return {}, lines or ["the host does not take files"]
        said = (line.split() for line in lines if line.startswith("want "))
        try:
            wanted = {words[1]: parse_integer(words[2]) for words in said if words[1] in self.files}
        except (ValueError, IndexError) as error:
            return {}, [f"the host's answer is not understood: {error}"]
        for part in self.files.keys() - wanted.keys():
            swarm.host_done(host.name, self.files[part][2])
        return wanted, []

    def _run_place_files(self, host: Host, arguments: Any, phase: str) -> tuple[bool, list[str]]:
        manifest = "".join(f"{sha} {part} {dest}\n" for part, (_, dest, sha) in self.files.items())
        command = script_command(
            "receive",
            phase,
            self.upload_id,
            timeout=3600,
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
        arguments: Any,
        parts: dict[str, int],
        *,
        use_swarm: bool = False,
        prefetching: bool = False,
    ) -> list[str]:
        """Send what is missing.

        :param parts: partial files, and how much of each is there, right or wrong
        :param swarming: whether the fleet's other hosts may be asked first
        :param early: ahead of its stage; what is due goes before
        :returns: why it could not be
        """
        if not parts:
            return []
        started = time.monotonic()
        meter = TransferProgress(sum(map(self._part_bytes, parts)))
        left: list[str] = []
        logger.info(
            f"{host.print_prefix}{self.title}: {len(parts)} files, {meter.total / 1e6:.1f} MB"
        )
        try:
            for part, there in parts.items():
                local, dest, sha = self.files[part]
                size = self._part_bytes(part)
                missing, before, had = [(0, size)], meter.swarmed, there
                if use_swarm and swarm.should_use_swarm(host, sha, size):
                    if not (why := self._fill_from_swarm(host, arguments, part, there, meter)):
                        # all of it, as its pieces say: the whole is looked at in the end
                        self.completed_parts.add(part)
                        continue
                    left.append(why)
                    there = size
                if there:
                    have, wrong = self._compare_chunks(host, arguments, part)
                    missing = chunks.missing_ranges(have, wrong, size)
                    right = size - sum(end - begin for begin, end in missing)
                    # what the swarm said last may be a second old
                    came = min(meter.swarmed - before, right) if had else right
                    meter.swarmed = before + came
                    meter.resumed += right - came
                    logger.info(
                        f"{host.print_prefix}{self.title}: {right:,} of {size:,} bytes "
                        "are there and right"
                    )
                with (
                    limits.hold_slot(host, "upload ahead" if prefetching else ""),
                    limits.hold_slot(host, "upload"),
                    meter.report_progress(host, self.title),
                ):
                    said = write_ranges(host, local, f"{INCOMING_DIR}/{part}", missing, meter)
                if said:
                    # half a file would take the room that is missing
                    self._run_place_files(host, arguments, "drop")
                    self.completed_parts.clear()
                    return [*said, f"{dest} of {size:,} bytes could not be written"]
                self.completed_parts.add(part)
        except ValueError as error:
            return [str(error)]
        finally:
            events.emit(
                host.name,
                "transfer",
                title=self.title,
                sent=meter.sent,
                total=meter.total,
                resumed=meter.resumed,
                swarmed=meter.swarmed,
                fallback="; ".join(left),
                stage=self.stage,
                seconds=round(time.monotonic() - started, 2),
            )
        return []

    def _fill_from_swarm(
        self, host: Host, arguments: Any, part: str, there: int, progress: TransferProgress
    ) -> str:
        """Let the fleet's hosts fill a partial file. :returns: why it is not whole; "" if it is"""
        local, _, sha = self.files[part]
        client = Upload("swarm client", [swarm.aria2_file()])
        client.stage = self.stage
        if lines := client._transfer(host, arguments):
            why = f"its client could not be put there: {lines[-1]}"
        else:
            with progress.report_progress(host, f"{self.title}, by the swarm"):
                why = swarm.fill_from_swarm(host, local, sha, part, there, progress)
        if why:
            logger.warning(f"{host.print_prefix}{self.title}: leaves the swarm: {why}")
        return why

    def _chunk_checksums(self, part: str) -> list[str]:
        local, _, sha = self.files[part]
        with reading:
            found: list[str] = gevent.get_hub().threadpool.apply(
                chunks.load_or_compute, (local, sha, self._part_bytes(part))
            )
        return found

    def _compare_chunks(self, host: Host, arguments: Any, part: str) -> tuple[int, list[int]]:
        """Where the last right piece of a partial file ends, and the wrong ones before it."""
        command = script_command("pieces", part, str(chunks.CHUNK_BYTES), timeout=3600)
        given = {
            **arguments,
            "_stdin": "".join(f"{sum_}\n" for sum_ in self._chunk_checksums(part)),
        }
        ok, output = connection.run_command(host, command, given)
        have = _words_after(output.stdout_lines, "right")
        if not ok or not have:
            raise ValueError(f"{part} cannot be read: {' '.join(output.output_lines)}")
        wrong = _words_after(output.stdout_lines, "wrong")
        return parse_integer(have[-1], maximum=self._part_bytes(part)), [
            parse_integer(index) for index in wrong
        ]

    def _describe_damage(self, host: Host, arguments: Any, part: str) -> list[str]:
        """Which piece of a file is wrong for the second time."""
        _, dest, sha = self.files[part]
        have, wrong = self._compare_chunks(host, arguments, part)
        missing = chunks.missing_ranges(have, wrong, self._part_bytes(part))
        if not missing:
            return [f"{dest} arrived broken, expected sha256 {sha}"]
        count = len(self._chunk_checksums(part))
        return [
            f"{dest}: piece {begin // chunks.CHUNK_BYTES + 1} of {count} "
            f"(bytes {begin:,} to {end:,}) "
            "arrived broken twice"
            for begin, end in missing
        ]
