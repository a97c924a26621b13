"""A compiled catalog of messages, of which only what is asked for is read.

Python's `gettext` reads all of a catalog when it opens it: ten milliseconds of each start for the
messages of this project. The format is that of GNU gettext's manual, "The Format of GNU MO Files":
tables of the messages, in the order of their bytes, and of their translations.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

#: first four bytes of a catalog whose numbers begin with the byte of the least value
MAGIC = b"\xde\x12\x04\x95"


class CompiledCatalog:
    """The messages of a .mo file with translations that do not depend on a number.

    Such are those of Chinese, which has one plural form.
    """

    def __init__(self, path: Path) -> None:
        """Open a catalog.

        Args:
            path: The .mo file.

        Raises:
            OSError: It cannot be read.
            ValueError: It is none.
        """
        self._content = path.read_bytes()
        if self._content[:4] != MAGIC:
            raise ValueError(f"{path}: not a compiled catalog")
        self._count, self._messages, self._translations = struct.unpack_from(
            "<III", self._content, 8
        )

    def gettext(self, message: str) -> str:
        """Return the translation of a message; the message itself if there is none.

        Args:
            message: The message in English.
        """
        return self._find(message.encode()) or message

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        """Return the translation of a message about a number of things, or the message itself.

        Args:
            singular: The message in English for one.
            plural: The message in English for another number.
            count: The number.
        """
        found = self._find(f"{singular}\0{plural}".encode())
        return found or (singular if count == 1 else plural)

    def list_messages(self) -> Iterator[tuple[str, str]]:
        """Yield each message with its translation; both forms of one about a number."""
        for number in range(self._count):
            forms = self._read(self._messages, number).decode()
            translation = self._read(self._translations, number).decode()
            yield from ((form, translation) for form in forms.split("\0") if form)

    def _find(self, message: bytes) -> str:
        """Return the translation of a message; "" if there is none."""
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            found = self._read(self._messages, middle)
            if found == message:
                return self._read(self._translations, middle).decode()
            if found < message:
                low = middle + 1
            else:
                high = middle
        return ""

    def _read(self, table: int, number: int) -> bytes:
        length, place = struct.unpack_from("<II", self._content, table + 8 * number)
        return self._content[place : place + length]
