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
from operations.host.facts import number
from operations.host.failures import alone, fail, refused, told
from operations.host.lock import who
from operations.host.scripts import script
from operations.transfer import prefetch, swarm
from operations.transfer.ssh_stream import Meter, send

INCOMING = f"{host_paths.STATE}/incoming"
#: big files are read one at a time
reading = BoundedSemaphore(1)


def _named(lines: list[str], word: str) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith(f"{word} ") and line.split()[1:]]


class Upload(PyinfraCommand):
    """Puts files on a host. One that is there already, byte for byte, is not sent; of one whose
    transfer was cut, only what is missing is.

    :param files: (local path, path on the host, sha256)
    """

    def __init__(self, title: str, files: list[tuple[Path, str, str]]) -> None:
        super().__init__()
        self.title, self.stage = title, ""
        self.kind = re.sub(r"[^A-Za-z0-9]+", "-", title)
        #: name of the partial file -> what it will be; two files may have the same bytes
        self.files: dict[str, tuple[Path, str, str]] = {}
        seen = Counter[str]()
        for local, dest, sha in files:
            self.files[f"{self.kind}.{sha}.{seen[sha]}.part"] = (local, dest, sha)
            seen[sha] += 1
        #: partial files that were filled here, and not looked at since
        self.brought: set[str] = set()

    @override
    def __repr__(self) -> str:
        return f"Upload({self.title}: {', '.join(dest for _, dest, _ in self.files.values())})"

    @override
    @alone
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        try:
            with prefetch.taken(host, self.kind) as brought:
                if events.halted():  # while it was waited for
                    return fail(host, Failure("INTERRUPTED"), self.stage)
                said = self._placed(host, connector_arguments, brought)
        finally:
            for _, _, sha in self.files.values():
                swarm.served(host.name, sha)
        return said is None or refused(host, "TRANSFER", self.stage, said, self.title)

    def fill(self, host: Host, arguments: Any) -> list[str]:
        """Fill the partial files before the stage wants them; nothing is placed.

        :returns: why one of them is not whole
        """
        wanted, lines = self._asked(host, arguments)
        return lines or self._bring(host, arguments, wanted, swarming=True, early=True)

    def _placed(
        self, host: Host, arguments: Any, brought: Set[str] = frozenset()
    ) -> list[str] | None:
        """Why the files are not in place; None when they are.

        :param brought: partial files that are whole
        """
        wanted, failed = self._asked(host, arguments)
        if failed:
            return failed
        wanted = {
            part: there
            for part, there in wanted.items()
            if part not in brought or there != self._size(part)
        }
        failed = self._bring(host, arguments, wanted, swarming=True)
        if failed:
            return failed
        ok, lines = self._receive(host, arguments, "end")
        if broken := [part for part in _named(lines, "broken") if part in self.files]:
            logger.warning(f"{host.print_prefix}{self.title}: what arrived broken is sent again")
            failed = self._bring(host, arguments, {part: self._size(part) for part in broken})
            if not failed:
                ok, lines = self._receive(host, arguments, "end")
                for part in self.files.keys() & _named(lines, "broken"):
                    failed += self._blamed(host, arguments, part)
        return None if ok and not failed else failed or lines

    def _asked(self, host: Host, arguments: Any) -> tuple[dict[str, int], list[str]]:
        """Partial files that are to be filled, and how much of each is there; or why not."""
        ok, lines = self._receive(host, arguments, "begin")
        if not ok:
            return {}, lines or ["the host does not take files"]
        said = (line.split() for line in lines if line.startswith("want "))
        try:
            wanted = {words[1]: number(words[2]) for words in said if words[1] in self.files}
        except (ValueError, IndexError) as error:
            return {}, [f"the host's answer is not understood: {error}"]
        for part in self.files.keys() - wanted.keys():
            swarm.served(host.name, self.files[part][2])
        return wanted, []

    def _receive(self, host: Host, arguments: Any, phase: str) -> tuple[bool, list[str]]:
        manifest = "".join(f"{sha} {part} {dest}\n" for part, (_, dest, sha) in self.files.items())
        command = script(
            "receive", phase, self.kind, timeout=3600, who=who(host, self.stage, self.title)
        )
        ok, output = connection.shell(host, command, {**arguments, "_stdin": manifest})
        told(host, output.stdout_lines)
        return ok, output.output_lines

    def _size(self, part: str) -> int:
        return self.files[part][0].stat().st_size

    def _bring(
        self,
        host: Host,
        arguments: Any,
        parts: dict[str, int],
        *,
        swarming: bool = False,
        early: bool = False,
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
        meter = Meter(sum(map(self._size, parts)))
        left: list[str] = []
        logger.info(
            f"{host.print_prefix}{self.title}: {len(parts)} files, {meter.total / 1e6:.1f} MB"
        )
        try:
            for part, there in parts.items():
                local, dest, sha = self.files[part]
                size = self._size(part)
                missing, before, had = [(0, size)], meter.swarmed, there
                if swarming and swarm.chosen(host, sha, size):
                    if not (why := self._by_swarm(host, arguments, part, there, meter)):
                        # all of it, as its pieces say: the whole is looked at in the end
                        self.brought.add(part)
                        continue
                    left.append(why)
                    there = size
                if there:
                    have, wrong = self._compared(host, arguments, part)
                    missing = chunks.gaps(have, wrong, size)
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
                    limits.place(host, "upload ahead" if early else ""),
                    limits.place(host, "upload"),
                    meter.told(host, self.title),
                ):
                    said = send(host, local, f"{INCOMING}/{part}", missing, meter)
                if said:
                    # half a file would take the room that is missing
                    self._receive(host, arguments, "drop")
                    self.brought.clear()
                    return [*said, f"{dest} of {size:,} bytes could not be written"]
                self.brought.add(part)
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

    def _by_swarm(self, host: Host, arguments: Any, part: str, there: int, meter: Meter) -> str:
        """Let the fleet's hosts fill a partial file. :returns: why it is not whole; "" if it is"""
        local, _, sha = self.files[part]
        client = Upload("swarm client", [swarm.client()])
        client.stage = self.stage
        if lines := client._placed(host, arguments):
            why = f"its client could not be put there: {lines[-1]}"
        else:
            with meter.told(host, f"{self.title}, by the swarm"):
                why = swarm.fill(host, local, sha, part, there, meter)
        if why:
            logger.warning(f"{host.print_prefix}{self.title}: leaves the swarm: {why}")
        return why

    def _sums(self, part: str) -> list[str]:
        local, _, sha = self.files[part]
        with reading:
            found: list[str] = gevent.get_hub().threadpool.apply(
                chunks.of, (local, sha, self._size(part))
            )
        return found

    def _compared(self, host: Host, arguments: Any, part: str) -> tuple[int, list[int]]:
        """Where the last right piece of a partial file ends, and the wrong ones before it."""
        command = script("pieces", part, str(chunks.SIZE), timeout=3600)
        given = {**arguments, "_stdin": "".join(f"{sum_}\n" for sum_ in self._sums(part))}
        ok, output = connection.shell(host, command, given)
        have = _named(output.stdout_lines, "right")
        if not ok or not have:
            raise ValueError(f"{part} cannot be read: {' '.join(output.output_lines)}")
        wrong = _named(output.stdout_lines, "wrong")
        return number(have[-1], most=self._size(part)), [number(index) for index in wrong]

    def _blamed(self, host: Host, arguments: Any, part: str) -> list[str]:
        """Which piece of a file is wrong for the second time."""
        _, dest, sha = self.files[part]
        have, wrong = self._compared(host, arguments, part)
        missing = chunks.gaps(have, wrong, self._size(part))
        if not missing:
            return [f"{dest} arrived broken, expected sha256 {sha}"]
        count = len(self._sums(part))
        return [
            f"{dest}: piece {begin // chunks.SIZE + 1} of {count} (bytes {begin:,} to {end:,}) "
            "arrived broken twice"
            for begin, end in missing
        ]
