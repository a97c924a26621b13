"""Requirements files, as pip reads them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement

from fleet.language import _

#: Requirements files that include each other.
MAX_DEPTH = 10
COMMENT = re.compile(r"(^|\s+)#.*$")
#: An option of one requirement, such as --hash, with everything after it.
PER_REQUIREMENT_OPTION = re.compile(r"\s--?[a-z].*$")
INCLUDE = re.compile(r"(-r|--requirement|-c|--constraint)[ =]*(\S+)$")
LINKS = re.compile(r"(-f|--find-links)[ =]*(\S+)$")


class UnknownText(Exception):
    """The text of a file cannot be known; the message is a clause that says why."""


#: Returns the text of a file in the container by its absolute path; raises UnknownText.
ReadText = Callable[[str], str]


@dataclass(frozen=True)
class Requested:
    """A requirement that a release asks for.

    Attributes:
        requirement: the requirement.
        origin: where it is written, such as "/home/share/model/requirements.txt:3".
    """

    requirement: Requirement
    origin: str


@dataclass
class RequirementList:
    """What a requirements file asks for, with the files that it includes.

    Attributes:
        requested: the requirements.
        constraints: the constraints, which only limit versions.
        unknown: lines that cannot be compared with anything, each with its place and the reason.
    """

    requested: list[Requested] = field(default_factory=list)
    constraints: list[Requested] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def read_requirements(path: str, exclude: tuple[str, ...], read: ReadText) -> RequirementList:
    """Read a requirements file.

    Args:
        path: its absolute path in the container.
        exclude: names whose lines are left out of this file, not out of those it includes.
        read: reads files of the container.

    Returns:
        Its requirements.

    Raises:
        UnknownText: the file, or one that it includes, cannot be read.
    """
    result = RequirementList()
    _read_file(path, exclude, read, result, 0, is_constraint=False)
    return result


def _read_file(
    path: str,
    exclude: tuple[str, ...],
    read: ReadText,
    result: RequirementList,
    depth: int,
    *,
    is_constraint: bool,
) -> None:
    if depth > MAX_DEPTH:
        raise UnknownText(
            _("{path} is included more than {count} files deep", path=path, count=MAX_DEPTH)
        )
    names = "|".join(map(re.escape, exclude))
    excluded = re.compile(rf" *({names})([^A-Za-z0-9_.-]|$)", re.IGNORECASE)
    for number, line in _join_lines(read(path)):
        if exclude and excluded.match(line):  # as files/scripts/pip.sh does it
            continue
        text = COMMENT.sub("", line).strip()
        place = f"{path}:{number}"
        if include := INCLUDE.match(text):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), include[2]))
            limits = is_constraint or "c" in include[1].lstrip("-")[:1]
            _read_file(target, (), read, result, depth + 1, is_constraint=limits)
        elif LINKS.match(text):
            result.unknown.append(
                _("{place}: it names a page with further wheels: {text}", place=place, text=text)
            )
        elif text.startswith("-") and not text.startswith(("-e", "--editable")):
            continue  # an index, which pip does not ask with --no-index, or another setting
        elif text:
            _add_line(text, place, result, is_constraint=is_constraint)


def _join_lines(text: str) -> list[tuple[int, str]]:
    """Split a file into its lines, which a backslash continues, with their numbers."""
    lines: list[tuple[int, str]] = []
    joined, first = "", 0
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        first = first or number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            joined += line[:-1]
            continue
        lines.append((first, joined + line))
        joined, first = "", 0
    return [*lines, (first, joined)] if joined else lines


def _add_line(text: str, place: str, result: RequirementList, *, is_constraint: bool) -> None:
    text = PER_REQUIREMENT_OPTION.sub("", text)
    target = result.constraints if is_constraint else result.requested
    try:
        target.append(Requested(parse_requirement(text), place))
    except InvalidRequirement:
        result.unknown.append(
            _("{place}: {text!r} is not a requirement by name", place=place, text=text)
        )


def parse_requirement(text: str) -> Requirement:
    """Parse a requirement, also the address of a git repository.

    Args:
        text: one requirement as pip takes it.

    Returns:
        The requirement. One from a git repository has the name after `#egg=`, or the repository's.

    Raises:
        InvalidRequirement: pip would take it for a file or folder.
    """
    if address := re.match(r"(?:(?:-e|--editable)[ =]+)?((?:git\+|https?://)\S+)", text):
        egg = re.search(r"#.*egg=([A-Za-z0-9._-]+)", address[1])
        path = re.sub(r"[?#].*$|\.git(@.*)?$", "", address[1])
        name = egg[1] if egg else posixpath.basename(re.sub(r"(?<=[^/])@.*$", "", path))
        if address[1].startswith("http"):
            name = name.partition("-")[0]
        name = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-._") or "unnamed"
        return Requirement(f"{name} @ {address[1]}")
    return Requirement(text)
