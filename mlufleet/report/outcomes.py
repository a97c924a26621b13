"""What became of hosts, as rows of the summary: one a host; of many hosts, one for those alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fleet.language import N_, _, n_
from fleet.text import word_lists
from mlufleet.report import host_ranges
from mlufleet.report.compact_table import Cell, CompactColumn, CompactRow
from mlufleet.report.model import HostReport
from mlufleet.report.statuses import status_rank

#: columns of the summary; the first ones stay the longest
COLUMNS = (
    CompactColumn(N_("host")),
    CompactColumn(N_("status")),
    CompactColumn(N_("result"), 1),
    CompactColumn(N_("seconds"), 2, is_numeric=True),
    CompactColumn(N_("driver"), 4),
    CompactColumn(N_("cards"), 3),
    CompactColumn(N_("answer"), 5),
)
#: cells without a value
EMPTY = ("-",)
#: hosts that are alike are named by so many ranges, or by less
RANGES = (host_ranges.MAX_RANGES, 6, 4, 3, 2, 1)
#: as many different values of hosts that are alike are told
MAX_VALUES = 2

NamedHosts = Sequence[tuple[str, HostReport]]


def describe_cards(host: HostReport) -> str:
    """Return the number of cards and their models, as far as they are known.

    Args:
        host: Report of the host.
    """
    models = word_lists.join_words(dict.fromkeys(host.models.values()))
    return f"{host.versions.get('cards', '')} {models}".strip()


def list_rows(hosts: NamedHosts, *, is_listed: bool = False) -> list[CompactRow]:
    """Return the rows of the summary, the most urgent ones first.

    Args:
        hosts: Names and reports of all hosts.
        is_listed: One row a host, also of many.
    """
    ordered = sorted(hosts, key=lambda item: status_rank(item[1].status))
    if is_listed or len(hosts) <= host_ranges.MAX_LISTED_HOSTS:
        return [_host_row(name, host) for name, host in ordered]
    groups: dict[tuple[str, str], list[tuple[str, HostReport]]] = {}
    for name, host in ordered:
        code = host.failure.code if host.failure else ""
        groups.setdefault((host.status, code), []).append((name, host))
    urgent = sorted(groups.items(), key=lambda item: (status_rank(item[0][0]), -len(item[1])))
    return [_group_row(members) for _key, members in urgent]


def _host_row(name: str, host: HostReport) -> CompactRow:
    return [
        [name],
        [_(host.status)],
        _describe_result(host),
        [f"{host.work_s:.0f}"],
        [str(host.versions.get("driver", ""))],
        [describe_cards(host)],
        [host.answer or ""],
    ]


def _describe_result(host: HostReport) -> Cell:
    """Return what was changed, or why the host failed, in texts of less and less length."""
    failure, back = host.failure, (host.rolled_back or {}).get("to")
    if failure and back:
        return [_("{code}, back to {release}", code=failure.code, release=back), failure.code]
    if failure:
        return [f"{failure.code}: {failure.sentence}".rstrip(": "), failure.code]
    if back:
        return [_("back to {release}", release=back), *EMPTY]
    if host.is_left_out:
        return [_("in quarantine"), *EMPTY]
    changed = [stage.stage for stage in host.stages if stage.changes]
    if not changed:
        return EMPTY
    return [word_lists.join_words(changed), n_("{count} stage", "{count} stages", len(changed))]


def _group_row(members: NamedHosts) -> CompactRow:
    hosts = [host for _name, host in members]
    if len(members) == 1:
        return _host_row(*members[0])
    seconds = sorted(round(host.work_s) for host in hosts)
    span = f"{seconds[0]}-{seconds[-1]}" if seconds[0] != seconds[-1] else f"{seconds[0]}"
    return [
        list(name_hosts([name for name, _host in members])),
        [_(hosts[0].status)],
        _describe_results(hosts),
        [span],
        join_values(str(host.versions.get("driver", "")) for host in hosts),
        join_values(map(describe_cards, hosts)),
        join_values(host.answer or "" for host in hosts),
    ]


def name_hosts(names: list[str]) -> Iterator[str]:
    """Yield names of hosts with their number, in texts of less and less length.

    Args:
        names: The names.
    """
    for limit in RANGES:
        ranges, omitted = host_ranges.name_some(names, limit)
        if omitted:
            yield _("{ranges}, … ({count} hosts)", ranges=ranges, count=len(names))
        else:
            yield host_ranges.format_hosts(names)
    yield n_("{count} host", "{count} hosts", len(names))


def _describe_results(hosts: Sequence[HostReport]) -> Cell:
    """Return what hosts with one status and one failure code have in common."""
    results = list(map(_describe_result, hosts))
    if all(result == results[0] for result in results):
        return results[0]
    if failure := hosts[0].failure:
        return [failure.code]
    counts = sorted(sum(bool(stage.changes) for stage in host.stages) for host in hosts)
    if not counts[-1]:
        return EMPTY
    if counts[0] == counts[-1]:
        return [n_("{count} stage", "{count} stages", counts[0])]
    return [_("{least} to {most} stages", least=counts[0], most=counts[-1])]


def join_values(values: Iterable[str]) -> Cell:
    """Return the different values of hosts, the most frequent one first; of many, their number.

    Args:
        values: A value of each host; one that is empty does not count.
    """
    counts: dict[str, int] = {}
    for value in filter(None, values):
        counts[value] = counts.get(value, 0) + 1
    ordered = sorted(counts, key=lambda value: -counts[value])
    if len(ordered) <= MAX_VALUES:
        return [word_lists.join_clauses(ordered)]
    return [_("{count} different ones", count=len(ordered))]
