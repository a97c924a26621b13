"""Decides what a retirement removes and what stays: functions of what was found, without a host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fleet.language import N_, _, n_
from fleet.release.serve import LONGEST_STOP_S
from fleet.text import word_lists
from operations.host.job import RemoteJob
from operations.retirement.model import (
    Remainder,
    RetirementOptions,
    RetirementPlan,
    StepPlan,
    Trace,
)
from operations.retirement.state_folder import RemoveState
from operations.retirement.traces import option_words

T = TypeVar("T")
#: state of a trace that is provably as this tool left it
OURS = "ours"
#: kinds that are not named when they stay: each would only repeat another one, or says nothing
_SILENT_KINDS = ("folder", "state", "record", "module")
#: what is done to things of most kinds
_REMOVAL = N_("remove {what}")
#: what is done to things of a kind, where they are not removed
_ACTIONS = {
    **dict.fromkeys(("config", "adopted", "kept"), N_("put back {what}")),
    "module": N_("unload {what}"),
}
#: how things of a kind are called
_KINDS = {
    "config": N_("setting {name}"),
    "mount": N_("file system {name}"),
    "kept": N_("what was at {name}"),
    "tag": N_("image name {name}"),
    "unit": N_("unit {name}"),
    "container": N_("container {name}"),
    "image": N_("image {name}"),
    "tree": N_("tree {name}"),
    "checkout": N_("checkout {name}"),
    "file": N_("file {name}"),
    "package": N_("package {name}"),
    "module": N_("module {name}"),
    "data": N_("data {name}"),
    "group": N_("group {name}"),
    "folder": N_("folder {name}"),
}
#: kinds whose names say enough
_PLAIN_KINDS = ("adopted", "aside", "link")
_ADOPTED_CONTAINER = "container:"
#: kind of a link in place of the state folder
_LINK = "link"
#: names that one job gets at most, so that they fit on a command line
_NAMES_PER_JOB = 200
#: hexadecimal digits of an image id that are shown
_SHOWN_ID_DIGITS = 12
#: seconds that a step may take: packages run their own scripts, docker deletes layers
_STEP_TIMEOUT_S = 3600


@dataclass(frozen=True)
class Step:
    """One step of a retirement: things of some kinds, which go together.

    Attributes:
        name: The step's name in reports, journals and on the terminal.
        kinds: The kinds of traces that it removes or puts back, in that order.
        group: Only traces of this group; "" for those of no group and of weights.
    """

    name: str
    kinds: tuple[str, ...]
    group: str = ""

    def takes(self, trace: Trace) -> bool:
        """Return whether the step is about a trace.

        Args:
            trace: What was found.
        """
        return trace.kind in self.kinds and trace.group in (self.group, self.group or "weights")


#: the first one: it completes the record of a host that a version without one has provisioned
RECORD_STEP = "record"
#: in the order that leaves a host usable after each of them
STEPS = (
    Step(RECORD_STEP, ("record",)),
    Step("containers", ("unit", "container")),
    Step("images", ("image", "tag")),
    Step("trees", ("tree",)),
    Step("checkouts", ("checkout",)),
    Step("files", ("file",)),
    Step("settings", ("config",)),
    Step("originals", ("adopted", "kept")),
    Step("driver", ("package", "config", "kept", "module"), group="driver"),
    Step("engine", ("package", "unit", "config", "data", "group"), group="engine"),
    Step("folders", ("folder",)),
)
#: the last one, which needs the audit log on the controller first
STATE_STEP = "state"


def decide(
    traces: Sequence[Trace], options: RetirementOptions, expected: Sequence[str] = ()
) -> RetirementPlan:
    """Decide what goes and what stays.

    Args:
        traces: What this tool left on the host.
        options: What the operator allows.
        expected: What the host's releases make, line by line, to complete its record.
    """
    going = [trace for trace in traces if _goes(trace, options)]
    left = tuple(_list_left(traces, going, options))
    steps = []
    for step in STEPS:
        if found := [trace for trace in going if step.takes(trace)]:
            if step.name == RECORD_STEP:
                steps.append(_plan_record(found, expected))
            else:
                steps.append(_plan(step, found, options))
    # a link of somebody to the state folder is named, but nothing that the record says
    recorded = [trace for trace in traces if trace.kind != _LINK]
    keeps_record = any(True for _left in _list_left(recorded, going, options))
    if steps or _has_state_to_remove(traces, keeps_record):
        words = (_state_words(keeps_record),)
        steps.append(StepPlan(STATE_STEP, words, lambda: [RemoveState(keeps_record)]))
    return RetirementPlan(tuple(steps), left)


def _goes(trace: Trace, options: RetirementOptions) -> bool:
    allowed = {
        "weights": not options.keep_weights,
        "driver": options.driver,
        "engine": options.engine,
    }
    return trace.state == OURS and allowed.get(trace.group, True)


def _plan(step: Step, traces: list[Trace], options: RetirementOptions) -> StepPlan:
    # what lies inside something goes before it
    ordered = sorted(traces, key=lambda t: (step.kinds.index(t.kind), -t.name.count("/")))

    def commands() -> Iterator[RemoteJob]:
        containers = [trace for trace in ordered if trace.name.startswith(_ADOPTED_CONTAINER)]
        for trace in containers:
            container = trace.name.removeprefix(_ADOPTED_CONTAINER)
            yield RemoteJob(
                _("putting a container back"),
                "container",
                "put-back",
                container,
                code="NOT_RETIRED",
            )
        others = [trace for trace in ordered if trace not in containers]
        for some in _split(others):
            yield RemoteJob(
                _("retiring {step}", step=step.name),
                "remove-made",
                ",".join(option_words(options)),
                stdin="".join(f"{trace.kind}\t{trace.name}\n" for trace in some),
                code="NOT_RETIRED",
                timeout=_STEP_TIMEOUT_S + _limit_stops(some),
            )

    return StepPlan(step.name, tuple(_describe(ordered)), commands)


def _limit_stops(traces: Iterable[Trace]) -> int:
    """Return how many seconds the containers among some things may take to end."""
    return sum(trace.kind == "container" for trace in traces) * LONGEST_STOP_S


def _plan_record(found: list[Trace], expected: Sequence[str]) -> StepPlan:
    def commands() -> Iterator[RemoteJob]:
        parts = [*_split(expected)] or [[]]
        for number, part in enumerate(parts, 1):
            yield RemoteJob(
                _("recording what an earlier version has made"),
                "recall-made",
                *(["complete"] if number == len(parts) else []),
                stdin="".join(f"{line}\n" for line in part),
                code="NOT_RETIRED",
            )

    words = tuple(_("complete the record {trace}", trace=trace.name) for trace in found)
    return StepPlan(RECORD_STEP, words, commands)


def _split(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(items), _NAMES_PER_JOB):
        yield items[first : first + _NAMES_PER_JOB]


def _describe(traces: list[Trace]) -> Iterator[str]:
    """Yield a phrase for each thing; files are many, and are counted by folder."""
    file_counts: dict[str, int] = {}
    if packages := [trace.name for trace in traces if trace.kind == "package"]:
        yield _("remove packages: {packages}", packages=word_lists.join_words(packages))
    for trace in traces:
        if trace.kind == "file":
            folder = trace.name.rpartition("/")[0]
            file_counts[folder] = file_counts.get(folder, 0) + 1
        elif trace.kind != "package":
            yield _(_ACTIONS.get(trace.kind, _REMOVAL), what=_name(trace))
    for folder, count in file_counts.items():
        yield n_(
            "remove {count} file in {folder}",
            "remove {count} files in {folder}",
            count,
            folder=folder,
        )


def _list_left(
    traces: Iterable[Trace], going: list[Trace], options: RetirementOptions
) -> Iterator[Remainder]:
    """Yield what stays; what an option would remove is named once for each option."""
    groups: dict[str, list[Trace]] = {}
    for trace in traces:
        if trace in going or trace.kind in _SILENT_KINDS:
            continue
        if trace.state == OURS:
            groups.setdefault(trace.group, []).append(trace)
        else:
            reason = f"{trace.state}: {trace.detail}" if trace.detail else trace.state
            yield Remainder(_name(trace), reason)
    for group, some in groups.items():
        names = ", ".join(dict.fromkeys(trace.name for trace in some if trace.kind == "package"))
        count = f"{len(some)} {some[0].kind}{'s' * (len(some) != 1)}"
        what = f"{group}: {names or count}"
        if group == "weights":
            yield Remainder(
                what, _("--keep-weights was given"), _("retire without it removes them")
            )
        else:
            yield Remainder(
                what,
                _("--{group} was not given", group=group),
                _("retire --{group} removes it", group=group),
            )


def _name(trace: Trace) -> str:
    name = trace.name
    if trace.kind == "image":  # as docker shows it
        name = name.removeprefix("sha256:")[:_SHOWN_ID_DIGITS]
    if trace.kind in _PLAIN_KINDS:
        return name
    words = _KINDS.get(trace.kind)
    return _(words, name=name) if words else f"{trace.kind} {name}".strip()


def _has_state_to_remove(traces: Iterable[Trace], keeps_record: bool) -> bool:
    """Whether the state folder is there with more than what belongs to things that stay."""
    states = [trace for trace in traces if trace.kind == "state"]
    return any(trace.state == OURS or not keeps_record for trace in states)


def _state_words(keeps_record: bool) -> str:
    if keeps_record:
        return _("remove the state of mlu-fleet, but for the record of what stays")
    return _("remove the state of mlu-fleet")
