"""What a retirement may do, what it found, and what it will do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from operations.host.command import HostCommand


@dataclass(frozen=True)
class RetirementOptions:
    """What the operator allows beyond what every retirement does.

    Attributes:
        keep_weights: Leave the files of weights on the host.
        driver: Remove the driver, with everything that was installed for it.
        engine: Remove docker, if this tool installed it and nothing else uses it.
    """

    keep_weights: bool = False
    driver: bool = False
    engine: bool = False


@dataclass(frozen=True)
class Trace:
    """One thing that this tool made or changed on a host, and what became of it.

    Attributes:
        kind: What it is, such as "container", "checkout" or "file".
        name: Its name or path.
        group: What it belongs to, such as "weights", "driver" or "engine"; "" for nothing.
        state: "ours" if it is provably as this tool left it; else why it is not to be removed, such
            as "edited".
        detail: What was seen: the edited paths, the other users; "" for nothing.
    """

    kind: str
    name: str
    group: str
    state: str
    detail: str


@dataclass(frozen=True)
class Remainder:
    """Something that stays on a host, and why.

    Attributes:
        what: The thing, such as "checkout /data/transformers".
        reason: Why it stays.
        remedy: An option or a command that would remove it; "" if there is none.
    """

    what: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True)
class StepPlan:
    """What one step of a retirement does.

    Attributes:
        step: The step's name in reports, journals and on the terminal.
        words: What would go, a short phrase each.
        commands: Gives the commands, when the step runs.
    """

    step: str
    words: tuple[str, ...]
    commands: Callable[[], Iterable[HostCommand]]


@dataclass(frozen=True)
class RetirementPlan:
    """Everything that a retirement does to a host; false if nothing is left to do.

    Attributes:
        steps: What is to be done, in order; only steps that have something to do.
        left: What stays on the host, and why.
    """

    steps: tuple[StepPlan, ...] = ()
    left: tuple[Remainder, ...] = ()

    @property
    def words(self) -> list[str]:
        """What would go, as the operator and the journal read it."""
        return [phrase for step in self.steps for phrase in step.words]

    @property
    def drift(self) -> dict[str, list[str]]:
        """Name of each step -> what it would do, in the form in which a stage's drift is given."""
        return {step.step: list(step.words) for step in self.steps}

    def __bool__(self) -> bool:
        return bool(self.steps)

    def find_step(self, name: str) -> StepPlan | None:
        """Return what a step does; None if it has nothing to do.

        Args:
            name: The step's name.
        """
        return next((step for step in self.steps if step.step == name), None)
