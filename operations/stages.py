"""The stages in order, and what a host still needs of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleet import module_key
from fleet.errors import Failure
from fleet.inventory.pyinfra_errors import plainly
from fleet.release.target import Wanted, of_host
from fleet.vendor import validation_suite as suite
from operations import (
    container,
    driver,
    engine,
    image,
    migration,
    packages,
    patches,
    preflight,
    smoke_test,
    sources,
    validation,
    weights,
)
from operations.host import connection, sudo
from operations.host.facts import HostState
from operations.host.probe import answer, observe
from operations.stage import Options, Stage
from operations.transfer.upload import Upload

STAGES = tuple(
    module.STAGE
    for module in (
        preflight,
        driver,
        engine,
        sources,
        image,
        weights,
        container,
        migration,
        patches,
        packages,
        smoke_test,
        validation,
    )
)


#: where a host that could not be observed fails
PROBE = "probe"


def drift(
    wanted: Wanted, state: HostState | Failure, options: Options
) -> dict[str, Failure | list[str]]:
    """Stage -> what is to do, or why nothing can be done; up to the first such failure.

    Of several releases those stages come first that they share, as in deploy.py.
    """
    if isinstance(state, Failure):
        return {PROBE: state}
    found: dict[str, Failure | list[str]] = {}
    for part in wanted.parts:
        seen = state if part.slot == wanted.slot else state.beside[part.slot]
        for stage in STAGES:
            label = stage.label(part)
            decision = [] if label in found else stage.decide(part, seen, options)
            if decision:
                found[label] = decision
            if isinstance(decision, Failure):
                return found
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
        """Of the images and weights that it needs: what may be big."""
        found: dict[str, Upload] = {}

        def wants(stage: Stage, part: Wanted, upload: Upload) -> None:
            upload.stage = stage.label(part)
            found.setdefault(str(sorted(upload.files)), upload)  # what releases share comes once

        for part in self.wanted.parts if isinstance(self.state, HostState) else ():
            seen = self.of(part)
            if image.STAGE.label(part) in self.drift and seen.image != part.lock.image.id:
                wants(image.STAGE, part, image.upload(part))
            if weights.STAGE.label(part) in self.drift:
                for one in weights.wrong(part, seen):
                    wants(weights.STAGE, part, weights.upload(part, one))
        return list(found.values())

    def of(self, part: Wanted) -> HostState:
        """The host as it was asked about one of its releases."""
        assert isinstance(self.state, HostState)
        return self.state if part.slot == self.wanted.slot else self.state.beside[part.slot]

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
        wanted = of_host(host.data)
        options = Options.of(host)
        if validation.asked(options):
            suite.golden(options.golden)
        module_key.of(host.data)
    state = reached(host) or observe(host, wanted)
    found = answer(host, lambda: drift(wanted, state, options))
    return Look(wanted, options, state, {PROBE: found} if isinstance(found, Failure) else found)


def reached(host: Any) -> Failure | None:
    """Why nothing can be done on a host that was just connected to."""

    def ready() -> Failure | None:
        connection.prepare(host)
        return sudo.prepare(host)

    return answer(host, ready)
