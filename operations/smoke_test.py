"""The proof of a release: cards, driver, a computation on each card, and the model's answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pyinfra.api import operation

from fleet.language import _
from fleet.release import compatibility, endpoints, host_paths, snapshot
from fleet.release.model import compute_digest
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.store.measure import measure_file
from operations import engine, serving, verdict
from operations.host.command import HostCommand
from operations.host.facts import HostFacts
from operations.host.job import RemoteJob
from operations.host.scripts import SCRIPTS_DIR
from operations.stage import (
    Action,
    Decision,
    HostSpec,
    OperationCommands,
    Plan,
    ReleaseStage,
    Reprobe,
)
from operations.transfer.upload import Upload

#: stamps that smoke tests and validation write themselves; no inputs of a smoke test
RESULT_STAMPS = ("smoke", "cards", "good", "good-before", "validation", "serve", "serve-files")


def is_result(stamp: str) -> bool:
    """Return whether a stamp is no input of a smoke test.

    Args:
        stamp: Its name.
    """
    return stamp in RESULT_STAMPS or stamp.startswith(endpoints.FIGURES_STAMP.format(""))


def input_digest(target: ReleaseTarget, facts: HostFacts) -> str:
    """Return the digest of everything that a passed smoke test depends on.

    Args:
        target: The release.
        facts: The host.
    """
    found = facts.releases[target.key]
    return compute_digest(
        [
            target.release.digest,
            # the endpoints of a release that is served answer in each boot, or are started again
            "" if target.release.serve else facts.boot_id,
            facts.loaded_driver,
            len(target.card_numbers(len(facts.present_cards))),
            found.container.id if found.container else "",
            {name: value for name, value in found.stamps.items() if not is_result(name)},
            found.files,
        ]
    )[:16]


def has_passed(target: ReleaseTarget, facts: HostFacts) -> bool:
    """Return whether the model has answered with everything as it is now.

    Args:
        target: The release.
        facts: The host.
    """
    return facts.releases[target.key].stamps.get("smoke") == input_digest(target, facts)


def decide(spec: HostSpec, target: ReleaseTarget, facts: HostFacts) -> Decision:
    """Ask the model unless it has answered before and nothing has changed since.

    Args:
        spec: The desired state of the host; its option `smoke` may ask for another answer.
        target: The release.
        facts: The host.
    """
    if failure := engine.check_answers(target, facts.releases[target.key]):
        return failure
    if not has_passed(target, facts):
        words = _("ask the model")
    elif spec.options.smoke == "always":
        words = _("ask the model again")
    elif spec.options.smoke == "record" and target.key == spec.target.primary.key:
        return Plan((verdict.plan_placing(spec.target, facts),))
    else:
        return Plan()

    def commands(reprobe: Reprobe) -> Iterator[HostCommand]:
        # the cards have memory for one copy of the model
        yield from serving.drain(target, facts)
        yield _upload_check(spec.target)
        yield _check_driver(target, facts)
        yield _compute_on_cards(target, facts)
        yield _ask_model(target)
        yield from _record(spec.target, target, facts, reprobe)

    return Plan((Action((words,), commands),))


def _upload_check(host_target: HostTarget) -> Upload:
    """Upload the check's own script, and the snapshot that a later rollback needs."""
    check, document = SCRIPTS_DIR / "devices.py", snapshot.write_snapshot(host_target)
    folder = host_paths.SNAPSHOTS_FOLDER
    return Upload(
        _("device check"),
        [
            (check, f"{host_paths.SHARED_FOLDER}/devices.py", measure_file(check).sha256),
            (document, f"{folder}/{document.name}", measure_file(document).sha256),
        ],
    )


def _check_driver(target: ReleaseTarget, facts: HostFacts) -> RemoteJob:
    return RemoteJob(
        _("level 1: driver health"),
        "smoke-driver",
        code="DRIVER_NOT_PROVED",
        timeout=60,
        check_output=partial(
            compatibility.verify_cnmon_output,
            driver=target.release.driver.version,
            cards=len(facts.present_cards),
        ),
    )


def _compute_on_cards(target: ReleaseTarget, facts: HostFacts) -> RemoteJob:
    return RemoteJob(
        _("level 2: a computation on each of its cards"),
        "smoke-devices",
        target.release.container.name,
        target.release.image.python,
        f"{host_paths.SHARED_IN_CONTAINER}/devices.py",
        str(len(target.card_numbers(len(facts.present_cards)))),
        code="SMOKE_DEVICES",
        timeout=300,
    )


def _ask_model(target: ReleaseTarget) -> RemoteJob:
    release, smoke = target.release, target.release.smoke
    environment = [f"{name}={value}" for name, value in sorted(smoke.environment.items())]
    return RemoteJob(
        _("level 2: asking the model (loading weights can take ten minutes)"),
        "smoke-model",
        release.container.name,
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


def _record(
    host_target: HostTarget, target: ReleaseTarget, before: HostFacts, reprobe: Reprobe
) -> Iterator[HostCommand]:
    """Record that the release answers; once all releases do, that the host can be restored."""
    facts = reprobe()
    others = [release for release in host_target.releases if release.key != target.key]
    if all(has_passed(release, facts) for release in others):
        images = dict.fromkeys(release.lock.image.id for release in host_target.releases)
        yield RemoteJob(
            _("remembering what this host is"),
            "record-release",
            host_target.identity,
            *images,
            code="SMOKE_ANSWER",
        )
    yield RemoteJob(
        _("stamping the smoke test"),
        "place-verdict",
        "cards",
        " ".join(card.address for card in before.present_cards),
        "smoke",
        input_digest(target, facts),
        code="SMOKE_ANSWER",
        stdin=verdict.build_script(host_target, before),
    )


STAGE = ReleaseStage("smoke", decide, "SMOKE_ANSWER")


@operation()
def passed(spec: HostSpec, target: ReleaseTarget) -> OperationCommands:
    """Have the model answer on this release, container and boot.

    Args:
        spec: The desired state of the host.
        target: One of its releases.
    """
    yield from STAGE.bind(target).converge(spec)
