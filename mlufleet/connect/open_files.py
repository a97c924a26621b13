"""The limit of open files that a run needs."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from typing import Any

from fleet.inventory.pyinfra_errors import InputError
from fleet.language import _

#: Files of the process itself and of the hosts at work: logs, uploads, further sessions.
BASE_FILES = 160
#: Files of each host during the whole run: its connection, and the errors of a ProxyCommand.
FILES_PER_HOST = 2


def raise_limit(hosts: Iterable[Any]) -> None:
    """Raise this process's limit of open files to what the hosts need.

    Args:
        hosts: The hosts that will be connected to.

    Raises:
        InputError: The system's hard limit is lower.
    """
    count = len(list(hosts))
    need = BASE_FILES + FILES_PER_HOST * count
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= need:
        return
    if hard != resource.RLIM_INFINITY and hard < need:
        raise InputError(
            _(
                "{count} hosts need up to {need} open files at once, but the limit is "
                "{hard} (`ulimit -Hn`); raise the limit, or select fewer hosts with "
                "--limit",
                count=count,
                need=need,
                hard=hard,
            )
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
