"""Which run of this site has worked on a host lately: what it did there is no event of the host."""

from __future__ import annotations

from contextlib import suppress

from mlufleet.journal.events import HostFailure, StageStarted
from mlufleet.journal.journal import JOURNAL_FILE, iterate_events
from mlufleet.journal.run_folders import list_runs
from mlufleet.watch.observation import Observation
from mlufleet.watch.snapshot import HostSnapshot

#: A file's time is that of the kernel's last tick, and may be a little before the clock's.
FILE_TIME_SLACK_S = 1.0


def find_run(host: HostSnapshot, observation: Observation) -> str:
    """Return the run that worked on a host since the last look that probed it; empty for none.

    Runs of other controllers are known only if they hold the host's lock during a look.

    Args:
        host: What was known of it.
        observation: The look that has ended.
    """
    for look in (observation, host.last):
        lock = look.observed.lock if look and look.was_probed and look.observed else None
        if lock and lock.age <= lock.lease:
            return lock.run
    is_other_boot = observation.boot_id not in ("", host.state.boot_id)
    if not is_other_boot or host.state.last_probed is None:
        return ""
    return find_run_since(host.name, host.state.last_probed)


def find_failure_since(host: str, since: float) -> str:
    """Return the code with which the latest run of this site failed on a host; empty for none.

    Args:
        host: Name of the host.
        since: Only of runs whose journal was written after this, in seconds since the epoch.
    """
    for folder in list_runs():
        with suppress(OSError):
            if (folder / JOURNAL_FILE).stat().st_mtime < since - FILE_TIME_SLACK_S:
                continue
            failures = [
                event.code
                for event in iterate_events(folder)
                if isinstance(event, HostFailure) and event.host == host and event.time >= since
            ]
            if failures:
                return failures[-1]
    return ""


def find_run_since(host: str, since: float) -> str:
    """Return the latest run of this site that changed a host after a time; empty for none.

    Args:
        host: Name of the host.
        since: The time, in seconds since the epoch.
    """
    for folder in list_runs():
        with suppress(OSError):
            if (folder / JOURNAL_FILE).stat().st_mtime < since - FILE_TIME_SLACK_S:
                continue
            for event in iterate_events(folder):
                if isinstance(event, StageStarted) and event.host == host and event.time >= since:
                    return folder.name
    return ""
