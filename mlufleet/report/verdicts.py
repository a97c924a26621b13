"""What a run means for its fleet, in a sentence."""

from __future__ import annotations

from mlufleet.report.model import Report

#: exit status -> what it means for the fleet
VERDICTS = {
    0: "Every host is in its desired state",
    1: "The run ended with an internal error",
    2: "Some hosts are not in their desired state",
    3: "Inventory, release, lock file or store is invalid; no host was contacted",
    4: "Some hosts are unreachable, none failed",
    5: "Stopped by the failure budget or by --keep-serving, or rolled back",
    130: "Interrupted",
}
#: kind of a run -> what it means for the fleet that each host passed, if that is not VERDICTS[0]
PASSED_VERDICTS = {
    "adoption": "Every host is adopted, and in its desired state",
    "retirement": "Every host is retired",
}


def run_verdict(report: Report) -> str:
    """Return what a run means for its fleet.

    Args:
        report: Report of the run; of its hosts, the statuses are enough.
    """
    if report.exit is None or report.ended is None:
        return "The run has not ended, or was killed"
    if report.dry and report.exit == 0:
        goal = "retired" if report.kind == "retirement" else "brought to its desired state"
        return f"Every host could be {goal}"
    counts, total = report.counts, len(report.hosts)
    if report.exit == 2 and (failed := counts.get("failed")):
        return f"{failed} of {total} hosts {'would be refused' if report.dry else 'failed'}"
    if report.exit == 4 and (missing := counts.get("unreachable")):
        return f"{missing} of {total} hosts unreachable, none failed"
    if report.exit == 0:
        return PASSED_VERDICTS.get(report.kind, VERDICTS[0])
    return VERDICTS.get(report.exit, f"Exit status {report.exit}")
