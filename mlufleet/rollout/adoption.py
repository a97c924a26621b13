"""Takes over what others made on hosts, as a kind of rollout."""

from __future__ import annotations

from pyinfra.api import Host
from typing_extensions import override

from fleet.errors import Failure
from fleet.language import join
from fleet.text import word_lists
from mlufleet.rollout.host_rollout import ReleaseRollout
from mlufleet.rollout.plan import Plan
from mlufleet.rollout.session import Session
from operations.adoption.findings import Relation
from operations.adoption.survey import BLOCKING_INSPECTORS, survey_host
from operations.host.failures import fail_host
from operations.stages import HostPlan


def plan_adoption(host: Host, stop: tuple[str, ...]) -> None:
    """Make the plan of a host that of an adoption, for looks and rollouts alike.

    Args:
        host: The host.
        stop: Containers of others that may be stopped.
    """
    host.data.adopt, host.data.stop = True, stop


class Adoption(ReleaseRollout):
    """Brings hosts to their releases with what others made on them.

    A host that fails stays as it is, with everything that was kept: there is no earlier release to
    roll it back to.
    """

    passed_status = "adopted"

    def __init__(self, session: Session, plan: Plan) -> None:
        super().__init__(session, plan)
        for host in session.hosts:
            plan_adoption(host, plan.stop)

    @override
    def is_pending(self, host: Host, plan: HostPlan) -> bool:
        """Return whether a host can be adopted; one that would fail at any stage is refused.

        A deployment works up to the stage that cannot go on. Here that would stop, move or change
        what others use, and then leave them without it.

        Args:
            host: The host.
            plan: What its probe found.
        """
        for stage, decision in plan.drift.items():
            if isinstance(decision, Failure):
                return fail_host(host, decision, stage)
        if not plan.drift:
            return False
        # what a whole look reads besides, such as weights, the stages read anyway
        found = survey_host(host, plan, BLOCKING_INSPECTORS)
        if isinstance(found, Failure):
            return fail_host(host, found, "survey")
        # where the host gave no answer, something may be that must not be stopped
        unknown = [finding for finding in found if finding.relation is Relation.UNKNOWN]
        if unknown:
            said = word_lists.join_clauses(
                join(": ", (one.item, *one.differences[:1])) for one in unknown
            )
            return fail_host(host, Failure("PROBE_FAILED", said), "survey")
        blockers = [
            join(
                ": ",
                (join(" ", filter(None, (finding.item, finding.place))), finding.blocker),
            )
            for finding in found
            if finding.blocker
        ]
        if blockers:
            return fail_host(
                host, Failure("ADOPTION_BLOCKED", word_lists.join_clauses(blockers)), "preflight"
            )
        return True

    @override
    def apply(self, host: Host) -> None:
        self.deploy_and_verify(host)
