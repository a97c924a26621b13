"""The stages in order, and what a host still needs of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleet import module_key
from fleet.errors import Failure
from fleet.inventory.pyinfra_errors import as_pyinfra_error
from fleet.release.target import ReleaseTarget
from fleet.store.targets import load_host_target
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
from operations.host.facts import HostFacts
from operations.host.probe import capture_failure, probe_host
from operations.stage import HostOptions, Stage
from operations.stage_order import STAGE_ORDER
from operations.transfer.upload import Upload

#: all stages, in the order of deploy.py
STAGES = tuple(
    sorted(
        (
            container.STAGE,
            driver.STAGE,
            engine.STAGE,
            image.STAGE,
            migration.STAGE,
            packages.STAGE,
            patches.STAGE,
            preflight.STAGE,
            smoke_test.STAGE,
            sources.STAGE,
            validation.STAGE,
            weights.STAGE,
        ),
        key=lambda stage: STAGE_ORDER.index(stage.name),
    )
)


#: where a host that could not be observed fails
PROBE_STAGE = "probe"


def find_drift(
    target: ReleaseTarget, facts: HostFacts | Failure, options: HostOptions
) -> dict[str, Failure | list[str]]:
    """Stage -> what is to do, or why nothing can be done; up to the first such failure.

    Of several releases those stages come first that they share, as in deploy.py.
    """
    if isinstance(facts, Failure):
        return {PROBE_STAGE: facts}
    found: dict[str, Failure | list[str]] = {}
    for part in target.releases:
        seen = facts if part.key == target.key else facts.beside[part.key]
        for stage in STAGES:
            label = stage.label(part)
            decision = [] if label in found else stage.decide(part, seen, options)
            if decision:
                found[label] = decision
            if isinstance(decision, Failure):
                return found
    return found


@dataclass(frozen=True)
class HostPlan:
    """What a host is wanted to be, is, and still needs."""

    target: ReleaseTarget
    options: HostOptions
    facts: HostFacts | Failure
    drift: dict[str, Failure | list[str]]

    @property
    def uploads(self) -> list[Upload]:
        """Of the images and weights that it needs: what may be big."""
        found: dict[str, Upload] = {}

        def wants(stage: Stage, part: ReleaseTarget, upload: Upload) -> None:
            upload.stage = stage.label(part)
            found.setdefault(str(sorted(upload.files)), upload)  # what releases share comes once

        for part in self.target.releases if isinstance(self.facts, HostFacts) else ():
            seen = self.facts_of(part)
            if image.STAGE.label(part) in self.drift and seen.image != part.lock.image.id:
                wants(image.STAGE, part, image.build_upload(part))
            if weights.STAGE.label(part) in self.drift:
                for one in weights.list_unplaced(part, seen):
                    wants(weights.STAGE, part, weights.build_upload(part, one))
        return list(found.values())

    def facts_of(self, part: ReleaseTarget) -> HostFacts:
        """The host as it was asked about one of its releases."""
        assert isinstance(self.facts, HostFacts)
        return self.facts if part.key == self.target.key else self.facts.beside[part.key]

    @property
    def checksums(self) -> set[str]:
        """sha256 of these."""
        return {sha for upload in self.uploads for _, _, sha in upload.files.values()}

    @property
    def prefetchable(self) -> list[Upload]:
        """Those of them that can come while something else is done."""
        uploads = self.uploads
        only = len(uploads) == 1 and next(iter(self.drift)) == uploads[0].stage
        return [] if only else uploads

    def reassess(self, host: Any) -> HostPlan:
        """The same of a host that something may have changed on since."""
        state = probe_host(host, self.target)
        return HostPlan(
            self.target, self.options, state, find_drift(self.target, state, self.options)
        )

    def list_prefetchable(self, host: Any) -> list[Upload]:
        """Return the uploads that a host still needs, and that can be prefetched.

        Args:
            host: the host, on which something may have changed since
        """
        return self.reassess(host).prefetchable

    @property
    def refusal(self) -> tuple[str, Failure] | None:
        """The first stage and its failure, when that is the first there is to do."""
        for stage, decision in self.drift.items():
            return (stage, decision) if isinstance(decision, Failure) else None
        return None


def assess(host: Any) -> HostPlan:
    """Observe a host that was just connected to."""
    with as_pyinfra_error():
        wanted = load_host_target(host.data).primary
        options = HostOptions.from_host(host)
        if validation.requested_tests(options):
            suite.load_baselines(options.golden)
        module_key.load_host_key(host.data)
    state = prepare_host(host) or probe_host(host, wanted)
    found = capture_failure(host, lambda: find_drift(wanted, state, options))
    return HostPlan(
        wanted, options, state, {PROBE_STAGE: found} if isinstance(found, Failure) else found
    )


def prepare_host(host: Any) -> Failure | None:
    """Why nothing can be done on a host that was just connected to."""

    def ready() -> Failure | None:
        connection.adapt_connector(host)
        return sudo.provide_password(host)

    return capture_failure(host, ready)
