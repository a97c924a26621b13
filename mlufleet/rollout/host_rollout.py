"""What the kinds of rollouts do to one host: assess it, work on it, and verify the result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

from pyinfra import logger
from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import _, join
from fleet.text import word_lists
from mlufleet.journal.events import Event, StepStarted
from mlufleet.rollout import rollback
from mlufleet.rollout.plan import Plan
from mlufleet.rollout.rollback import RollbackTarget, release_files
from mlufleet.rollout.session import Session
from operations.host.context import emit_event
from operations.host.failures import fail_host
from operations.stages import PROBE_STAGE, Drift, HostPlan

#: after these failures a host must not be touched, or cannot be: a rollback would only add to it
NO_ROLLBACK_CODES = (
    "INTERRUPTED",
    "LOCKED",
    "CARD_BUSY",
    "CONNECTION_LOST",
    "REBOOT_TIMED_OUT",
    "HUNG",
    "DUPLICATE_HOST",
    "UNREACHABLE",
)


#: data of the releases that a host can be rolled back to and "", or None and the reason
FoundTarget = tuple[RollbackTarget | None, str]


class HostRollout(ABC):
    """What a rollout of one kind does to each of its hosts.

    Args:
        session: The hosts, and the run.
        plan: The options of the rollout.

    Attributes:
        passed_status: Status of a host that passed, as hooks read it.
        unverified_code: Failure code of a host on which something is seen to be left to do.
        modified_hosts: Hosts that something was done to.
    """

    passed_status: ClassVar[str]
    unverified_code: ClassVar[str] = "NOT_PROVED"

    def __init__(self, session: Session, plan: Plan) -> None:
        self.session, self.plan = session, plan
        self.modified_hosts: set[str] = set()

    def on_event(self, event: Event) -> None:
        """Note hosts that something is done to.

        Args:
            event: The next event of the rollout.
        """
        if isinstance(event, StepStarted):
            self.modified_hosts.add(event.host)

    @abstractmethod
    def assess(self, host: Host) -> bool:
        """Probe a connected host, and record what is to be done; nothing is changed.

        Args:
            host: The host.

        Returns:
            Whether there is something to do. If nothing can be done, the host has failed.
        """

    @abstractmethod
    def apply(self, host: Host) -> None:
        """Do what is to be done on a host, and verify it; a failure is recorded.

        Args:
            host: A host that is not connected.
        """

    def status(self, host: Host) -> str:
        """Return what became of a host that was worked on, as hooks read it.

        Args:
            host: The host.
        """
        if self.session.run.has_failed(host.name):
            return "failed"
        return "rolled back" if host.name in self.session.run.rolled_back else self.passed_status

    def verify(self, host: Host) -> bool:
        """Check over a fresh connection that nothing is left to do on a host.

        Args:
            host: A host that is not connected, and on which everything has been done.

        Returns:
            Whether it passed; if not, it has failed.
        """
        with self.session.connected(host) as is_connected:
            if is_connected and (drift := self.find_drift(host)):
                stage = next(iter(drift))
                fail_host(host, self._describe_drift(drift), stage)
        if self.session.run.has_failed(host.name):
            return False
        emit_event(host, "proved")
        return True

    def _describe_drift(self, drift: Drift) -> Failure:
        probed = drift.get(PROBE_STAGE)
        if isinstance(probed, Failure):  # nothing is known to be left
            detail = _("over a fresh connection: {detail}", detail=probed.detail).removesuffix(": ")
            return replace(probed, detail=detail)
        left = word_lists.join_clauses(
            join(": ", (stage, _describe(said))) for stage, said in drift.items()
        )
        return Failure(self.unverified_code, _("over a fresh connection: {detail}", detail=left))

    @abstractmethod
    def find_drift(self, host: Host) -> Drift:
        """Return what is left to do on a host that was worked on, by stage.

        Args:
            host: The host, which is connected.

        Returns:
            By stage; under :data:`~operations.stages.PROBE_STAGE` why the host did not say it.
        """


def _describe(said: Failure | list[str]) -> str:
    if isinstance(said, Failure):
        return join(": ", (said.code, said.sentence))
    return word_lists.join_words(said)


class ReleaseRollout(HostRollout):
    """Brings hosts to releases with deploy.py."""

    @override
    def assess(self, host: Host) -> bool:
        plan = self.session.assess_and_record(host)
        return not isinstance(plan.facts, Failure) and self.is_pending(host, plan)

    def find_rollback_target(self, host: Host, plan: HostPlan) -> FoundTarget:
        """Find where a host can be rolled back to, and record it.

        Args:
            host: The host, which is connected.
            plan: What its probe found.

        Returns:
            The host's data for these releases and "", or None and why there are none.
        """
        folder = self.session.run.folder / "back"
        target, reason = rollback.find_target(host, plan, folder)
        emit_event(host, "way-back", release=release_files(target), why=reason)
        return target, reason

    def is_pending(self, host: Host, plan: HostPlan) -> bool:
        """Return whether a host needs work that can be done; if it cannot be done, fail the host.

        Args:
            host: The host.
            plan: What its probe found.
        """
        if plan.refusal:
            stage, failure = plan.refusal
            return fail_host(host, failure, stage)
        return bool(plan.drift)

    def deploy_and_verify(self, host: Host) -> bool:
        """Run deploy.py on a host, and verify it.

        Args:
            host: A host that is not connected.

        Returns:
            Whether it passed.
        """
        if not self.session.deploy(host):
            return False
        # the check looks at what a smoke test that was forced once left behind
        host.data.smoke = "auto"
        return self.verify(host)

    @override
    def find_drift(self, host: Host) -> Drift:
        return self.session.assess(host).drift


class Deployment(ReleaseRollout):
    """Brings hosts to their releases, and back to the ones before if that fails.

    Attributes:
        rollback_targets: Host -> data of the releases that it can be rolled back to, or None and
            the reason.
    """

    passed_status = "ok"

    def __init__(self, session: Session, plan: Plan) -> None:
        super().__init__(session, plan)
        self.rollback_targets: dict[str, FoundTarget] = {}

    @override
    def assess(self, host: Host) -> bool:
        plan = self.session.assess_and_record(host)
        if isinstance(plan.facts, Failure):  # which is recorded; nothing is known of the host
            return False
        if plan.drift:
            self.rollback_targets[host.name] = self.find_rollback_target(host, plan)
        return self.is_pending(host, plan)

    @override
    def apply(self, host: Host) -> None:
        if self.deploy_and_verify(host):
            return
        failure = self.session.run.failures[host.name]
        if failure.code not in NO_ROLLBACK_CODES and host.name in self.modified_hosts:
            self._roll_back(host)

    def _roll_back(self, host: Host) -> None:
        target, reason = self.rollback_targets.get(host.name, (None, _("the host was not asked")))
        if not target:
            logger.warning(
                host.print_prefix + _("no release to roll back to: {reason}", reason=reason)
            )
            return
        first = self.session.run.failures[host.name]
        origin = {key: host.data.get(key) for key in ("release", "releases")}
        emit_event(host, "rolling-back", release=release_files(target))
        _set_releases(host, target)
        if self.deploy_and_verify(host):
            emit_event(host, "rolled-back", by_hand=False)
        else:
            second = self.session.run.failures[host.name]
            tail = tuple(f"{failure.code}: {failure.sentence}" for failure in (first, second))
            sentence = _("{failure}; during the rollback: {other}", failure=tail[0], other=tail[1])
            fail_host(host, Failure("ROLLBACK", sentence, tail), "rollback")
        _set_releases(host, origin)


class Rollback(ReleaseRollout):
    """Returns hosts to the last other releases that passed, because the operator asked for it."""

    passed_status = "rolled back"

    @override
    def assess(self, host: Host) -> bool:
        plan = self.session.assess_and_record(host)
        if isinstance(plan.facts, Failure):
            return False
        target, reason = self.find_rollback_target(host, plan)
        if not target:
            return fail_host(host, Failure("NO_ROLLBACK_TARGET", reason), "rollback")
        _set_releases(host, target)
        return super().assess(host)

    @override
    def apply(self, host: Host) -> None:
        if self.deploy_and_verify(host):
            emit_event(host, "rolled-back", by_hand=True)


def _set_releases(host: Host, target: RollbackTarget) -> None:
    for key, value in target.items():
        setattr(host.data, key, value)
