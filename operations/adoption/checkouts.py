"""Inspects the checkouts of a release's sources: their commits, and what somebody did in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyinfra.api import Host

from fleet.language import _, n_
from fleet.release import host_paths
from fleet.release.model import Source
from fleet.release.target import ReleaseTarget
from fleet.text.redact import hide_credentials
from fleet.text.word_lists import join_clauses
from operations import sources
from operations.adoption.findings import Finding, Relation, name_owner
from operations.host.facts import SourceFacts
from operations.host.inspection import ask_host
from operations.stages import HostPlan


@dataclass(frozen=True)
class CheckoutHistory:
    """Whose a checkout is, and how it was made.

    Attributes:
        owner: the user who owns its folder; "" if that is root
        branch: the branch that it is on; "" for none
        own_commits: number of commits that neither a remote's branch nor a tag has
        is_shallow: whether it was cloned without its history
        origin: the URL that it was cloned from, without credentials
    """

    owner: str = ""
    branch: str = ""
    own_commits: int = 0
    is_shallow: bool = False
    origin: str = ""

    @classmethod
    def from_record(cls, fields: Sequence[str]) -> CheckoutHistory:
        """Return what a host's script reports of one folder.

        Args:
            fields: Owner, branch, number of commits, "shallow" or nothing, URL.
        """
        owner, branch, commits, shallow, origin = (*fields, "", "", "", "", "")[:5]
        return cls(
            name_owner(owner),
            branch,
            int(commits) if commits.isdecimal() else 0,
            bool(shallow),
            hide_credentials(origin),
        )


def inspect_checkouts(host: Host, plan: HostPlan) -> Iterator[Finding]:
    """Yield how the checkouts on a host relate to the commits of its releases.

    Args:
        host: The host.
        plan: Its desired state and its facts.
    """
    facts = plan.probed_facts
    there = dict.fromkeys(path for found in facts.releases.values() for path in found.sources)
    records = ask_host(host, "inspect-checkouts", *there) if there else []
    histories = {path: CheckoutHistory.from_record(fields) for path, *fields in records}
    for release in plan.target.releases:
        found = facts.releases[release.key]
        unpinned = sources.list_unpinned(release, found)
        for source in release.release.sources:
            path = host_paths.to_host_path(release.release, source.path)
            checkout, history = found.sources.get(path), histories.get(path, CheckoutHistory())
            if checkout is None:
                yield _describe_missing(release, source)
            elif checkout.head == "foreign" or checkout.status_error:
                yield _describe_foreign(release, source, path, checkout, history)
            else:
                is_pinned = source not in unpinned
                yield _describe(release, source, path, checkout, history, is_pinned)


def _item(release: ReleaseTarget, source: Source) -> str:
    return release.qualify_title(_("source {source}", source=source.name))


def _describe_missing(release: ReleaseTarget, source: Source) -> Finding:
    commit = release.lock.commits[source.name]
    origin = _("its bundle") if source.bundle else hide_credentials(source.url or "")
    action = _("clone it from {origin} and check out {commit}", origin=origin, commit=commit[:12])
    return Finding(_item(release, source), Relation.MISSING, action=action)


def _describe_foreign(
    release: ReleaseTarget,
    source: Source,
    path: str,
    checkout: SourceFacts,
    history: CheckoutHistory,
) -> Finding:
    reason = checkout.status_error and _(
        "git status: {status_error}", status_error=checkout.status_error
    )
    return Finding(
        _item(release, source),
        Relation.IN_THE_WAY,
        path,
        owner=history.owner,
        differences=(reason or _("it is no git repository"),),
        action=_("rename it, with everything in it, and clone the source"),
    )


def _describe(
    release: ReleaseTarget,
    source: Source,
    path: str,
    checkout: SourceFacts,
    history: CheckoutHistory,
    is_pinned: bool,
) -> Finding:
    commit = release.lock.commits[source.name]
    is_right = checkout.head == commit and not checkout.changed_files
    action = "" if is_pinned else _("tell its git what inside is the release's")
    if not is_right:
        action = join_clauses(_list_actions(checkout, commit))
    return Finding(
        _item(release, source),
        Relation.PRESENT if is_right else Relation.DIFFERENT,
        path,
        _("commit {commit}", commit=commit[:12]) if sources.has_commit(checkout, commit) else "",
        history.owner,
        tuple(_list_differences(checkout, commit, history)),
        action,
    )


def _list_differences(
    checkout: SourceFacts, commit: str, history: CheckoutHistory
) -> Iterator[str]:
    place = _("on branch {branch}", branch=history.branch) if history.branch else _("detached")
    if checkout.head != commit:
        yield _(
            "it is at {commit}, {place}", commit=checkout.head[:12] or _("no commit"), place=place
        )
    if history.own_commits:
        count = history.own_commits
        yield n_(
            "{count} commit that neither a remote's branch nor a tag has",
            "{count} commits that neither a remote's branch nor a tag has",
            count,
        )
    if history.is_shallow:
        yield _("it has no history (a shallow clone)")
    if checkout.operation:
        yield _("a {operation} is not finished", operation=checkout.operation)
    if checkout.changed_files:
        yield checkout.change_summary
    yield from checkout.edits


def _list_actions(checkout: SourceFacts, commit: str) -> Iterator[str]:
    untracked = sum(change.startswith("??") for change in checkout.changes)
    if checkout.changed_files > untracked or checkout.operation:
        yield _("keep what was edited as a patch beside it")
    if untracked:
        yield _("leave files in place that git does not know")
    if checkout.head != commit:
        yield _("check out {commit}", commit=commit[:12])
