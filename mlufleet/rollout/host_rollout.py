"""One host's way to its release, its proof over a fresh connection, and its way back."""

from __future__ import annotations

from typing import Any

from pyinfra import logger
from pyinfra.api import Host

from fleet.errors import Failure
from mlufleet.rollout.rollback import Wants, named
from mlufleet.rollout.session import Session
from operations.host import events
from operations.host.failures import fail

#: failures after which a host is not to be touched, or cannot be: going back would only add to it
NO_RETURN = (
    "INTERRUPTED",
    "LOCKED",
    "CARD_BUSY",
    "CONNECTION_LOST",
    "REBOOT_TIMED_OUT",
    "HUNG",
    "DUPLICATE_HOST",
    "UNREACHABLE",
)


class Traveller:
    def __init__(self, session: Session) -> None:
        self.session = session
        #: host -> data for what it can go back to, and why there is none
        self.ways: dict[str, tuple[Wants | None, str]] = {}
        #: hosts that something was done on
        self.touched: set[str] = set()
        events.listeners.append(self._heard)

    def _heard(self, host: str, kind: str, fields: dict[str, Any]) -> None:
        if kind == "step":
            self.touched.add(host)

    def way(self, host: Host, wants: Wants | None, why: str) -> None:
        """Remember where a host can go back to, or why it cannot."""
        self.ways[host.name] = (wants, why)
        events.emit(host.name, "way-back", release=named(wants), why=why)

    def turn_back(self, host: Host) -> bool:
        """Make a host's last other good release the one that is wanted."""
        wants, why = self.ways[host.name]
        if not wants:
            return fail(host, Failure("NO_WAY_BACK", why), "rollback")
        _want(host, wants)
        return True

    def travel(self, host: Host, kind: str) -> None:
        """Carry a host to its release; back again if it does not pass there."""
        origin = {key: host.data.get(key) for key in ("release", "releases")}
        if self._arrive(host):
            if kind == "rollback":
                events.emit(host.name, "rolled-back", by_hand=True)
            return
        failure = self.session.run.failures[host.name]
        if kind == "rollback" or host.name not in self.touched or failure["code"] in NO_RETURN:
            return
        wants, why = self.ways.get(host.name, (None, "it was not looked for"))
        if not wants:
            logger.warning(f"{host.print_prefix}it cannot go back: {why}")
            return
        events.emit(host.name, "rolling-back", release=named(wants))
        _want(host, wants)
        if self._arrive(host):
            events.emit(host.name, "rolled-back", by_hand=False)
        else:
            second = self.session.run.failures[host.name]
            tail = tuple(f"{one['code']}: {one['sentence']}" for one in (failure, second))
            fail(host, Failure("ROLLBACK", f"{tail[0]}; going back: {tail[1]}", tail), "rollback")
        _want(host, origin)

    def _arrive(self, host: Host) -> bool:
        """Run deploy.py, then prove over a fresh connection that nothing is left to do."""
        if not self.session.deploy(host):
            return False
        host.data.smoke = "auto"  # asked once on demand, the proof looks at what that left behind
        with self.session.connected(host) as there:
            if there and (drift := self.session.look(host).drift):
                left = "; ".join(f"{stage}: {words}" for stage, words in drift.items())
                said = f"over a fresh connection: {left}"
                fail(host, Failure("NOT_PROVED", said), next(iter(drift)))
        if self.session.run.failed(host.name):
            return False
        events.emit(host.name, "proved")
        return True


def _want(host: Host, wants: Wants) -> None:
    """Make it what a host is wanted to be from now on."""
    for key, value in wants.items():
        setattr(host.data, key, value)
