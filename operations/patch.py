"""Patches by anchor, never by line number, proved by the sha256 of the result."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.release import Patch
from fleet.wanted import Wanted
from operations import layout, migration
from operations.rewrite import Rewrite
from operations.stage import Body, Decision, Options, Stage
from operations.state import HostState
from operations.step import Step


def patched(text: str, patch: Patch) -> str:
    """The text with the patch applied.

    :raises ValueError: the anchor does not occur exactly as often as the patch says
    """
    if patch.content is not None:
        return patch.content
    anchor = patch.find if patch.find is not None else patch.after
    assert anchor is not None
    found = text.count(anchor)
    if found != patch.count:
        raise ValueError(f"{anchor!r} occurs {found} times, the patch expects {patch.count}")
    if patch.find is not None:
        return text.replace(patch.find, patch.replace or "")
    return text.replace(anchor, anchor + (patch.insert or ""))


def wrong(wanted: Wanted, state: HostState) -> list[Patch]:
    release = wanted.release
    return [
        patch
        for patch in release.patches
        if state.files.get(layout.on_host(release, patch.file)) != patch.sha256
    ]


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    return [f"patch {patch.file.rsplit('/', 1)[1]}" for patch in wrong(wanted, state)]


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    release = wanted.release
    for patch in wrong(wanted, state):
        path = layout.on_host(release, patch.file)
        trees = [
            s for s in migration.sources(wanted) if patch.file.startswith(f"{layout.tree(s)}/")
        ]
        for source in trees:  # a cut in the middle must not make it look edited by somebody
            yield Step("opening the migrated tree", "stamp", f"tree-{source.name}.running", "patch",
                       code="PATCH")  # fmt: skip
        yield Rewrite(path, patch.sha256, lambda text, patch=patch: patched(text, patch))
        for source in trees:
            yield Step("stamping the patched tree", "stamp-tree", f"tree-{source.name}",
                       migration.inputs(wanted, source),
                       layout.on_host(release, layout.tree(source)), code="PATCH")  # fmt: skip


STAGE = Stage("patch", decide, act, "PATCH")


@operation()
def applied(wanted: Wanted, options: Options) -> Body:
    """Every patched file has the sha256 that the release says."""
    yield from STAGE.carry(wanted, options)
