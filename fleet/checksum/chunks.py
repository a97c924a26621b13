"""The sha256 of each 4 MiB of a big file, so that a cut transfer goes on where it was.

Kept by the sha256 of the whole: files with the same bytes have the same pieces.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from fleet.checksum import cache
from fleet.documents import atomic_write

#: also of the torrents: big enough to list, small enough that many hosts have some to give
SIZE = 4 << 20
BLOCK = 1 << 20


class Pieces:
    """Sums up a file's pieces as its blocks come by."""

    def __init__(self) -> None:
        self._sums: list[str] = []
        self._sum, self._left = hashlib.sha256(), SIZE

    def update(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            self._sum.update(view[: self._left])
            took = min(len(view), self._left)
            view, self._left = view[took:], self._left - took
            if not self._left:
                self._close()

    def _close(self) -> None:
        self._sums.append(self._sum.hexdigest())
        self._sum, self._left = hashlib.sha256(), SIZE

    def end(self) -> list[str]:
        if self._left < SIZE:
            self._close()
        return self._sums


class Reading:
    """A file's bytes as somebody takes them, summed up meanwhile, whatever is known of it.

    :param each: told of every block
    """

    def __init__(self, content: BinaryIO, each: Callable[[bytes], object]) -> None:
        self._content, self._each = content, each
        self._pieces, self._whole = Pieces(), hashlib.sha256()
        self.size = os.fstat(content.fileno()).st_size

    def read(self, size: int = BLOCK) -> bytes:
        """:raises OSError: it cannot be read"""
        block = self._content.read(size)
        self._whole.update(block)
        if self.size > SIZE:
            self._pieces.update(block)
        if block:
            self._each(block)
        return block

    def end(self) -> tuple[str, list[str]]:
        """The sha256 of the file and of its pieces, once what is left is read."""
        while self.read():
            pass
        sha = self._whole.hexdigest()
        return sha, self._pieces.end() if self.size > SIZE else [sha]


def read(path: Path, each: Callable[[bytes], object]) -> tuple[str, list[str]]:
    """The sha256 of a file and of its pieces, in one reading.

    :raises OSError: it cannot be read
    """
    with path.open("rb") as content:
        return Reading(content, each).end()


def _file(sha: str) -> Path:
    return cache.cache().with_name("pieces") / f"{sha}.{SIZE}"


def _sealed(text: str) -> str:
    return text + hashlib.sha256(text.encode()).hexdigest() + "\n"


def known(sha: str) -> list[str]:
    """The pieces of a file that was read before; none when they are not known."""
    with suppress(OSError, ValueError):
        *sums, seal = _file(sha).read_text().splitlines()
        if _sealed("".join(f"{one}\n" for one in sums)).endswith(f"{seal}\n"):
            return sums
    return []


def keep(sha: str, sums: list[str]) -> None:
    with suppress(OSError):  # a run that cannot keep them only costs the next one its time
        atomic_write.write(_file(sha), _sealed("".join(f"{one}\n" for one in sums)))
        cache.tidy(_file(sha).parent)


def of(path: Path, sha: str, size: int) -> list[str]:
    """The sums of a file's pieces; it is read only when nobody knows them.

    :raises ValueError: it is not what the lock says
    """
    if size <= SIZE:
        return [sha]
    if sums := known(sha):
        return sums
    found, sums = read(path, lambda _: None)
    if found != sha:
        raise ValueError(f"{path} has changed since it was checked")
    keep(sha, sums)
    return sums


def gaps(have: int, wrong: Iterable[int], size: int) -> list[tuple[int, int]]:
    """(begin, end) in bytes of what is still to send.

    :param have: bytes there, up to the end of the last right piece
    :param wrong: pieces before that which are not right
    """
    found: list[tuple[int, int]] = []
    missing = [(i * SIZE, (i + 1) * SIZE) for i in sorted(set(wrong)) if (i + 1) * SIZE <= have]
    for begin, end in [*missing, *([(have, size)] if have < size else [])]:
        if found and found[-1][1] == begin:
            begin = found.pop()[0]
        found.append((begin, end))
    return found
