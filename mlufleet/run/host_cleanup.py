"""What a run gives back to a host before its connection goes."""

from __future__ import annotations

from functools import partial

from pyinfra import logger
from pyinfra.api import BaseStateCallback, Host
from pyinfra.api.state import State
from typing_extensions import override

from operations.host import connection, lock, sudo
from operations.host.context import emit_event
from operations.transfer.prefetch import prefetches
from operations.transfer.swarm import swarms


class HostCleanup(BaseStateCallback):
    """Gives each host back before its connection goes: the lock, then the sudo password."""

    @override
    @staticmethod
    def host_disconnect(state: State, host: Host) -> None:
        def released() -> None:
            held = lock.held_lock(host)
            lock.release_lock(host)
            if held and not connection.is_lost(host):
                emit_event(host, "released", run=held.owner.run)

        ways = (
            partial(prefetches(host).end, host.name),
            partial(swarms(host).leave, host.name),
            released,
            partial(sudo.remove_password, host),
        )
        for leave in ways:
            try:
                leave()
            except Exception as error:  # it would keep the others from being given back
                logger.debug(f"{host.print_prefix}{type(error).__name__}: {error}")
