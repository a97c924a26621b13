"""The fleet as the watch last saw it: what metrics, status page and notices are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlufleet.watch.decision import OFF, Decision
from mlufleet.watch.observation import Observation
from mlufleet.watch.problems import HostState

if TYPE_CHECKING:
    from fleet.quarantine import Quarantine


@dataclass(frozen=True)
class HostSnapshot:
    """One host.

    Attributes:
        name: Name in the inventory.
        groups: Groups of the inventory.
        state: What is known of it.
        probed: The last look that probed it; None if none has since it was first watched.
        last: The last look, whatever it saw; None before the first.
        remediate: How far the watch may go to mend it, as the inventory says.
        quarantine: Why it is out of service; None if it is not.
    """

    name: str
    groups: tuple[str, ...] = ()
    state: HostState = field(default_factory=HostState)
    probed: Observation | None = None
    last: Observation | None = None
    remediate: str = OFF
    quarantine: Quarantine | None = None


@dataclass(frozen=True)
class LookTotals:
    """Looks with one outcome since the watch began.

    Attributes:
        count: How many ended.
        seconds: How long they took, added up.
    """

    count: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class FleetSnapshot:
    """All hosts that are watched.

    Attributes:
        taken: When this was put together, in seconds since the epoch.
        started: When the watch began.
        inventory: File of the inventory.
        every_s: Seconds between two looks at a host.
        hosts: Name -> host, in the order of the inventory.
        looks: Outcome -> looks that ended with it since `started`.
        reload_error: Why the inventory or a release could not be read anew, since when the older
            one is used; empty for nothing.
        notice_errors: Receiver of notices -> why it did not take the last one; empty if it did.
        store_error: Why the history cannot be written; empty for nothing.
        decisions: Host -> what was last decided to do about it.
        runs: Rung and outcome -> runs that have mended hosts, or not, since `started`.
        holds: Host -> why nothing is done about its problems at present: one of
            :data:`mlufleet.watch.decision.HOLDS`.
    """

    taken: float
    started: float
    inventory: str
    every_s: float
    hosts: dict[str, HostSnapshot] = field(default_factory=dict)
    looks: dict[str, LookTotals] = field(default_factory=dict)
    reload_error: str = ""
    store_error: str = ""
    notice_errors: dict[str, str] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    runs: dict[tuple[str, str], int] = field(default_factory=dict)
    holds: dict[str, str] = field(default_factory=dict)
