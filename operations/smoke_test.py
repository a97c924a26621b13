"""The proof of a host: cards, driver, a computation on each card, and the model's answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pyinfra.api import operation

from fleet.release import compatibility, host_paths, snapshot
from fleet.release.model import compute_digest
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.store.measure import measure_file
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.host.scripts import SCRIPTS_DIR
from operations.stage import Decision, HostOptions, OperationCommands, Stage, reprobe
from operations.transfer.upload import Upload

#: stamps that say what came of a smoke test, not what it stands on
RESULT_STAMPS = ("smoke", "cards", "good", "good-before", "validation")


def input_digest(target: ReleaseTarget, facts: HostFacts) -> str:
    """Everything a passed smoke stands on."""
    return compute_digest(
        [
            target.release.digest,
            facts.boot_id,
            facts.loaded_driver,
            len(target.card_numbers(len(facts.present_cards))),
            facts.container.id if facts.container else "",
            {k: v for k, v in facts.stamps.items() if k not in RESULT_STAMPS},
            facts.files,
        ]
    )[:16]


def has_passed(target: ReleaseTarget, facts: HostFacts) -> bool:
    """Whether the model has answered as everything is now."""
    return facts.stamps.get("smoke") == input_digest(target, facts)


def decide(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Decision:
    if not has_passed(target, facts):
        return ["ask the model"]
    if options.smoke == "always":
        return ["ask the model again"]
    return []


def act(target: ReleaseTarget, facts: HostFacts, options: HostOptions) -> Iterator[HostCommand]:
    release = target.release
    check = SCRIPTS_DIR / "devices.py"
    name, smoke = release.container.name, release.smoke
    count = str(len(target.card_numbers(len(facts.present_cards))))
    kept = snapshot.write_snapshot(HostTarget(target.releases, target.store))
    yield Upload(
        "device check",
        [
            (check, f"{host_paths.SHARED_FOLDER}/devices.py", measure_file(check).sha256),
            (kept, f"{host_paths.SNAPSHOTS_FOLDER}/{kept.name}", measure_file(kept).sha256),
        ],
    )
    yield RemoteJob(
        "level 1: driver health",
        "smoke-driver",
        code="DRIVER_NOT_PROVED",
        timeout=60,
        check_output=partial(
            compatibility.verify_cnmon_output,
            driver=release.driver.version,
            cards=len(facts.present_cards),
        ),
    )
    yield RemoteJob(
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
    yield RemoteJob(
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
    after = reprobe(target)
    others = ((other, after.beside.get(other.key)) for other in target.other_releases)
    if all(seen and has_passed(other, seen) for other, seen in others):
        images = dict.fromkeys(part.lock.image.id for part in target.releases)
        yield RemoteJob(
            "remembering what this host is",
            "remember",
            target.host_identity,
            *images,
            libraries="images",
            code="SMOKE_ANSWER",
        )
    yield RemoteJob(
        "stamping the smoke test",
        "stamp",
        "cards",
        " ".join(card.address for card in facts.present_cards),
        "smoke",
        input_digest(target, reprobe(target)),
        code="SMOKE_ANSWER",
    )


STAGE = Stage("smoke", decide, act, "SMOKE_ANSWER")


@operation()
def passed(target: ReleaseTarget, options: HostOptions) -> OperationCommands:
    """The model has answered, on this release, container and boot."""
    yield from STAGE.converge(target, options)
