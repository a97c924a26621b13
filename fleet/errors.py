"""Errors that a user can see, and the exit statuses of `mlufleet`.

- :class:`Failure` (a value): one host failed; the run continues with the others.
- :class:`InvalidInput` (an exception): inventory, release, lock file or store is invalid.

  - :class:`CodedInputError`: the same with a failure code and its remedy.

- :class:`PromptRefused` (an exception): pyinfra tried to ask the operator a question.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from typing_extensions import override

from fleet import error_patterns
from fleet.error_codes import (
    ACTIONS,
    DEFERRED_CODES,
    FAILURE_TABLE,
    SYMPTOM_CODES,
    canonical_code,
)
from fleet.language import Message, _, english
from fleet.text import sanitize

__all__ = [
    "ACTIONS",
    "DEFERRED_CODES",
    "FAILURE_TABLE",
    "SYMPTOM_CODES",
    "CodedInputError",
    "ExitStatus",
    "Failure",
    "InvalidInput",
    "PromptRefused",
    "canonical_code",
    "render_reference",
]


class ExitStatus(int, Enum):
    """Exit status of `mlufleet`; pyinfra itself only uses 0 and 1."""

    OK = 0
    INTERNAL = 1
    FAILED = 2
    INVALID = 3
    UNREACHABLE = 4
    STOPPED = 5
    INTERRUPTED = 130


@dataclass(frozen=True)
class Failure:
    """One failure of one host.

    Attributes:
        code: A key of :data:`~fleet.error_codes.FAILURE_TABLE`; old names are replaced.
        detail: What was found on this host.
        tail: The last output lines of the step that failed.
    """

    code: str
    detail: str = ""
    tail: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", canonical_code(self.code))
        if self.code not in FAILURE_TABLE:
            raise ValueError(f"unknown failure code {self.code}")
        # both may quote a host, a hook or a file, and are printed in several places
        object.__setattr__(self, "detail", sanitize.join_lines(self.detail))
        object.__setattr__(self, "tail", tuple(map(sanitize.escape_line, self.tail)))

    @property
    def sentence(self) -> str:
        """What happened: the meaning of the code, followed by the detail."""
        meaning = _(FAILURE_TABLE[self.code].meaning)
        if not self.detail:
            return meaning
        return _("{meaning}: {detail}", meaning=meaning, detail=self.detail)

    @property
    def remedy(self) -> str:
        """What to do: the remedy for the quoted output if it is known, else the code's."""
        output = "\n".join((english(self.detail), *self.tail))
        return error_patterns.find_remedy(self.code, output) or _(FAILURE_TABLE[self.code].remedy)


class PromptRefused(EOFError):
    """pyinfra tried to prompt the operator, which a run must never wait for."""


class InvalidInput(Exception):
    """Inventory, release, lock file or store is invalid; no host was changed (exit status 3).

    Control characters in quoted input are escaped when the message is shown.
    """

    @override
    def __str__(self) -> str:
        only = self.args[0] if len(self.args) == 1 else None
        return sanitize.escape_text(only if isinstance(only, Message) else super().__str__())


class CodedInputError(InvalidInput):
    """Invalid input with a failure code; its message includes the remedy."""

    def __init__(self, code: str, detail: str = "") -> None:
        """Create the error.

        Args:
            code: A key of :data:`~fleet.error_codes.FAILURE_TABLE`.
            detail: What was found; appended to the meaning of the code.
        """
        self.failure = Failure(code, detail)
        super().__init__(
            _(
                "{code}: {sentence}\n  remedy: {remedy}",
                code=code,
                sentence=self.failure.sentence,
                remedy=self.failure.remedy,
            )
        )


def render_reference() -> str:
    """Render all failure codes and known error messages as Markdown (docs/failures.md)."""
    rows = [
        f"| {code} | {_(info.meaning)} | {error_patterns.escape_pipes(_(info.remedy))} "
        f"| {info.action} |"
        for code, info in FAILURE_TABLE.items()
    ]
    titles = " | ".join((_("code"), _("meaning"), _("remedy"), _("action")))
    head = ["# " + _("Failure codes"), "", f"| {titles} |", "|---|---|---|---|"]
    actions = ["", _("The suggested action says what the remedy comes to:"), ""]
    for action, meaning in ACTIONS.items():
        actions.append(_("- `{action}`: {meaning}", action=action, meaning=_(meaning)))
    return "\n".join([*head, *rows, *actions]) + "\n" + error_patterns.render_reference()
