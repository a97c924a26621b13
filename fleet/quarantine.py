"""Hosts that people or the watch have taken out of service: the file `quarantine.yml` of a site.

Runs leave these hosts alone until a person ends the quarantine. The file can be edited by hand as
well: what others wrote in it, comments among it, stays as it is.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from fleet import paths
from fleet.documents import atomic_write, file_lock, loading, yaml_entries
from fleet.documents.types import Model, matching
from fleet.errors import InvalidInput
from fleet.language import N_, _
from fleet.text.times import format_utc

FILE_NAME = paths.QUARANTINE_FILE
find_file = paths.find_quarantine_file
#: characters of a reason
MAX_REASON = 500
#: what the watch is called as the one who has begun a quarantine
WATCH = "watch"
HEADER = """\
# Hosts that deploy and rollout leave out, and endpoints does not offer. Written by
# `mlufleet host quarantine` and `mlufleet host unquarantine`; it may be edited by hand, too.
"""

_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_TIME_WORDS = N_("a time in UTC such as 2026-01-31T09:15:00Z")


def _check_calendar(text: str) -> str:
    """Return a time if the calendar has it; raise ValueError if it does not."""
    try:
        datetime.strptime(text, _TIME_FORMAT)
    except ValueError:
        raise ValueError(
            _("expected {description}, got {text!r}", description=_(_TIME_WORDS), text=text)
        ) from None
    return text


HostName = Annotated[str, matching(r"\S(.*\S)?", N_("the name of a host"))]
Line = Annotated[str, matching(rf"\S(.{{0,{MAX_REASON}}}\S)?", N_("a text of one line, not empty"))]
UtcTime = Annotated[
    str,
    matching(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z",
        _TIME_WORDS,
    ),
    AfterValidator(_check_calendar),
]
Code = Annotated[
    str, matching(r"([A-Z][A-Z0-9_]{0,60})?", N_("a failure code such as CARD_DROPPED"))
]


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
        """When it began, in seconds since the epoch."""
        return datetime.strptime(f"{self.since}+0000", f"{_TIME_FORMAT}%z").timestamp()

    @property
    def sentence(self) -> str:
        """Since when, by whom and why."""
        return _(
            "in quarantine since {since} by {by}: {reason}",
            since=self.since,
            by=self.by,
            reason=self.full_reason,
        )

    @property
    def details(self) -> str:
        """The same, after words that say that it is in quarantine."""
        return _(
            "since {since} by {by}: {reason}",
            since=self.since,
            by=self.by,
            reason=self.full_reason,
        )

    @property
    def full_reason(self) -> str:
        """Why, beginning with the failure code if there is one."""
        is_named = not self.code or self.reason.startswith(self.code)
        return self.reason if is_named else f"{self.code}: {self.reason}"


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
        rest = yaml_entries.remove_entries(text, path, "hosts", ended) if ended else text
        return rest, list(ended)

    _change(path, edit, None)
    return ended


def _exists(path: Path) -> bool:
    return os.path.lexists(path)  # a link that leads nowhere is an error, not an empty file


def _parse(text: str, path: Path) -> dict[str, Quarantine]:
    found = yaml_entries.parse_nodes(text, path)
    if found is None:
        return {}
    data, node = found
    if data.get("hosts", {}) is None:  # `hosts:` with nothing below it
        data = {**data, "hosts": {}}
    return loading.validate_document(QuarantineFile, data, path, node).hosts


def _append(text: str, path: Path, new: Mapping[str, Quarantine]) -> str:
    data = {name: entry.model_dump(exclude_defaults=True) for name, entry in new.items()}
    return yaml_entries.append_entries(text or HEADER, path, "hosts", data)


#: Gives the new text, and the names that it is about, of the text and what is in it.
_Edit = Callable[[str, Mapping[str, Quarantine]], tuple[str, list[str]]]


def _change(path: Path, edit: _Edit, mode_of: Path | None) -> list[str]:
    """Change the file while nobody else does, and only what is to be changed."""
    path = Path(os.path.realpath(path))  # a link stays one
    try:
        with file_lock.hold_file(path):
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
            _(
                "{path}: cannot be written: {reason}; remedy: check the rights on "
                "its folder, and its free space",
                path=path,
                reason=error.strerror,
            )
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
            _(
                "{path}: is written in a way that cannot be changed here; remedy: edit "
                "it by hand, or write each host as a block of lines below `hosts:`",
                path=path,
            )
        )
