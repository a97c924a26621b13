"""The proof of a host: cards, driver, a computation on each card, and the model's answer."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.lock import measure
from fleet.release import digest
from fleet.wanted import Wanted
from operations import layout
from operations.scripts import SCRIPTS, script
from operations.stage import Body, Decision, Options, Stage, Step, again
from operations.state import HostState
from operations.transfer import Upload


def inputs(wanted: Wanted, state: HostState) -> str:
    """Everything a passed smoke stands on."""
    return digest(
        [
            wanted.release.digest,
            state.boot,
            state.loaded,
            len(state.present),
            state.container.id if state.container else "",
            {k: v for k, v in state.stamps.items() if k != "smoke"},
            state.files,
        ]
    )[:16]


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    if state.stamps.get("smoke") != inputs(wanted, state):
        return ["ask the model"]
    if options.smoke == "always":
        return ["ask the model again"]
    return []


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    release = wanted.release
    check = SCRIPTS / "devices.py"
    name, smoke, count = release.container.name, release.smoke, str(len(state.present))
    yield Upload("device check",
                 [(check, f"{layout.SHARED}/devices.py", measure(check).sha256)])  # fmt: skip
    yield Step("level 1: driver health",
               script("smoke-driver", release.driver.version, count, timeout=60),
               "DRIVER_NOT_PROVED")  # fmt: skip
    yield Step("level 2: a computation on every card",
               script("smoke-devices", name, release.image.python,
                      f"{layout.SHARED_IN_CONTAINER}/devices.py", count, timeout=300),
               "SMOKE_DEVICES")  # fmt: skip
    environment = [f"{k}={v}" for k, v in sorted(smoke.environment.items())]
    yield Step(
        "level 2: asking the model (loading weights can take ten minutes)",
        script(
            "smoke-model", name, release.image.python.rsplit("/", 1)[0], smoke.workdir,
            smoke.kind, smoke.expect, smoke.artefact or smoke.url or "", str(smoke.timeout),
            *environment, *smoke.command, timeout=smoke.timeout + 60,
        ),
        "SMOKE_ANSWER",
        stdin=smoke.stdin,
    )  # fmt: skip
    yield Step("stamping the smoke test",
               script("stamp", "smoke", inputs(wanted, again(wanted))), "SMOKE_ANSWER")  # fmt: skip


STAGE = Stage("smoke", decide, act, "SMOKE_ANSWER")


@operation()
def passed(wanted: Wanted, options: Options) -> Body:
    """The model has answered, on this release, container and boot."""
    yield from STAGE.carry(wanted, options)
