"""The stages in order, and what a host still needs of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleet.failures import Failure
from fleet.plain import plainly
from fleet.wanted import STORE, Wanted, load
from operations import (
    connection,
    container,
    driver,
    engine,
    image,
    migration,
    packages,
    patch,
    preflight,
    smoke,
    sources,
    sudo,
    weights,
)
from operations.observe import observe
from operations.stage import Options
from operations.state import HostState
from operations.transfer import Upload

STAGES = tuple(
    module.STAGE
    for module in (
        preflight, driver, engine, image, sources, weights,
        container, migration, patch, packages, smoke,
    )
)  # fmt: skip


#: where a host that could not be observed fails
PROBE = "probe"


def drift(
    wanted: Wanted, state: HostState | Failure, options: Options
) -> dict[str, Failure | list[str]]:
    """Stage -> what is to do, or why nothing can be done; up to the first such failure."""
    if isinstance(state, Failure):
        return {PROBE: state}
    found: dict[str, Failure | list[str]] = {}
    for stage in STAGES:
        decision = stage.decide(wanted, state, options)
        if decision:
            found[stage.name] = decision
        if isinstance(decision, Failure):
            break
    return found


@dataclass(frozen=True)
class Look:
    """What a host is wanted to be, is, and still needs."""

    wanted: Wanted
    options: Options
    state: HostState | Failure
    drift: dict[str, Failure | list[str]]

    @property
    def uploads(self) -> list[Upload]:
        """Of the image and of weights that it needs: what may be big."""
        found: list[Upload] = []
        if isinstance(self.state, HostState):
            if image.STAGE.name in self.drift and self.state.image != self.wanted.lock.image.id:
                found.append(image.upload(self.wanted))
                found[0].stage = image.STAGE.name
            if weights.STAGE.name in self.drift:
                for one in weights.wrong(self.wanted, self.state):
                    found.append(weights.upload(self.wanted, one))
                    found[-1].stage = weights.STAGE.name
        return found

    @property
    def files(self) -> set[str]:
        """sha256 of these."""
        return {sha for upload in self.uploads for _, _, sha in upload.files.values()}

    @property
    def ahead(self) -> list[Upload]:
        """Those of them that can come while something else is done."""
        uploads = self.uploads
        only = len(uploads) == 1 and next(iter(self.drift)) == uploads[0].stage
        return [] if only else uploads

    def anew(self, host: Any) -> Look:
        """The same of a host that something may have changed on since."""
        state = observe(host, self.wanted)
        return Look(self.wanted, self.options, state, drift(self.wanted, state, self.options))

    @property
    def refusal(self) -> tuple[str, Failure] | None:
        """The first stage and its failure, when that is the first there is to do."""
        for stage, decision in self.drift.items():
            return (stage, decision) if isinstance(decision, Failure) else None
        return None


def look(host: Any) -> Look:
    """Observe a host that was just connected to."""
    with plainly():
        wanted = load(str(host.data.release), str(host.data.get("store", STORE)))
    options = Options.of(host)
    connection.prepare(host)
    state = sudo.prepare(host) or observe(host, wanted)
    return Look(wanted, options, state, drift(wanted, state, options))
