"""The language of what people read.

Messages stand in the code in English and go through :func:`_`, which looks them up in a gettext
catalog (`fleet/locale/`). Codes, keys of JSON, metrics and the hosts' audit log are read by
machines and stay as they are: :func:`english` gives the text that a message has there.

The language is chosen once, at the start of a process, and its child processes inherit it by
`MLUFLEET_LANG`. GNU gettext's manual, "Locale Environment Variables", has the order of the others;
they are not followed where standard output cannot show Chinese.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from typing_extensions import override

from fleet.compiled_catalog import CompiledCatalog

DOMAIN = "mlufleet"
LANGUAGE_VARIABLE = "MLUFLEET_LANG"
LOCALE_FOLDER = Path(__file__).parent / "locale"
ENGLISH, CHINESE = "en", "zh_CN"
#: variables of the locale, the first one that is set counts
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
#: terminals that have no Chinese characters, whatever the locale says: Linux's own console
POOR_TERMINALS = ("linux",)


class Message(str):
    """A message in another language than English.

    Attributes:
        source: The same in English.
    """

    source: str

    def __new__(cls, text: str, source: str) -> Message:
        """Create a message.

        Args:
            text: The translation.
            source: The same in English.
        """
        message = super().__new__(cls, text)
        message.source = source
        return message

    @override
    def __reduce__(self) -> tuple[type[Message], tuple[str, str]]:
        """Return what `copy` and `pickle` make it of."""
        return Message, (str(self), self.source)


def english(text: str) -> str:
    """Return what a message is in English.

    Args:
        text: A message, or any other text, which is returned as it is.
    """
    return text.source if isinstance(text, Message) else text


def text_of(error: BaseException) -> str:
    """Return the text of an exception: the message that it was raised with, in both languages.

    Args:
        error: The exception.
    """
    text = str(error)
    first = error.args[0] if len(error.args) == 1 else None
    return first if isinstance(first, Message) and first == text else text


def join(separator: str, texts: Iterable[str]) -> str:
    """Join texts; if one of them is a message, the result is one, in both languages.

    Args:
        separator: What stands between them.
        texts: The texts.
    """
    texts = list(texts)
    joined = separator.join(texts)
    if not any(isinstance(text, Message) for text in (separator, *texts)):
        return joined
    return Message(joined, english(separator).join(map(english, texts)))


def _(message: str, /, **values: object) -> str:
    """Return a message in the language of this process.

    Args:
        message: The message in English; a constant, as the catalog is made from the source.
        **values: Values of its `{placeholders}`. Without any, braces mean themselves.
    """
    source = _fill(message, values, in_english=True)
    catalog = _load_catalog()
    if catalog is None or not message:  # the translation of nothing is the catalog's own header
        return source
    return _pair(catalog.gettext(message), source, values)


def n_(singular: str, plural: str, count: int, /, **values: object) -> str:
    """Return a message about a number of things in the language of this process.

    Args:
        singular: The message in English for one.
        plural: The message in English for another number.
        count: The number; also the value of `{count}`.
        **values: Values of the other `{placeholders}`.
    """
    values = {"count": count, **values}
    source = _fill(singular if count == 1 else plural, values, in_english=True)
    catalog = _load_catalog()
    if catalog is None:
        return source
    return _pair(catalog.ngettext(singular, plural, count), source, values)


def N_(message: str) -> str:
    """Return a message as it is, and have it in the catalog: it is shown by `_(message)` later.

    Args:
        message: The message in English.
    """
    return message


def translate(message: str, language: str) -> str:
    """Return a message in a certain language.

    Args:
        message: The message in English, as the catalog has it.
        language: One of `ENGLISH` and `CHINESE`.
    """
    catalog = _open_catalog(language)
    return message if catalog is None else catalog.gettext(message)


def list_messages() -> Iterator[tuple[str, str]]:
    """Yield each message in English with its translation; nothing in English."""
    catalog = _load_catalog()
    if catalog is not None:
        yield from catalog.list_messages()


def change_text(text: str, change: Callable[[str], str]) -> str:
    """Return a text after a change; of a message, in both of its languages.

    Args:
        text: A message, or any other text.
        change: What is done to it, such as to escape it.
    """
    changed = change(text)
    return Message(changed, change(text.source)) if isinstance(text, Message) else changed


def _fill(message: str, values: Mapping[str, object], *, in_english: bool = False) -> str:
    if not values:
        return message
    if in_english:
        values = {name: _find_english(value) for name, value in values.items()}
    return message.format(**values)


def _find_english(value: object) -> object:
    if isinstance(value, BaseException):
        return english(text_of(value))
    return english(value) if isinstance(value, str) else value


def _pair(translation: str, source: str, values: Mapping[str, object]) -> Message:
    return Message(_fill(translation, values), source)


def use_language(name: str) -> None:
    """Choose the language of this process and of its children.

    Args:
        name: As given by the user, such as "zh_CN", "zh" or "en_US.UTF-8"; an unknown one means
            English.
    """
    os.environ[LANGUAGE_VARIABLE] = _find_language(name)
    _load_catalog.cache_clear()


def current_language() -> str:
    """Return the language of this process: `ENGLISH` or `CHINESE`."""
    if chosen := os.environ.get(LANGUAGE_VARIABLE):
        return _find_language(chosen)
    locale = next(filter(None, map(os.environ.get, LOCALE_VARIABLES)), "")
    if os.environ.get("TERM") in POOR_TERMINALS or not _can_print_chinese():
        return ENGLISH
    return _find_language(locale)


def find_translated_file(path: Path) -> Path:
    """Return the translation of a file for the language of this process.

    Args:
        path: The file in English; a translation has the language before its ending.

    Returns:
        `README.zh_CN.md` for `README.md`, or the file itself if it is not translated.
    """
    translated = path.with_suffix(f".{current_language()}{path.suffix}")
    return translated if translated.exists() else path


def _can_print_chinese() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"  # it may be closed or replaced
    try:
        return bool("中文".encode(encoding))
    except UnicodeEncodeError:
        return False


def _find_language(name: str) -> str:
    return CHINESE if re.match(r"zh(?![a-z])", name.strip().lower()) else ENGLISH


@cache
def _load_catalog() -> CompiledCatalog | None:
    """Return the catalog of this process; None for English."""
    return _open_catalog(current_language())


def _open_catalog(language: str) -> CompiledCatalog | None:
    compiled = LOCALE_FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.mo"
    # English has none, and neither has a clone in which nothing was installed
    return CompiledCatalog(compiled) if compiled.exists() else None
