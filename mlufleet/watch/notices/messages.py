"""Messages about what changed in a fleet: a line per change, or counts if many hosts changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fleet.language import N_, _, n_
from fleet.text.times import format_duration, format_utc
from fleet.text.word_lists import join_words
from mlufleet.report import host_ranges
from mlufleet.watch.notices.receivers import NoticeSettings
from mlufleet.watch.problems import RELEASED, TAKEN_OUT, Change

#: signs before lines: color alone is lost in chat groups
SIGNS = {
    N_("opened"): "✕",
    TAKEN_OUT: "!",
    N_("resolved"): "✓",
    N_("flapping"): "~",
    N_("rebooted"): "↻",
    RELEASED: "✓",
}


@dataclass(frozen=True)
class Message:
    """One message to a receiver.

    Attributes:
        identity: Equal if the same changes are sent once more, for receivers that drop repetitions.
        title: One line.
        lines: The rest, most important first.
        changes: What it is about, in the order of time.
    """

    identity: str
    title: str
    lines: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def text(self) -> str:
        """Title and lines."""
        return "\n".join((self.title, *self.lines))


def compose_message(
    changes: Sequence[tuple[int, Change]], kinds: Iterable[str], settings: NoticeSettings
) -> Message | None:
    """Write one message about changes.

    Args:
        changes: Number of each change in the store, and the change; in the order of time.
        kinds: Kinds of changes that the receiver is told.
        settings: How messages are written.

    Returns:
        None if there is nothing to tell.
    """
    told = [change for _number, change in changes if change.kind in set(kinds)]
    if settings.skip_brief:
        told = drop_brief(told)
    if not told:
        return None
    hosts = {change.host for change in told}
    lines = _list_changes(told) if len(hosts) <= settings.digest_above else _list_counts(told)
    end = (_("Status: {url}", url=settings.status_url),) if settings.status_url else ()
    identity = f"{changes[0][0]}-{changes[-1][0]}"
    return Message(identity, _write_title(told, hosts), (*lines, *end), tuple(told))


def drop_brief(changes: Sequence[Change]) -> list[Change]:
    """Leave out problems that broke and were right again before anybody was told.

    Args:
        changes: Changes in the order of time.
    """
    kept: list[Change] = []
    for change in changes:
        place = (change.host, change.problem.key)
        if change.kind == "resolved":
            opened = [
                one for one in kept if one.kind == "opened" and (one.host, one.problem.key) == place
            ]
            if opened:
                kept.remove(opened[-1])
                continue
        kept.append(change)
    return kept


def _write_title(changes: Sequence[Change], hosts: set[str]) -> str:
    counts = {kind: sum(change.kind == kind for change in changes) for kind in SIGNS}
    parts = join_words(_count_kind(kind, count) for kind, count in counts.items() if count)
    where = (
        next(iter(hosts)) if len(hosts) == 1 else n_("{count} host", "{count} hosts", len(hosts))
    )
    return _("mlu-fleet: {parts} on {where}", parts=parts, where=where)


def _count_kind(kind: str, count: int) -> str:
    """Return how many changes of a kind there are, in words."""
    match kind:
        case "opened":
            return n_("{count} new problem", "{count} new problems", count)
        case "resolved":
            return n_("{count} resolved problem", "{count} resolved problems", count)
        case "flapping":
            return n_("{count} flapping problem", "{count} flapping problems", count)
        case "rebooted":
            return n_("{count} unexpected reboot", "{count} unexpected reboots", count)
        case "quarantined":
            return n_("{count} quarantine", "{count} quarantines", count)
        case _other:
            return n_("{count} ended quarantine", "{count} ended quarantines", count)


def _list_changes(changes: Sequence[Change]) -> Iterator[str]:
    ordered = sorted(changes, key=lambda change: (list(SIGNS).index(change.kind), change.time))
    for change in ordered:
        what = describe_change(change)
        yield _("{sign} {host}: {what}", sign=SIGNS[change.kind], host=change.host, what=what)


def describe_change(change: Change) -> str:
    """Describe a change in one line, without its host.

    Args:
        change: The change.
    """
    problem = change.problem
    if change.kind == "resolved":
        lasted = format_duration(max(0.0, change.time - change.since))
        return _("{key} is resolved after {lasted}", key=problem.key, lasted=lasted)
    if change.kind == "flapping":
        return _(
            "{key} comes and goes since {since}, and is told no more until it stays as it is",
            key=problem.key,
            since=format_utc(change.since),
        )
    text = problem.key
    if problem.sentence:
        text = _("{key}: {sentence}", key=problem.key, sentence=problem.sentence)
    if change.kind == "opened":
        text = _("{text} (since {since})", text=text, since=format_utc(change.since))
    return _append_remedy(text, problem.remedy)


def _append_remedy(text: str, remedy: str) -> str:
    return _("{text}. {remedy}", text=text, remedy=remedy) if remedy else text


def _list_counts(changes: Sequence[Change]) -> Iterator[str]:
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.kind, change.problem.code), []).append(change)
    order = list(SIGNS)
    for (kind, code), found in sorted(
        groups.items(), key=lambda item: (order.index(item[0][0]), -len(item[1]))
    ):
        hosts = host_ranges.format_ranges({change.host for change in found})
        remedy = found[0].problem.remedy if kind == "opened" else ""
        text = _(
            "{sign} {code}, {kind}: {hosts}",
            sign=SIGNS[kind],
            code=code,
            kind=_(kind),
            hosts=hosts,
        )
        yield _append_remedy(text, remedy)
