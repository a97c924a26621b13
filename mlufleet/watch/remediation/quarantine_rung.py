"""The last rung: a host is marked, and then a hook of the site is run, each once.

What is done is written down step by step: that the mark is to be written, which may be repeated
without harm, and that the hook begins, which is not. A hook whose end a killed watch has not seen
is told as lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fleet.errors import InvalidInput
from fleet.language import _, english
from fleet.text import sanitize
from mlufleet.watch.decision import (
    DONE,
    FAILED,
    HOOK,
    LOST,
    QUARANTINE,
    RUNNING,
    UNMARKED,
    Decision,
)
from mlufleet.watch.quarantine_marks import QuarantineMarks
from mlufleet.watch.remediation.rung_process import RungProcess

#: tell the process of the hook which one, and how long it may take; mlufleet/cli has the same names
HOOK_VARIABLE, TIMEOUT_VARIABLE = "MLUFLEET_QUARANTINE_HOOK", "MLUFLEET_QUARANTINE_HOOK_TIMEOUT"


@dataclass(frozen=True)
class Hook:
    """A command of the site for hosts that are taken out of service.

    Attributes:
        command: Shell command.
        timeout_s: Seconds that it may take.
    """

    command: str
    timeout_s: int


class QuarantineRung:
    """Takes hosts out of service, one step after the other.

    Args:
        marks: The hosts in quarantine.
        inventory: File of the inventory.
        command: Starts `mlufleet`.
        hook: What is run for each host; None for nothing.
    """

    def __init__(
        self, marks: QuarantineMarks, inventory: str, command: Sequence[str], hook: Hook | None
    ) -> None:
        self.marks, self.inventory, self.command, self.hook = marks, inventory, command, hook
        #: number of a decision -> its hook that runs
        self._hooks: dict[int, RungProcess] = {}
        #: decisions whose hook begins as soon as that is written
        self._due: set[int] = set()
        #: number of a decision -> why its hook could not be started
        self._errors: dict[int, str] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a hook runs."""
        return bool(self._hooks)

    def close(self) -> None:
        """Leave the hooks alone that run."""
        for process in self._hooks.values():
            process.close()
        self._hooks.clear()

    def is_due(self, decision: Decision) -> bool:
        """Return whether there is something to do, or to wait for.

        Args:
            decision: A decision for a quarantine.
        """
        return decision.outcome in (RUNNING, HOOK)

    def is_ended(self, decision: Decision) -> bool:
        """Return whether a decision has led to a mark, and is over as far as the watch goes.

        Args:
            decision: Any decision.
        """
        is_marked = decision.outcome in (DONE, FAILED, LOST)
        return decision.rung == QUARANTINE and is_marked

    def go_on(self, decision: Decision, now: float) -> tuple[Decision, str]:
        """Take the next step, and return what is known then, and a line for the operator.

        Args:
            decision: A decision for a quarantine that :meth:`is_due`.
            now: The time, in seconds since the epoch.
        """
        if decision.outcome == RUNNING:
            return self._mark(decision, now)
        if error := self._errors.pop(decision.number, ""):
            return self._end(
                decision, FAILED, now, _("the hook cannot be started: {error}", error=error)
            )
        process = self._hooks.get(decision.number)
        if process is None:
            return self._end(decision, LOST, now, _("the hook was begun, its end is not known"))
        status = process.poll()
        if status is None:
            return decision, ""
        del self._hooks[decision.number]
        last_line = process.read_last_line()
        process.close()
        said = ""
        if status:
            said = _(
                "the hook ended with status {status}: {line}",
                status=status,
                line=last_line,
            )
        return self._end(decision, FAILED if status else DONE, now, said)

    def is_waiting(self, decision: Decision) -> bool:
        """Return whether the hook of a host has not begun, as that was not written before.

        Args:
            decision: A decision for a quarantine.
        """
        return decision.number in self._due

    def begin_hook(self, decision: Decision) -> None:
        """Begin the hook of a host, as that is written down now.

        Args:
            decision: A decision that :meth:`is_waiting`.
        """
        assert self.hook
        self._due.remove(decision.number)
        words = [*self.command, "host", "quarantine-hook", self.inventory, decision.host]
        variables = {
            HOOK_VARIABLE: self.hook.command,
            TIMEOUT_VARIABLE: str(self.hook.timeout_s),
        }
        why = f"watch: {QUARANTINE}: {english(decision.reason)}"
        try:
            self._hooks[decision.number] = RungProcess(words, why, variables)
        except OSError as error:
            self._errors[decision.number] = str(error)

    def _mark(self, decision: Decision, now: float) -> tuple[Decision, str]:
        from fleet.quarantine import MAX_REASON, WATCH, Quarantine

        code = decision.problems[0].partition(" ")[0] if decision.problems else ""
        reason = sanitize.escape_line(decision.reason)[:MAX_REASON].strip()
        entry = Quarantine.begin(WATCH, reason, code, decision.time)
        try:
            found = self.marks.add(decision.host, entry)
        except InvalidInput as error:
            return self._end(decision, UNMARKED, now, str(error))
        if found != entry or self.hook is None:  # somebody was faster: it is known to them
            return self._end(decision, DONE, now, "")
        self._due.add(decision.number)
        return replace(decision, outcome=HOOK), ""

    def _end(self, decision: Decision, outcome: str, now: float, said: str) -> tuple[Decision, str]:
        rung, words = _(QUARANTINE), _(outcome)
        line = _("{rung} {outcome}: {what}", rung=rung, outcome=words, what=said) if said else ""
        return replace(decision, outcome=outcome, ended=now), line
