"""How many files a run has open at once, and that it may."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from typing import Any

from fleet.plain import Plain

#: of the process itself: its libraries, journal, terminal, name service
BASE = 64
#: of one host at most: its connection or a jump host's, a log, a file that is sent
PER_HOST = 6


def allow(hosts: Iterable[Any]) -> None:
    """Raise the limit of open files to what so many hosts need.

    :raises Plain: the hard limit is lower
    """
    count = len(list(hosts))
    need = BASE + PER_HOST * count
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= need:
        return
    if hard != resource.RLIM_INFINITY and hard < need:
        raise Plain(f"{count} hosts need up to {need} open files at once, and the limit is {hard} "
                    "(`ulimit -Hn`): raise it, or take fewer hosts with --limit")  # fmt: skip
    resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
