"""The stages in order, and what a host still needs of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet import module_key
from fleet.errors import Failure
from fleet.inventory.pyinfra_errors import as_pyinfra_error
from fleet.release import usual_folders
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.store.targets import load_host_target
from fleet.vendor import validation_suite as suite
from operations import (
    container,
    driver,
    engine,
    image,
    migration,
    needed_files,
    packages,
    patches,
    preflight,
    serving,
    smoke_test,
    sources,
    validation,
    weights,
)
from operations.host import connection, sudo
from operations.host.facts import HostFacts
from operations.host.probe import capture_failure, probe_host, unwrap_host
from operations.stage import BoundStage, HostOptions, HostSpec, HostStage, Plan, ReleaseStage
from operations.transfer import reuse
from operations.transfer.upload import Upload

#: before the releases, for each of them, and after them; the order of deploy.py
FIRST: tuple[HostStage, ...] = (preflight.STAGE, driver.STAGE, engine.STAGE)
EACH_RELEASE: tuple[ReleaseStage, ...] = tuple(
    module.STAGE
    for module in (
        sources,
        image,
        weights,
        container,
        migration,
        patches,
        packages,
        smoke_test,
        serving,
    )
)
LAST: tuple[HostStage, ...] = (validation.STAGE,)
STAGES = (*FIRST, *EACH_RELEASE, *LAST)

#: label of the stage in which a host fails that cannot be probed
PROBE_STAGE = "probe"

#: label of a stage -> what is to be done, or why it cannot be done
Drift = dict[str, Failure | list[str]]


def bind_stages(target: HostTarget) -> list[BoundStage]:
    """Return all stages of a host, in the order in which they run.

    Args:
        target: The desired state of the host.
    """
    return [
        *(stage.bind(target) for stage in FIRST),
        *(stage.bind(release) for release in target.releases for stage in EACH_RELEASE),
        *(stage.bind(target) for stage in LAST),
    ]


def list_release_labels(release: ReleaseTarget) -> set[str]:
    """Return the labels of all stages that have to be done before a release can answer.

    Args:
        release: One of the releases of a host.
    """
    return {stage.name for stage in FIRST} | {stage.label(release) for stage in EACH_RELEASE}


def find_drift(spec: HostSpec, facts: HostFacts | Failure) -> Drift:
    """Return what every stage has to do, up to the first one that cannot go on.

    Args:
        spec: The desired state of the host.
        facts: What its probe found, or why it could not be probed.

    Returns:
        Only stages that have something to do, in the order in which they run.
    """
    if isinstance(facts, Failure):
        return {PROBE_STAGE: facts}
    drift: Drift = {}
    for stage in bind_stages(spec.target):
        decision = stage.decide(spec, facts)
        if isinstance(decision, Failure):
            drift[stage.label] = decision
            break
        if decision:
            drift[stage.label] = decision.words
    return drift


@dataclass(frozen=True)
class HostPlan(HostSpec):
    """The desired state of a host, its facts, and what it still needs.

    Attributes:
        facts: What its probe found, or why it could not be probed.
        drift: What every stage has to do.
    """

    facts: HostFacts | Failure
    drift: Drift

    @property
    def probed_facts(self) -> HostFacts:
        """The facts of a host that could be probed; nobody asks for those of another."""
        assert isinstance(self.facts, HostFacts)
        return self.facts

    @property
    def kinds(self) -> dict[str, list[str]]:
        """Stage -> the kind of each of its changes; only of stages with such changes."""
        decisions = {
            stage.label: stage.decide(self, self.probed_facts)
            for stage in bind_stages(self.target)
            if isinstance(self.drift.get(stage.label), list)
        }
        kinds = {label: made.kinds for label, made in decisions.items() if isinstance(made, Plan)}
        return {label: found for label, found in kinds.items() if any(found)}

    @property
    def uploads(self) -> list[Upload]:
        """The images and weights that the host lacks; those of several releases once."""
        uploads: dict[str, Upload] = {}
        for stage, upload in self._list_uploads():
            upload.stage = stage
            uploads.setdefault(str(sorted(upload.files)), upload)
        return list(uploads.values())

    def _list_uploads(self) -> Iterator[tuple[str, Upload]]:
        if isinstance(self.facts, Failure):
            return
        for release in self.target.releases:
            found = self.facts.releases[release.key]
            label = image.STAGE.label(release)
            if label in self.drift and found.image != release.lock.image.id:
                upload = image.build_upload(release, self.options, self.facts)
                if upload:
                    yield label, upload
            label = weights.STAGE.label(release)
            if label in self.drift:
                for item in weights.list_unplaced(release, found):
                    yield label, weights.build_upload(release, item)

    @property
    def files(self) -> dict[str, Path]:
        """The sha256 of every file of these, and where it is on the controller."""
        return {sha: path for upload in self.uploads for path, _, sha in upload.files.values()}

    @property
    def prefetchable(self) -> list[Upload]:
        """Those uploads that can run while earlier stages work."""
        pulled = {
            image.STAGE.label(release)
            for release in self.target.releases
            if image.comes_from_registry(release, self.options)
        }
        # the archive of an image that will probably be pulled is sent only if that fails
        uploads = [upload for upload in self.uploads if upload.stage not in pulled]
        only = len(uploads) == 1 and next(iter(self.drift)) == uploads[0].stage
        return [] if only else uploads

    def reassess(self, host: Any) -> HostPlan:
        """Return the plan of the same host as it is now.

        Args:
            host: The host.
        """
        facts = probe_host(host, self.target)
        return HostPlan(self.target, self.options, facts, find_drift(self, facts))

    def list_prefetchable(self, host: Any) -> list[Upload]:
        """Return the uploads that a host still needs, and that can be prefetched.

        Args:
            host: the host, on which something may have changed since
        """
        return self.reassess(host).prefetchable

    @property
    def refusal(self) -> tuple[str, Failure] | None:
        """Label and failure of the first stage with something to do, if it cannot be done."""
        for stage, decision in self.drift.items():
            return (stage, decision) if isinstance(decision, Failure) else None
        return None


def assess(host: Any) -> HostPlan:
    """Probe a host that was just connected to, and compare it with its desired state.

    Args:
        host: The host.

    Returns:
        The plan; a host that cannot be probed has a failure in the place of its facts.

    Raises:
        InputError: The inventory data of the host is invalid; no host can be deployed.
    """
    with as_pyinfra_error():
        spec = HostSpec(load_host_target(host.data), HostOptions.from_host(host))
        if validation.requested_tests(spec.options) or spec.target.is_served:
            suite.load_baselines(spec.options.golden)
        module_key.load_host_key(host.data)
        usual_folders.load_paths()
    facts = prepare_host(host) or probe_host(host, spec.target)
    drift = capture_failure(host, lambda: find_drift(spec, facts))
    if not isinstance(drift, Failure) and lacks_space(drift):
        drift = capture_failure(host, lambda: _find_drift_with_links(host, spec, facts))
    if isinstance(drift, Failure):
        drift = {PROBE_STAGE: drift}
    return HostPlan(spec.target, spec.options, facts, drift)


def lacks_space(drift: Drift) -> bool:
    """Return whether a host would be refused because its file systems lack space.

    Args:
        drift: What its stages have to do.
    """
    refusal = drift.get(preflight.STAGE.name)
    return isinstance(refusal, Failure) and refusal.code == "NO_SPACE"


def _find_drift_with_links(host: Any, spec: HostSpec, facts: HostFacts | Failure) -> Drift:
    """Search a host that lacks space for files that need none, as they can be linked."""
    assert isinstance(facts, HostFacts)
    needed = [
        file for upload in needed_files.list_uploads(spec, facts) for file in upload.needed_files()
    ]
    arguments = connection.connector_arguments(unwrap_host(host))
    search = reuse.search_host(unwrap_host(host), arguments, needed, "look")
    # also for the probes to come
    facts.linkable_paths |= {
        file.dest
        for file in needed
        if file.part in search.files and search.files[file.part].how in ("link", "place")
    }
    return find_drift(spec, facts)


def prepare_host(host: Any) -> Failure | None:
    """Adapt the connection to a host, and give sudo its password.

    Args:
        host: The host that was just connected to.

    Returns:
        Why nothing can be run on the host; None if it can.
    """

    def prepare() -> Failure | None:
        connection.adapt_connector(host)
        return sudo.provide_password(host)

    return capture_failure(host, prepare)
