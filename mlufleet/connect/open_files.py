"""How many files a run has open at once, and that it may."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from typing import Any

from fleet.inventory.pyinfra_errors import InputError

#: of the process, and of the hosts at work: logs, files that are sent, further sessions
BASE_FILES = 160
#: of one host as long as the run lasts: its connection; a ProxyCommand has its errors as well
FILES_PER_HOST = 2


def raise_limit(hosts: Iterable[Any]) -> None:
    """Raise the limit of open files to what so many hosts need.

    :raises Plain: the hard limit is lower
    """
    count = len(list(hosts))
    need = BASE_FILES + FILES_PER_HOST * count
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= need:
        return
    if hard != resource.RLIM_INFINITY and hard < need:
        raise InputError(
            f"{count} hosts need up to {need} open files at once, and the limit is {hard} "
            "(`ulimit -Hn`): raise it, or take fewer hosts with --limit"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
