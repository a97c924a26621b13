"""Keep the catalog of messages: extract, list what is missing, merge translations, check.

Usage: python tools/messages.py COMMAND

  extract            write fleet/locale/mlufleet.pot from the source, and bring the catalog up to it
  missing [PATH...]  print, as .po, what the Chinese catalog lacks (of files under these paths)
  merge FILE...      take the translations of .po files into the Chinese catalog
  check              name what is not in the catalog, is not translated, or differs in placeholders
"""

from __future__ import annotations

import ast
import re
import string
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from fleet.language import CHINESE, DOMAIN

ROOT = Path(__file__).parents[1]
LOCALE = ROOT / "fleet/locale"
TEMPLATE = LOCALE / f"{DOMAIN}.pot"
CATALOG = LOCALE / CHINESE / "LC_MESSAGES" / f"{DOMAIN}.po"
KEYWORDS = {"_": None, "N_": None, "n_": (1, 2)}
HEADER = "# Messages of mlu-fleet.\n"

#: where a message is from that click says; setup.py makes a catalog of these for Python's gettext
CLICK = "click"
#: what click says in our commands
CLICK_MESSAGES: tuple[str | tuple[str, str], ...] = (
    # help
    "Usage:",
    "Options",
    "Commands",
    "Show this message and exit.",
    "Show the version and exit.",
    "default: {default}",
    "required",
    # errors
    "Error: {message}",
    "Try '{command} {option}' for help.",
    "Missing command.",
    "Missing argument",
    "Missing option",
    "No such option {name!r}.",
    ("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
    "Option {name!r} does not take a value.",
    (
        "Option {name!r} requires an argument.",
        "Option {name!r} requires {nargs} arguments.",
    ),
    (
        "Got unexpected extra argument ({args})",
        "Got unexpected extra arguments ({args})",
    ),
    "Invalid value: {message}",
    "Invalid value for {param_hint}: {message}",
    ("{value!r} is not {choice}.", "{value!r} is not one of {choices}."),
    "{value!r} is not a valid {number_type}.",
    "{value} is not in the range {range}.",
    "{name} {filename!r} does not exist.",
    "{name} {filename!r} is a file.",
    "{name} {filename!r} is a directory.",
    "{name} {filename!r} is not readable.",
    # questions
    "Error: invalid input",
    "Aborted!",
)

MessageId = str | tuple[str, ...] | list[str]


def find_calls(
    file: IO[bytes], keywords: Iterable[str], _tags: object, options: object
) -> Iterator[tuple[int, str, list[str], list[str]]]:
    """Yield the calls that translate a constant, also those inside of f-strings.

    Babel's own reader of Python misses the latter before Python 3.12. This is one of its extraction
    methods: Babel's manual, "Writing Extraction Methods".

    Args:
        file: A module.
        keywords: Names of the functions.
        options: Of Babel; there are none.
    """
    for node in ast.walk(ast.parse(file.read())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            constants = [one.value for one in node.args if isinstance(one, ast.Constant)]
            texts = [one for one in constants if isinstance(one, str)]
            if node.func.id in keywords and texts:
                yield node.lineno, node.func.id, texts, []


#: folder -> how Babel reads which of its files
SOURCES: dict[str, list[tuple[str, Any]]] = {
    **{name: [("**.py", find_calls)] for name in ("fleet", "operations", "mlufleet")},
    "files/templates": [("**.j2", "jinja2")],
}


def extract_messages() -> Catalog:
    """Return the messages of the source, in English."""
    catalog = Catalog(project="mlu-fleet", header_comment=HEADER, fuzzy=False)
    for folder, methods in SOURCES.items():
        found = extract_from_dir(
            ROOT / folder,
            methods,
            {"**.j2": {"trimmed": "true"}},
            KEYWORDS,
            directory_filter=lambda path: not Path(path).name.startswith((".", "__")),
        )
        for name, _line, message, comments, _context in found:
            catalog.add(message, None, [(f"{folder}/{name}", 0)], auto_comments=comments)
    for place, text in _list_other_messages():
        catalog.add(text, None, [(place, 0)])
    return catalog


def _list_other_messages() -> Iterator[tuple[str, str | tuple[str, str]]]:
    """Yield messages that do not stand in calls: of commands, of click, of generated pages."""
    from mlufleet.cli.help_texts import list_help_messages
    from mlufleet.cli.main import main
    from mlufleet.reference import metrics_page, release_format, systems_page

    for text in list_help_messages(main):
        yield "mlufleet/cli", text
    for message in CLICK_MESSAGES:
        yield CLICK, message
    for page in (metrics_page, release_format, systems_page):
        for text in page.list_messages():
            yield "mlufleet/reference", text


def read_catalog(path: Path = CATALOG) -> Catalog:
    """Return the catalog of a file.

    Args:
        path: A .po file; an empty catalog if it does not exist.
    """
    if not path.exists():
        return Catalog(locale=CHINESE, project="mlu-fleet", header_comment=HEADER, fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=CHINESE)


def write_catalog(catalog: Catalog, path: Path) -> None:
    """Write a catalog so that it is the same wherever and whenever it is written.

    Args:
        catalog: What is written.
        path: The .po or .pot file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_format(catalog))


def _format(catalog: Catalog) -> bytes:
    text = BytesIO()
    for message in catalog:
        message.flags.discard("python-format")  # Babel takes a share's "% of" for one
    write_po(
        text, catalog, width=100, sort_by_file=True, ignore_obsolete=True, include_lineno=False
    )
    # dates and the version of Babel say nothing that the history of the file does not
    kept = re.sub(
        rb'"(POT-Creation-Date|PO-Revision-Date|Generated-By):.*\\n"\n', b"", text.getvalue()
    )
    return kept.rstrip() + b"\n"


def extract() -> int:
    """Write the template, and bring the catalog up to it."""
    template = extract_messages()
    write_catalog(template, TEMPLATE)
    catalog = read_catalog()
    catalog.update(template, no_fuzzy_matching=True)
    write_catalog(catalog, CATALOG)
    return 0


def list_missing(paths: list[str]) -> int:
    """Print what is not translated.

    Args:
        paths: Only messages of files under these; all if there are none.
    """
    known = read_catalog()
    missing = Catalog(locale=CHINESE, fuzzy=False)
    for message in _list_messages(extract_messages()):
        translated = known.get(message.id)
        files = [name for name, _line in message.locations]
        if any(name.startswith(tuple(paths) or "") for name in files) and not (
            translated and translated.string and _is_filled(translated)
        ):
            missing.add(message.id, None, message.locations)
    sys.stdout.buffer.write(_format(missing))
    return 0


def merge(files: list[str]) -> int:
    """Take translations into the catalog.

    Args:
        files: The .po files; a later one counts more.
    """
    catalog = read_catalog()
    catalog.update(extract_messages(), no_fuzzy_matching=True)
    unknown = []
    for path in files:
        for message in _list_messages(read_catalog(Path(path))):
            target = catalog.get(message.id)
            if not _is_filled(message):
                continue
            if target is None:
                unknown.append(f"{path}: not in the source: {_first(message.id)}")
                continue
            target.string = message.string
    write_catalog(catalog, CATALOG)
    print("\n".join(unknown))
    return 0


def check() -> int:
    """Print what is wrong with the catalog."""
    problems = list(find_problems())
    print("\n".join(problems))
    return bool(problems)


def find_problems() -> Iterator[str]:
    """Yield what is wrong with the catalog, a line each."""
    template = extract_messages()
    if _format(template) != TEMPLATE.read_bytes():
        yield f"{TEMPLATE.relative_to(ROOT)} is not what the source has: tools/messages.py extract"
    catalog = read_catalog()
    for message in _list_messages(template):
        translated = catalog.get(message.id)
        name = _first(message.id)
        if translated is None or not _is_filled(translated):
            yield f"not translated: {name!r}"
            continue
        if translated.fuzzy:
            yield f"to be looked at again (fuzzy): {name!r}"
        for sign, list_signs in SIGNS.items():
            for text in _strings(translated.string):
                if list_signs(text) != list_signs(_last(message.id)):
                    yield f"{sign} differ: {name!r} and {text!r}"


def list_placeholders(text: str) -> Counter[str]:
    """Return the placeholders of a message with their formats.

    Args:
        text: The message, or its translation.
    """
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:  # braces that mean themselves
        return Counter()
    return Counter(f"{name}:{form}!{how}" for _text, name, form, how in parts if name is not None)


def list_code(text: str) -> Counter[str]:
    """Return what stands in backticks: commands, files, names.

    Args:
        text: The message, or its translation.
    """
    return Counter(re.findall(r"`[^`]+`", text))


def list_links(text: str) -> Counter[str]:
    """Return the targets of the links of a message.

    Args:
        text: The message, or its translation.
    """
    return Counter(re.findall(r"\]\(([^)]+)\)|(?<=\s)(https?://\S+)", text))


SIGNS: dict[str, Callable[[str], Counter[str]]] = {
    "placeholders": list_placeholders,
    "words in backticks": list_code,
    "links": list_links,
}


def _list_messages(catalog: Catalog) -> Iterator[Message]:
    yield from (message for message in catalog if message.id)


def _strings(text: MessageId | None) -> Iterable[str]:
    return [text] if isinstance(text, str) else text or []


def _is_filled(message: Message) -> bool:
    return bool(message.string) and all(_strings(message.string))


def _first(identity: MessageId) -> str:
    return next(iter(_strings(identity)))


def _last(identity: MessageId) -> str:
    return list(_strings(identity))[-1]


def main(arguments: list[str]) -> int:
    """Run a command; its exit status is returned.

    Args:
        arguments: The command and its arguments.
    """
    name, *rest = arguments or ["help"]
    commands: dict[str, Callable[[], int]] = {
        "extract": extract,
        "missing": lambda: list_missing(rest),
        "merge": lambda: merge(rest),
        "check": check,
    }
    if name not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    return commands[name]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
