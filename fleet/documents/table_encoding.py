"""The encoding of a table as an office program saved it: Unicode, or that of Chinese Windows.

A text in GB18030 does not say that it is one. What follows a byte order mark or is valid UTF-8 is
that; anything else is GB18030 only if what comes out looks like Chinese, because many texts in
other encodings are valid GB18030, too.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from fleet.errors import InvalidInput
from fleet.language import _

#: byte order mark -> encoding
ENCODING_BY_MARK = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    "\ufeff".encode("gb18030"): "gb18030",
}
HAN_CHARACTER = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
#: neither ASCII nor what Chinese texts have: punctuation, full-width forms, numbers in circles
FOREIGN_CHARACTER = re.compile(
    "[^\\x00-\\x7f\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff\u3000-\u303f\uff00-\uffef"
    "\u2010-\u2026\u2103\u2116\u2160-\u216b\u2460-\u249b\u00b0\u00b1\u00b7\u00d7]"
)
#: first bytes of the characters of GB 2312 that are in common use
COMMON_LEADS = range(0xB0, 0xD8)


def decode_table(content: bytes, path: Path) -> str:
    """Decode a text.

    Args:
        content: The bytes of the file.
        path: The file, for error messages.

    Returns:
        The text, without a byte order mark.

    Raises:
        InvalidInput: The encoding is none that is known; the message names file and line.
    """
    marked = next(
        (name for mark, name in ENCODING_BY_MARK.items() if content[:4].startswith(mark)), ""
    )
    try:
        return content.decode(marked or "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        if marked:
            raise InvalidInput(
                _(
                    "{path}:{line}: not {encoding} ({reason}): save it as UTF-8 "
                    "(in Excel: CSV UTF-8)",
                    path=path,
                    line=_find_line(content, error.start),
                    encoding=marked.upper(),
                    reason=error.reason,
                )
            ) from error
        return _decode_chinese(content, path, error.start)


def _decode_chinese(content: bytes, path: Path, position: int) -> str:
    """Decode GB18030, which GBK and GB 2312 are part of.

    Raises:
        InvalidInput: It is not, or does not look like it; `position` is where it is not UTF-8.
    """
    try:
        text = content.decode("gb18030")
        if looks_chinese(text):
            return text
    except UnicodeDecodeError as error:
        position = error.start
    raise InvalidInput(
        _(
            "{path}:{line}: neither UTF-8 nor GB18030, and without a byte order mark: save it as "
            "UTF-8 (in Excel: CSV UTF-8)",
            path=path,
            line=_find_line(content, position),
        )
    )


def looks_chinese(text: str) -> bool:
    """Tell whether a text that was decoded as GB18030 is one.

    Args:
        text: The text.

    Returns:
        Whether it has ASCII and Chinese characters only, and half of these are common ones: what
        other encodings turn into is rare characters.
    """
    if FOREIGN_CHARACTER.search(text):
        return False
    characters = HAN_CHARACTER.findall(text)
    common = sum(
        character.encode("gb2312", "replace")[0] in COMMON_LEADS for character in characters
    )
    return 2 * common >= len(characters)


def _find_line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1
