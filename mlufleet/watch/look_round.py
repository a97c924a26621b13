"""One round of looks, in a process of its own: all of its hosts at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gevent
from pyinfra.api import Host
from pyinfra_cli import cli as _cooperative  # noqa: F401 - its import makes the process cooperative

from fleet.inventory.desired_state import compute_digests
from fleet.release.target import HostTarget
from mlufleet.connect import settings
from mlufleet.run.execution_state import prepare_state
from mlufleet.watch.decision import OFF
from mlufleet.watch.look_messages import MachineSeen, Message, Observed, Round
from mlufleet.watch.looker import Looker
from operations.host import output, probe, sudo
from operations.host.context import RunContext
from operations.host.facts import HostFacts
from operations.host.probe import ProbeCache

#: seconds that a look may take whose host stalls at each step until that step's own limit
LIMIT_S = (
    settings.LOGIN_TIMEOUT_S
    + sudo.SUDO_TIMEOUT_S
    + sudo.ANSWER_GRACE_S
    + probe.PROBE_TIMEOUT_S
    + probe.PROBE_GRACE_S
    + 15
)


class LookRounds:
    """The hosts of an inventory, to be looked at in rounds.

    Args:
        inventory: File of the inventory.
        limit: Only these hosts and groups; empty for all.
        exclude: Not these hosts and groups.

    Attributes:
        groups: Host -> its groups, in the order of the inventory.
        modes: Host -> its `remediate`, of hosts that the watch may mend.
        digests: Host -> digest of what it is to be.

    Raises:
        InvalidInput: Something is wrong that can be known before the first connection.
    """

    def __init__(self, inventory: str, limit: tuple[str, ...], exclude: tuple[str, ...]) -> None:
        self.state, hosts, _ = prepare_state(inventory, limit, (), exclude)
        self._hosts = {host.name: host for host in hosts}
        self.groups = {host.name: list(host.data.get("groups") or ()) for host in hosts}
        modes = {host.name: str(host.data.get("remediate") or OFF) for host in hosts}
        self.modes = {name: mode for name, mode in modes.items() if mode != OFF}
        self.digests = compute_digests(hosts)
        self._looker = Looker(self.state)
        self._cache = RunContext.from_state(self.state).service(ProbeCache)

    def look(
        self,
        wanted: Round,
        others: Mapping[str, MachineSeen],
        tell: Callable[[Message], None],
    ) -> None:
        """Look at hosts, and tell of each as soon as it is known. Only in a forked process.

        Args:
            wanted: The hosts.
            others: The machines that the other names of the inventory lead to.
            tell: Takes messages.
        """
        output.TAG.renew()  # what a host saw of an earlier look forges nothing in this one
        for seen in others.values():
            self._cache.note_machine(seen.host, seen.machine_id, seen.filesystems)

        def tell_machine(host: Host, target: HostTarget, facts: HostFacts) -> None:
            filesystems = [source for source, _ in facts.shared_filesystems.values()]
            tell(MachineSeen(host.name, facts.machine_id, filesystems))

        def look_at(name: str) -> None:
            tell(Observed(wanted.number, self._looker.look_at(self._hosts[name])))

        self._cache.listeners.append(tell_machine)
        gevent.joinall([gevent.spawn(look_at, name) for name in wanted.hosts])
