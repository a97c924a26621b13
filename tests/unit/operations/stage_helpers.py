"""What a stage decides and which commands it gives, in the words of tests."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from types import ModuleType

from pyinfra.api.command import PyinfraCommand

from fleet.errors import Failure
from fleet.language import english
from fleet.release.target import HostTarget, ReleaseTarget
from operations.card_users import WaitForCards
from operations.host.facts import HostFacts, ReleaseFacts
from operations.host.file_edit import EditFile
from operations.host.job import RemoteJob
from operations.host.probe import CONTAINER_TEMPLATE
from operations.image_pull import AllowInsecureRegistry
from operations.reboot import Reboot
from operations.stage import Decision, FailHost, HostOptions, HostSpec, HostStage
from operations.transfer.upload import Upload


def as_spec(
    target: HostTarget | ReleaseTarget,
    options: HostOptions = HostOptions(),  # noqa: B008
) -> HostSpec:
    """Return the desired state of a host with one release, or with the releases of a target."""
    if isinstance(target, ReleaseTarget):
        target = HostTarget((target,), target.store)
    return HostSpec(target, options)


def as_host(target: ReleaseTarget) -> HostTarget:
    """Return the target of a host that has this release alone."""
    return as_spec(target).target


def only(facts: HostFacts) -> ReleaseFacts:
    """Return the facts of the host's only release."""
    (release,) = facts.releases.values()
    return release


def plan(
    module: ModuleType,
    target: HostTarget | ReleaseTarget,
    facts: HostFacts,
    options: HostOptions = HostOptions(),  # noqa: B008
) -> Decision:
    """Return what the stage of a module decides about a host, or about its first release."""
    spec, stage = as_spec(target, options), module.STAGE
    bound = stage.bind(spec.target if isinstance(stage, HostStage) else spec.target.primary)
    decision: Decision = bound.decide(spec, facts)
    return decision


def plan_words(
    module: ModuleType,
    target: HostTarget | ReleaseTarget,
    facts: HostFacts,
    options: HostOptions = HostOptions(),  # noqa: B008
) -> Failure | list[str]:
    """Return the words of what a stage decides, or its failure."""
    decision = plan(module, target, facts, options)
    return decision if isinstance(decision, Failure) else decision.words


def plan_commands(
    module: ModuleType,
    target: HostTarget | ReleaseTarget,
    facts: HostFacts,
    options: HostOptions = HostOptions(),  # noqa: B008
    later: Sequence[HostFacts] = (),
    output: Sequence[str] = (),
) -> list[PyinfraCommand]:
    """Return the commands of a stage, up to one that fails the host.

    Args:
        later: What the probes find that follow while the commands run; the last one stays.
        output: What each job prints that is checked.
    """
    decision = plan(module, target, facts, options)
    assert not isinstance(decision, Failure), decision
    probes = [*later] or [facts]

    def reprobe() -> HostFacts:
        return probes.pop(0) if len(probes) > 1 else probes[0]

    given: list[PyinfraCommand] = []
    for action in decision.actions:
        for command in action.commands(reprobe):
            given.append(command)
            if isinstance(command, FailHost):
                return given
            if output and isinstance(command, RemoteJob) and command.check_output:
                command.check_output(list(output))
    return given


def render(command: PyinfraCommand) -> str:
    """Return one command as a test case writes it; digests are left out."""
    if isinstance(command, RemoteJob):
        text = shlex.join((command.script_name, *command.arguments))
    elif isinstance(command, Upload):
        text = " ".join(["upload", *(dest for _, dest, _ in command.files.values())])
    elif isinstance(command, EditFile):
        verb = "edit" if command.change else "copy to"
        text = " ".join(filter(None, (verb, command.creates, command.path)))
        if origin := command.origin:
            text += f" from {origin.checkout} {origin.commit} {origin.path}"
    elif isinstance(command, Reboot):
        text = f"reboot: {english(command.reason)}"
    elif isinstance(command, AllowInsecureRegistry):
        text = f"allow-registry {command.registry}"
    elif isinstance(command, WaitForCards):
        text = f"wait {command.timeout} s for the cards"
    else:
        assert isinstance(command, FailHost)
        text = f"fail {command.failure.code}"
    return hide_digests(text.replace(CONTAINER_TEMPLATE, "TEMPLATE"))


def hide_digests(text: str) -> str:
    """Return a text without digests, which differ between machines."""
    return re.sub(r"(sha256:)?\b[0-9a-f]{12,64}\b", "HEX", text)
