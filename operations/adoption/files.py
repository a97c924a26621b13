"""Inspects which files of its releases lie on a host, so that they need not be sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pyinfra.api import Host

from fleet.language import _, n_
from fleet.text import places
from fleet.text.word_lists import join_pair
from operations import needed_files, weights
from operations.adoption.findings import Finding, Relation
from operations.host import connection
from operations.host.facts import HostFacts
from operations.stages import HostPlan
from operations.transfer import reuse
from operations.transfer.reuse import FoundFile, NeededFile, Search

#: paths that a finding names at most
MAX_NAMED_PATHS = 4


@dataclass(frozen=True)
class Item:
    """Files that a release needs together.

    Attributes:
        title: what they are, such as "weights baichuan-7B"
        files: the files
    """

    title: str
    files: list[NeededFile]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def inspect_files(host: Host, plan: HostPlan) -> Iterator[Finding]:
    """Yield which files a host needs and has, wherever they lie.

    Args:
        host: The host.
        plan: Its desired state and its facts.
    """
    facts = plan.probed_facts
    yield from _list_placed_weights(plan, facts)
    items = list(list_needed_items(plan, facts))
    # a run does not search for so little
    searched = [file for item in items if item.size >= reuse.MIN_BYTES for file in item.files]
    search = Search()
    if searched:
        arguments = connection.connector_arguments(host)
        search = reuse.search_host(host, arguments, searched, "look")
    for item in items:
        yield _describe(item, search if item.size >= reuse.MIN_BYTES else Search())


def list_needed_items(plan: HostPlan, facts: HostFacts) -> Iterator[Item]:
    """Yield the files that a run would put on a host.

    Args:
        plan: The desired state of the host.
        facts: The host.
    """
    seen: set[tuple[str, str]] = set()
    for upload in needed_files.list_uploads(plan, facts):
        # releases may share files
        files = [file for file in upload.needed_files() if (file.sha, file.dest) not in seen]
        seen |= {(file.sha, file.dest) for file in files}
        if files:
            yield Item(upload.title, files)


def _list_placed_weights(plan: HostPlan, facts: HostFacts) -> Iterator[Finding]:
    for release in plan.target.releases:
        unplaced = weights.list_unplaced(release, facts.releases[release.key])
        for item in release.release.weights:
            if item not in unplaced:
                yield Finding(
                    release.qualify_title(_("weights {weights}", weights=item.name)),
                    Relation.PRESENT,
                    item.target,
                    _("recorded by an earlier run, and unchanged since"),
                    reused_bytes=sum(
                        file.size for file in release.lock.files_in(item.folder).values()
                    ),
                )


def _describe(item: Item, search: Search) -> Finding:
    found = {file.part: search.files[file.part] for file in item.files if file.part in search.files}
    reused = sum(file.size for file in item.files if file.part in found)
    count = len(item.files)
    if not found:
        differences, relation = tuple(search.unsearched[:MAX_NAMED_PATHS]), Relation.MISSING
        if search.failure:
            differences, relation = (search.failure,), Relation.UNKNOWN
        return Finding(item.title, relation, differences=differences, sent_bytes=item.size)
    placed = all(file.how == "place" for file in found.values())
    missing = [file.dest.rpartition("/")[2] for file in item.files if file.part not in found]
    relation = Relation.REUSABLE
    if placed:
        relation = Relation.DIFFERENT if missing else Relation.PRESENT
    return Finding(
        item.title,
        relation,
        _describe_places(found),
        _("size and sha256 of {found} of {count} files", found=len(found), count=count)
        if count > 1
        else _("size and sha256"),
        ", ".join(sorted({file.owner for file in found.values()} - {"root"})),
        tuple(
            _("{name} was not found on the host", name=name) for name in missing[:MAX_NAMED_PATHS]
        ),
        "" if placed else _describe_use(found),
        sent_bytes=item.size - reused,
        reused_bytes=reused,
    )


def _describe_places(found: dict[str, FoundFile]) -> str:
    paths = {file.path for file in found.values()}
    return places.format_places(paths, MAX_NAMED_PATHS)


def _describe_use(found: dict[str, FoundFile]) -> str:
    counts = Counter(file.how for file in found.values())
    words = []
    if count := counts["link"]:
        words.append(
            n_(
                "link {count} file to where the release has them",
                "link {count} files to where the release has them",
                count,
            )
        )
    if count := counts["copy"]:
        words.append(
            n_(
                "copy {count} file to where the release has them",
                "copy {count} files to where the release has them",
                count,
            )
        )
    return join_pair(words)
