"""Brings one host to its release, verifies that, and rolls the host back if it fails."""

from __future__ import annotations

from pyinfra import logger
from pyinfra.api import Host

from fleet.errors import Failure
from mlufleet.journal.events import Event, StepStarted
from mlufleet.rollout.rollback import RollbackTarget, release_files
from mlufleet.rollout.session import Session
from operations.host.context import emit_event
from operations.host.failures import fail_host

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


class HostRollout:
    """What a rollout does to each of its hosts.

    Args:
        session: The hosts, and the run.

    Attributes:
        rollback_targets: Host -> data of the releases that it can be rolled back to, or None and
            the reason.
        modified_hosts: Hosts that something was done to.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.rollback_targets: dict[str, tuple[RollbackTarget | None, str]] = {}
        self.modified_hosts: set[str] = set()

    def on_event(self, event: Event) -> None:
        """Note hosts that something is done to.

        Args:
            event: The next event of the rollout.
        """
        if isinstance(event, StepStarted):
            self.modified_hosts.add(event.host)

    def set_rollback_target(self, host: Host, target: RollbackTarget | None, reason: str) -> None:
        """Note where a host can be rolled back to.

        Args:
            host: The host.
            target: Data of the releases, or None.
            reason: Why there are none, or empty.
        """
        self.rollback_targets[host.name] = (target, reason)
        emit_event(host, "way-back", release=release_files(target), why=reason)

    def switch_to_rollback(self, host: Host) -> bool:
        """Make the releases that a host had before the ones that it is to have.

        Args:
            host: The host; its rollback target is set.

        Returns:
            False if there are none: the host failed.
        """
        target, reason = self.rollback_targets[host.name]
        if not target:
            return fail_host(host, Failure("NO_ROLLBACK_TARGET", reason), "rollback")
        _set_releases(host, target)
        return True

    def apply(self, host: Host, kind: str) -> None:
        """Bring a host to its releases, and back to the ones before if that fails.

        Args:
            host: The host.
            kind: "rollout", or "rollback" for a host that was switched to its rollback target.
        """
        if self._deploy_and_verify(host):
            if kind == "rollback":
                emit_event(host, "rolled-back", by_hand=True)
            return
        failure = self.session.run.failures[host.name]
        is_final = kind == "rollback" or failure.code in NO_ROLLBACK_CODES
        if not is_final and host.name in self.modified_hosts:
            self._roll_back(host)

    def _roll_back(self, host: Host) -> None:
        target, reason = self.rollback_targets.get(host.name, (None, "the host was not asked"))
        if not target:
            logger.warning(f"{host.print_prefix}no release to roll back to: {reason}")
            return
        first = self.session.run.failures[host.name]
        origin = {key: host.data.get(key) for key in ("release", "releases")}
        emit_event(host, "rolling-back", release=release_files(target))
        _set_releases(host, target)
        if self._deploy_and_verify(host):
            emit_event(host, "rolled-back", by_hand=False)
        else:
            second = self.session.run.failures[host.name]
            tail = tuple(f"{failure.code}: {failure.sentence}" for failure in (first, second))
            sentence = f"{tail[0]}; during the rollback: {tail[1]}"
            fail_host(host, Failure("ROLLBACK", sentence, tail), "rollback")
        _set_releases(host, origin)

    def _deploy_and_verify(self, host: Host) -> bool:
        """Run deploy.py, then check over a fresh connection that nothing is left to do."""
        if not self.session.deploy(host):
            return False
        # the check looks at what a smoke test that was forced once left behind
        host.data.smoke = "auto"
        with self.session.connected(host) as is_connected:
            if is_connected and (drift := self.session.assess(host).drift):
                left = "; ".join(f"{stage}: {words}" for stage, words in drift.items())
                failure = Failure("NOT_PROVED", f"over a fresh connection: {left}")
                fail_host(host, failure, next(iter(drift)))
        if self.session.run.has_failed(host.name):
            return False
        emit_event(host, "proved")
        return True


def _set_releases(host: Host, target: RollbackTarget) -> None:
    for key, value in target.items():
        setattr(host.data, key, value)
