"""The kinds of rollouts, by the name that a plan has for them."""

from __future__ import annotations

from mlufleet.rollout.adoption import Adoption
from mlufleet.rollout.host_rollout import Deployment, HostRollout, Rollback
from mlufleet.rollout.retirement import Retirement

#: `Plan.kind` -> what is done to each host
KINDS: dict[str, type[HostRollout]] = {
    "rollout": Deployment,
    "rollback": Rollback,
    "adoption": Adoption,
    "retirement": Retirement,
}
