"""What a run means for its fleet, in a sentence."""

from __future__ import annotations

from fleet.language import N_, _
from mlufleet.report.model import Report

#: exit status -> what it means for the fleet
VERDICTS = {
    0: N_("Every host is in its desired state"),
    1: N_("The run ended with an internal error"),
    2: N_("Some hosts are not in their desired state"),
    3: N_("Inventory, release, lock file or store is invalid; no host was contacted"),
    4: N_("Some hosts are unreachable, none failed"),
    5: N_("Stopped by the failure budget or by --keep-serving, or rolled back"),
    130: N_("Interrupted"),
}
#: kind of a run -> what it means for the fleet that each host passed, if that is not VERDICTS[0]
PASSED_VERDICTS = {
    "adoption": N_("Every host is adopted, and in its desired state"),
    "retirement": N_("Every host is retired"),
    "rollback": N_("Every host is back at its rollback target"),
}


def run_verdict(report: Report) -> str:
    """Return what a run means for its fleet.

    Args:
        report: Report of the run; of its hosts, the statuses are enough.
    """
    if report.exit is None or report.ended is None:
        return _("The run has not ended, or was killed")
    if report.dry and report.exit == 0:
        if report.kind == "retirement":
            return _("Every host could be retired")
        return _("Every host could be brought to its desired state")
    counts, total = report.counts, len(report.hosts)
    if report.exit == 2 and (failed := counts.get("failed")):
        if report.dry:
            return _("{count} of {total} hosts would be refused", count=failed, total=total)
        return _("{count} of {total} hosts failed", count=failed, total=total)
    if report.exit == 4 and (missing := counts.get("unreachable")):
        return _("{count} of {total} hosts unreachable, none failed", count=missing, total=total)
    if report.exit == 0:
        return _(PASSED_VERDICTS.get(report.kind, VERDICTS[0]))
    if report.exit in VERDICTS:
        return _(VERDICTS[report.exit])
    return _("Exit status {status}", status=report.exit)
