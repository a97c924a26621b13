"""Hosts that people or the watch have taken out of service: the file `quarantine.yml` of a site.

Runs leave these hosts alone until a person ends the quarantine. The file can be edited by hand as
well: what others wrote in it, comments among it, stays as it is.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field

from fleet import paths
from fleet.documents import atomic_write, loading
from fleet.documents.types import Model, matching
from fleet.errors import InvalidInput
from fleet.text.times import format_utc

FILE_NAME = paths.QUARANTINE_FILE
find_file = paths.find_quarantine_file
#: characters of a reason
MAX_REASON = 500
#: what the watch is called as the one who has begun a quarantine
WATCH = "watch"
#: seconds to wait for others who write the file
LOCK_TIMEOUT_S = 10.0
_LOCK_INTERVAL_S = 0.02
HEADER = """\
# Hosts that deploy and rollout leave out, and endpoints does not offer. Written by
# `mlufleet host quarantine` and `mlufleet host unquarantine`; it may be edited by hand, too.
"""

HostName = Annotated[str, matching(r"\S(.*\S)?", "the name of a host")]
Line = Annotated[str, matching(rf"\S(.{{0,{MAX_REASON}}}\S)?", "a text of one line, not empty")]
UtcTime = Annotated[
    str,
    matching(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z",
        "a time in UTC such as 2026-01-31T09:15:00Z",
    ),
]
Code = Annotated[str, matching(r"([A-Z][A-Z0-9_]{0,60})?", "a failure code such as CARD_DROPPED")]


class Quarantine(Model):
    """Why a host is out of service.

    Attributes:
        since: Since when, in UTC.
        by: Who took it out of service: user@machine, or :data:`WATCH`.
        reason: Why.
        code: Failure code that the reason is about; may be empty.
    """

    since: UtcTime
    by: Line
    reason: Line
    code: Code = ""

    @classmethod
    def begin(cls, by: str, reason: str, code: str = "", now: float | None = None) -> Quarantine:
        """Return a quarantine that begins now.

        Args:
            by: Who begins it.
            reason: Why.
            code: Failure code that the reason is about; may be empty.
            now: The time, in seconds since the epoch; the present by default.
        """
        since = format_utc(time.time() if now is None else now)
        return cls(since=since, by=by, reason=reason, code=code)

    @property
    def began(self) -> float:
        """When it began, in seconds since the epoch; 0 for a day that no calendar has."""
        try:
            return datetime.strptime(f"{self.since}+0000", "%Y-%m-%dT%H:%M:%SZ%z").timestamp()
        except ValueError:
            return 0.0

    @property
    def sentence(self) -> str:
        """Since when, by whom and why."""
        code = f"{self.code}: " if self.code and not self.reason.startswith(self.code) else ""
        return f"in quarantine since {self.since} by {self.by}: {code}{self.reason}"


class QuarantineFile(Model):
    """The content of the file."""

    hosts: dict[HostName, Quarantine] = Field(default_factory=dict)


def load(path: Path) -> dict[str, Quarantine]:
    """Return the hosts in quarantine.

    Args:
        path: The file; if it is not there, no host is.

    Raises:
        InvalidInput: It cannot be read, or is not valid.
    """
    return _parse(loading.read_text(path), path) if _exists(path) else {}


def add(path: Path, hosts: Mapping[str, Quarantine], mode_of: Path | None = None) -> list[str]:
    """Take hosts out of service, and return those that were not so before.

    An entry that is there already stays as it is.

    Args:
        path: The file; it is made if it is not there.
        hosts: Name of each host -> its quarantine.
        mode_of: File whose permissions a new file gets, for example the inventory.

    Raises:
        InvalidInput: The file is not valid, or cannot be written.
    """

    def edit(text: str, known: Mapping[str, Quarantine]) -> tuple[str, list[str]]:
        new = {name: entry for name, entry in hosts.items() if name not in known}
        return (_append(text, path, new) if new else text), list(new)

    return _change(path, edit, mode_of)


def remove(path: Path, hosts: Iterable[str]) -> dict[str, Quarantine]:
    """End the quarantine of hosts, and return those that were in quarantine.

    Args:
        path: The file.
        hosts: Their names.

    Raises:
        InvalidInput: The file is not valid, or cannot be written.
    """
    wanted, ended = set(hosts), dict[str, Quarantine]()
    if not _exists(path):
        return ended

    def edit(text: str, known: Mapping[str, Quarantine]) -> tuple[str, list[str]]:
        ended.update((name, entry) for name, entry in known.items() if name in wanted)
        return (_cut(text, path, set(ended)) if ended else text), list(ended)

    _change(path, edit, None)
    return ended


# the text


def _exists(path: Path) -> bool:
    return os.path.lexists(path)  # a link that leads nowhere is an error, not an empty file


def _parse(text: str, path: Path) -> dict[str, Quarantine]:
    found = _parse_nodes(text, path)
    if found is None:
        return {}
    data, node = found
    if data.get("hosts", {}) is None:  # `hosts:` with nothing below it
        data = {**data, "hosts": {}}
    return loading.validate_document(QuarantineFile, data, path, node).hosts


def _parse_nodes(text: str, path: Path) -> tuple[dict[str, object], yaml.Node] | None:
    """Return data and node tree of a document; None if it has only comments."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    if all(not line or line.startswith("#") for line in lines):
        return None
    return loading.parse_mapping(text, path)


def _find_hosts(text: str, path: Path) -> tuple[int, list[tuple[yaml.Node, yaml.Node]]]:
    """Return the line of `hosts`, from 0, and names and entries below it; -1 without that field."""
    found = _parse_nodes(text, path)
    root = found[1] if found else None
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "hosts":
            entries = list(value.value) if isinstance(value, yaml.MappingNode) else []
            return key.start_mark.line, entries
    return -1, []


def _append(text: str, path: Path, new: Mapping[str, Quarantine]) -> str:
    """Return a text with further entries, after those that are there."""
    data = {name: entry.model_dump(exclude_defaults=True) for name, entry in new.items()}
    lines = yaml.safe_dump(
        data, allow_unicode=True, sort_keys=False, width=1 << 20, default_flow_style=False
    ).splitlines()
    kept, (field, known) = text.splitlines(), _find_hosts(text, path)
    indent, end = "  ", field + 1
    if known:
        indent = " " * known[0][0].start_mark.column
        end = max(_last_line(value) for _, value in known) + 1
    elif field >= 0:
        kept[field] = kept[field].replace("hosts: {}", "hosts:", 1)
    else:
        kept += [*([] if kept else HEADER.splitlines()), "hosts:"]
        end = len(kept)
    return _join([*kept[:end], *(f"{indent}{line}" for line in lines), *kept[end:]])


def _cut(text: str, path: Path, names: set[str]) -> str:
    """Return a text without some entries; comments above and below them stay."""
    _, known = _find_hosts(text, path)
    cut = {
        number
        for key, value in known
        if key.value in names
        for number in range(key.start_mark.line, _last_line(value) + 1)
    }
    return _join(line for number, line in enumerate(text.splitlines()) if number not in cut)


def _last_line(node: yaml.Node) -> int:
    """Return the last line of a node, from 0: without the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    mark = node.end_mark
    return mark.line if mark.column or mark.line == node.start_mark.line else mark.line - 1


def _join(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


# the file


#: Gives the new text, and the names that it is about, of the text and what is in it.
_Edit = Callable[[str, Mapping[str, Quarantine]], tuple[str, list[str]]]


def _change(path: Path, edit: _Edit, mode_of: Path | None) -> list[str]:
    """Change the file while nobody else does, and only what is to be changed."""
    path = Path(os.path.realpath(path))  # a link stays one
    try:
        with _locked(path):
            text = loading.read_text(path)
            known = _parse(text, path)
            changed, names = edit(text, known)
            if changed != text:
                _check_edit(path, known, _parse_edit(changed, path), set(names))
                rights = mode_of if mode_of and not text and mode_of.exists() else path
                mode = stat.S_IMODE(os.stat(rights).st_mode) & 0o666
                atomic_write.replace_file(path, changed, mode=mode)
            return names
    except OSError as error:
        raise InvalidInput(
            f"{path}: cannot be written: {error.strerror}; remedy: check the rights on its folder, "
            "and its free space"
        ) from error


def _parse_edit(text: str, path: Path) -> dict[str, Quarantine] | None:
    try:
        return _parse(text, path)
    except InvalidInput:
        return None


def _check_edit(
    path: Path,
    before: Mapping[str, Quarantine],
    after: Mapping[str, Quarantine] | None,
    names: set[str],
) -> None:
    """Check that a new text says what it is to say, however the old one was written."""
    others = {name: entry for name, entry in before.items() if name not in names}
    is_right = after is not None and others == {
        name: entry for name, entry in after.items() if name not in names
    }
    if not is_right or any((name in before) == (name in (after or {})) for name in names):
        raise InvalidInput(
            f"{path}: is written in a way that cannot be changed here; remedy: edit it by hand, or "
            "write each host as a block of lines below `hosts:`"
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file; one that has to be created for that goes again unless it is replaced."""
    end = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        descriptor, created = _open(path)
        try:
            if _lock(descriptor, path, end):
                try:
                    yield
                finally:
                    if created and _is_same(descriptor, path):
                        path.unlink()
                return
        finally:
            os.close(descriptor)


def _open(path: Path) -> tuple[int, bool]:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    with suppress(FileExistsError):
        return os.open(path, flags | os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644), True
    try:
        return os.open(path, flags | os.O_RDWR), False
    except PermissionError:  # of another user; whoever may write its folder may replace it
        return os.open(path, flags | os.O_RDONLY), False


def _lock(descriptor: int, path: Path, end: float) -> bool:
    """Lock an open file; return whether it is still the one that the path names.

    Whoever had the lock before may have replaced the file, and the new one has a lock of its own.
    """
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > end:
                raise InvalidInput(
                    f"{path}: another process has held it for {LOCK_TIMEOUT_S:.0f} s; remedy: find "
                    f"it with `fuser {path}`"
                ) from None
            time.sleep(_LOCK_INTERVAL_S)
    return _is_same(descriptor, path)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        held, named = os.fstat(descriptor), os.stat(path)
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
