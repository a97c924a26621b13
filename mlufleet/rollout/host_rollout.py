"""One host's way to its release, its proof over a fresh connection, and its way back."""

from __future__ import annotations

from typing import Any

from pyinfra import logger
from pyinfra.api import Host

from fleet.errors import Failure
from mlufleet.rollout.rollback import RollbackTarget, release_files
from mlufleet.rollout.session import Session
from operations.host import events
from operations.host.failures import fail_host

#: failures after which a host is not to be touched, or cannot be: going back would only add to it
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


class HostRollout:
    def __init__(self, session: Session) -> None:
        self.session = session
        #: host -> data for what it can go back to, and why there is none
        self.rollback_targets: dict[str, tuple[RollbackTarget | None, str]] = {}
        #: hosts that something was done on
        self.modified_hosts: set[str] = set()
        events.listeners.append(self._on_event)

    def _on_event(self, host: str, kind: str, fields: dict[str, Any]) -> None:
        if kind == "step":
            self.modified_hosts.add(host)

    def set_rollback_target(self, host: Host, wants: RollbackTarget | None, why: str) -> None:
        """Remember where a host can go back to, or why it cannot."""
        self.rollback_targets[host.name] = (wants, why)
        events.emit(host.name, "way-back", release=release_files(wants), why=why)

    def switch_to_rollback(self, host: Host) -> bool:
        """Make a host's last other good release the one that is wanted."""
        wants, why = self.rollback_targets[host.name]
        if not wants:
            return fail_host(host, Failure("NO_WAY_BACK", why), "rollback")
        _set_host_release(host, wants)
        return True

    def apply(self, host: Host, kind: str) -> None:
        """Carry a host to its release; back again if it does not pass there."""
        origin = {key: host.data.get(key) for key in ("release", "releases")}
        if self._deploy_and_verify(host):
            if kind == "rollback":
                events.emit(host.name, "rolled-back", by_hand=True)
            return
        failure = self.session.run.failures[host.name]
        if (
            kind == "rollback"
            or host.name not in self.modified_hosts
            or failure["code"] in NO_ROLLBACK_CODES
        ):
            return
        wants, why = self.rollback_targets.get(host.name, (None, "it was not looked for"))
        if not wants:
            logger.warning(f"{host.print_prefix}it cannot go back: {why}")
            return
        events.emit(host.name, "rolling-back", release=release_files(wants))
        _set_host_release(host, wants)
        if self._deploy_and_verify(host):
            events.emit(host.name, "rolled-back", by_hand=False)
        else:
            second = self.session.run.failures[host.name]
            tail = tuple(f"{one['code']}: {one['sentence']}" for one in (failure, second))
            fail_host(
                host, Failure("ROLLBACK", f"{tail[0]}; going back: {tail[1]}", tail), "rollback"
            )
        _set_host_release(host, origin)

    def _deploy_and_verify(self, host: Host) -> bool:
        """Run deploy.py, then prove over a fresh connection that nothing is left to do."""
        if not self.session.deploy(host):
            return False
        host.data.smoke = "auto"  # asked once on demand, the proof looks at what that left behind
        with self.session.connected(host) as there:
            if there and (drift := self.session.assess(host).drift):
                left = "; ".join(f"{stage}: {words}" for stage, words in drift.items())
                said = f"over a fresh connection: {left}"
                fail_host(host, Failure("NOT_PROVED", said), next(iter(drift)))
        if self.session.run.has_failed(host.name):
            return False
        events.emit(host.name, "proved")
        return True


def _set_host_release(host: Host, wants: RollbackTarget) -> None:
    """Make it what a host is wanted to be from now on."""
    for key, value in wants.items():
        setattr(host.data, key, value)
