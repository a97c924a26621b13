"""Images that a host's engine has already, recognized by their id and not by a name."""

from __future__ import annotations

from fleet.release.target import ReleaseTarget
from operations.adoption.engine_contents import EngineContents
from operations.adoption.findings import Finding, Relation
from operations.host.facts import ReleaseFacts


def describe_image(target: ReleaseTarget, found: ReleaseFacts, contents: EngineContents) -> Finding:
    """Return what a host's engine has of a release's image.

    The bytes of an archive that would have to be sent are counted with the files of the release.

    Args:
        target: The release.
        found: The release on the host.
        contents: What its engine has.
    """
    item, reference = target.qualify("image"), target.release.image.reference
    identity = target.lock.image.id
    short = identity[:19]
    other = f"{reference} is another image there: {found.tagged[:19]}"
    differs = found.tagged not in ("", identity)
    if found.image != identity:
        if not differs:
            return Finding(item, Relation.MISSING, action=f"load {reference} ({short})")
        action = f"load {short}; {reference} stays under another tag"
        return Finding(item, Relation.DIFFERENT, reference, "", "", (other,), action)
    names = [name for name in contents.image_names.get(identity, ()) if name != reference]
    evidence = f"image id {short}"
    if found.tagged == identity:
        return Finding(item, Relation.PRESENT, reference, evidence, reused_bytes=target.image_bytes)
    return Finding(
        item,
        Relation.REUSABLE,
        ", ".join(names) or "without a name",
        evidence,
        differences=(other,) if differs else (),
        action=f"tag it as {reference}",
        reused_bytes=target.image_bytes,
    )
