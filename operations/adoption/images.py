"""Images that a host's engine has already, recognized by their id and not by a name."""

from __future__ import annotations

from fleet.language import _
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
    item, reference = target.qualify_title("image"), target.release.image.reference
    identity = target.lock.image.id
    short = identity[:19]
    other = _(
        "{reference} is another image there: {tagged}",
        reference=reference,
        tagged=found.tagged[:19],
    )
    differs = found.tagged not in ("", identity)
    if found.image != identity:
        if not differs:
            return Finding(
                item,
                Relation.MISSING,
                action=_("load {reference} ({short})", reference=reference, short=short),
            )
        action = _(
            "load {short}; {reference} stays under another tag", short=short, reference=reference
        )
        return Finding(item, Relation.DIFFERENT, reference, "", "", (other,), action)
    names = [name for name in contents.image_names.get(identity, ()) if name != reference]
    evidence = _("image id {short}", short=short)
    if found.tagged == identity:
        return Finding(item, Relation.PRESENT, reference, evidence, reused_bytes=target.image_bytes)
    return Finding(
        item,
        Relation.REUSABLE,
        ", ".join(names) or _("without a name"),
        evidence,
        differences=(other,) if differs else (),
        action=_("tag it as {reference}", reference=reference),
        reused_bytes=target.image_bytes,
    )
