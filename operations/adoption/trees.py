"""Inspects the migrated trees on a host, by content: somebody may have made them by hand."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import Host

from fleet.language import _, n_
from fleet.release import host_paths
from fleet.release.model import Source
from fleet.release.target import ReleaseTarget
from operations import migration
from operations.adoption.findings import Finding, Relation, name_owner
from operations.migrated_tree import TreeComparison
from operations.stages import HostPlan
from operations.tree_inspection import inspect_tree


def inspect_trees(host: Host, plan: HostPlan) -> Iterator[Finding]:
    """Yield how the migrated trees on a host relate to what the releases make.

    Args:
        host: The host.
        plan: Its desired state and its facts.
    """
    facts = plan.probed_facts
    for release in plan.target.releases:
        stale = {
            source.name: reason
            for source, reason in migration.list_stale_trees(release, facts.releases[release.key])
        }
        for source in migration.migrated_sources(release):
            yield _inspect(host, release, source, stale.get(source.name, ""))


def _inspect(host: Host, release: ReleaseTarget, source: Source, reason: str) -> Finding:
    item = release.qualify_title(_("migrated tree {source}_mlu", source=source.name))
    path = host_paths.to_host_path(release.release, host_paths.migrated_path(source))
    if not reason:
        evidence = _("recorded by an earlier run, and unchanged since")
        return Finding(item, Relation.PRESENT, path, evidence)
    if reason == migration.NONE_THERE:
        return Finding(
            item,
            Relation.MISSING,
            path,
            action=_("migrate {source} on the host", source=source.name),
        )
    if reason == migration.OUTDATED:
        action = _("migrate {source} again", source=source.name)
        return Finding(item, Relation.DIFFERENT, path, differences=(reason,), action=action)
    return describe_comparison(item, path, inspect_tree(host, release, source))


def describe_comparison(item: str, path: str, found: TreeComparison) -> Finding:
    """Return what adoption finds and does about a tree of somebody.

    Args:
        item: What it is.
        path: Where it is on the host.
        found: How it relates to what the tool makes.
    """
    if found.is_equal:
        action = _("take it over as it is")
        if count := len(found.missing_weights):
            action = n_(
                "take it over as it is, and link {count} file of weights into it",
                "take it over as it is, and link {count} files of weights into it",
                count,
            )
    else:
        action = _("rename it, with everything in it, and migrate anew")
    return Finding(
        item,
        Relation.PRESENT if found.is_equal else Relation.DIFFERENT,
        path,
        "" if found.unproved else found.evidence,
        name_owner(found.tree.owner),
        tuple(found.differences),
        action,
    )
