"""The proof of a host: cards, driver, a computation on each card, and the model's answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.release import compatibility, host_paths, snapshot
from fleet.release.lockfile import measure
from fleet.release.model import digest
from fleet.release.target import Wanted
from operations.host.facts import HostState
from operations.host.job import Step
from operations.host.scripts import SCRIPTS
from operations.stage import Body, Decision, Options, Stage, again
from operations.transfer.upload import Upload

#: stamps that say what came of a smoke test, not what it stands on
APART = ("smoke", "cards", "good", "good-before", "validation")


def inputs(wanted: Wanted, state: HostState) -> str:
    """Everything a passed smoke stands on."""
    return digest(
        [
            wanted.release.digest,
            state.boot,
            state.loaded,
            len(wanted.devices(len(state.present))),
            state.container.id if state.container else "",
            {k: v for k, v in state.stamps.items() if k not in APART},
            state.files,
        ]
    )[:16]


def proved(wanted: Wanted, state: HostState) -> bool:
    """Whether the model has answered as everything is now."""
    return state.stamps.get("smoke") == inputs(wanted, state)


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    if not proved(wanted, state):
        return ["ask the model"]
    if options.smoke == "always":
        return ["ask the model again"]
    return []


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    release = wanted.release
    check = SCRIPTS / "devices.py"
    name, smoke = release.container.name, release.smoke
    count = str(len(wanted.devices(len(state.present))))
    kept = snapshot.document(wanted)
    yield Upload(
        "device check",
        [
            (check, f"{host_paths.SHARED}/devices.py", measure(check).sha256),
            (kept, f"{host_paths.REMEMBERED}/{kept.name}", measure(kept).sha256),
        ],
    )
    yield Step(
        "level 1: driver health",
        "smoke-driver",
        code="DRIVER_NOT_PROVED",
        timeout=60,
        judge=partial(
            compatibility.proved, driver=release.driver.version, cards=len(state.present)
        ),
    )
    yield Step(
        "level 2: a computation on each of its cards",
        "smoke-devices",
        name,
        release.image.python,
        f"{host_paths.SHARED_IN_CONTAINER}/devices.py",
        count,
        code="SMOKE_DEVICES",
        timeout=300,
    )
    environment = [f"{k}={v}" for k, v in sorted(smoke.environment.items())]
    yield Step(
        "level 2: asking the model (loading weights can take ten minutes)",
        "smoke-model",
        name,
        release.image.python.rsplit("/", 1)[0],
        smoke.workdir,
        smoke.kind if smoke.echo else "plain",
        smoke.expect,
        smoke.artefact or smoke.url or "",
        str(smoke.timeout),
        *environment,
        *smoke.command,
        code="SMOKE_ANSWER",
        timeout=smoke.timeout + 60,
        stdin=smoke.stdin,
    )
    after = again(wanted)
    others = ((other, after.beside.get(other.slot)) for other in wanted.beside)
    if all(seen and proved(other, seen) for other, seen in others):
        images = dict.fromkeys(part.lock.image.id for part in wanted.parts)
        yield Step(
            "remembering what this host is",
            "remember",
            wanted.whole,
            *images,
            uses="images",
            code="SMOKE_ANSWER",
        )
    yield Step(
        "stamping the smoke test",
        "stamp",
        "cards",
        " ".join(card.address for card in state.present),
        "smoke",
        inputs(wanted, again(wanted)),
        code="SMOKE_ANSWER",
    )


STAGE = Stage("smoke", decide, act, "SMOKE_ANSWER")


@operation()
def passed(wanted: Wanted, options: Options) -> Body:
    """The model has answered, on this release, container and boot."""
    yield from STAGE.carry(wanted, options)
