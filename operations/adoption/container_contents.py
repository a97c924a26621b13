"""Inspects what a release puts into its container and patches on the host, by the host's facts."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import Host

from fleet.language import _
from fleet.release.target import ReleaseTarget
from operations import engine, file_patches, packages
from operations.adoption.findings import Finding, Relation
from operations.host.facts import ReleaseFacts
from operations.host.inspection import InspectionFailed
from operations.stages import HostPlan


def inspect_patches(host: Host, plan: HostPlan) -> Iterator[Finding]:
    """Yield which files are patched as the releases patch them, by whomever.

    Args:
        host: The host.
        plan: Its desired state and its facts.
    """
    facts = plan.probed_facts
    for release in plan.target.releases:
        found = facts.releases[release.key]
        for patch in file_patches.group_by_file(release):
            if not patch.container_name:  # those of the container are in its packages
                yield _describe_patch(release, patch, found)


def _describe_patch(
    target: ReleaseTarget, patch: file_patches.FilePatch, found: ReleaseFacts
) -> Finding:
    item, current = target.qualify_title(patch.title), patch.current_sha256(found)
    if patch.is_applied(found):
        return Finding(item, Relation.PRESENT, patch.path, _("sha256 of the patched file"))
    if current is None:
        return Finding(item, Relation.MISSING, patch.path, action=_("patch it when it is there"))
    differs = _("its sha256 is {current}…, not that of the patched file", current=current[:16])
    return Finding(item, Relation.DIFFERENT, patch.path, "", "", (differs,), _("patch it"))


def inspect_packages(host: Host, plan: HostPlan) -> Iterator[Finding]:
    """Yield whether the releases' containers have their packages.

    Args:
        host: The host.
        plan: Its desired state and its facts.

    Raises:
        InspectionFailed: The engine did not say whether the container is there.
    """
    facts = plan.probed_facts
    for release in plan.target.releases:
        wanted = release.release.packages
        if not (wanted.pip or wanted.system):
            continue
        found = facts.releases[release.key]
        if failure := engine.check_answers(release, found):
            raise InspectionFailed(failure)
        item, name = release.qualify_title("packages"), release.release.container.name
        if packages.are_installed(release, found):
            yield Finding(item, Relation.PRESENT, "", _("stamp of the container and its packages"))
        else:
            yield Finding(
                item, Relation.MISSING, action=_("install them in container {name}", name=name)
            )
