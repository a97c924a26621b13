from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.errors import Failure, InvalidInput
from fleet.proof import locking
from fleet.release import compatibility
from fleet.release import files as release_files
from fleet.release import lockfile as locks
from fleet.release.target import ReleaseTarget
from fleet.store.targets import load_release_target
from operations import preflight
from operations.host.facts import HostFacts
from operations.stage import HostOptions
from tests.unit import packaged
from tests.unit.conftest import REFERENCE
from tests.unit.operations.stage_helpers import plan_words


def image_of(wanted: ReleaseTarget, reference: str, **labels: str) -> ReleaseTarget:
    image = wanted.release.image.model_copy(update={"reference": reference})
    locked = wanted.lock.image.model_copy(update={"labels": labels})
    return replace(
        wanted,
        release=wanted.release.model_copy(update={"image": image}),
        lock=wanted.lock.model_copy(update={"image": locked}),
    )


@pytest.mark.parametrize(
    ("tag", "refused"),
    [
        ("v1.17.0-torch1.13.1-ubuntu20.04-py310", True),  # needs 5.10.22
        ("v1.15.0-torch1.9-ubuntu18.04-py37", True),
        ("v1.14.0-torch1.9-ubuntu18.04-py37", False),  # 5.10.10 itself
        ("v1.13.0-torch1.9-ubuntu18.04-py37-release", False),  # the driver is newer
        ("v1.99.0-torch1.9-ubuntu18.04-py37", False),  # unknown
    ],
)
def test_a_driver_older_than_the_table_has_for_the_image_is_refused(
    wanted: ReleaseTarget, tag: str, refused: bool
) -> None:
    made = image_of(wanted, f"yellow.hub.cambricon.com/pytorch/pytorch:{tag}")
    assert bool(compatibility.find_driver_problem(made.release, made.lock)) is refused


def test_the_images_own_label_comes_before_the_table(wanted: ReleaseTarget) -> None:
    label = {compatibility.DRIVER_LABEL: "5.10.6"}
    made = image_of(wanted, "example/pytorch:v1.17.0-torch1.13.1", **label)
    assert compatibility.find_driver_problem(made.release, made.lock) is None
    assert "5.10.6 or newer (its label" in compatibility.describe_required_driver(
        made.release, made.lock
    )


def test_what_nobody_knows_is_said_and_not_guessed(wanted: ReleaseTarget) -> None:
    assert compatibility.find_required_driver(wanted.release, wanted.lock) is None
    assert compatibility.describe_required_driver(wanted.release, wanted.lock).endswith(
        "is unknown"
    )


def archive(path: Path, first: str, labels: dict[str, str]) -> None:
    """An image archive with its own document before or after the manifest."""
    document = json.dumps({"config": {"Labels": labels}}).encode()
    name = hashlib.sha256(document).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": [REFERENCE], "Layers": []}]).encode()
    files = {name: document, "manifest.json": manifest}
    ordered = sorted(files, key=lambda member: member != (first or name))
    path.write_bytes(packaged.tarred(**{member: files[member] for member in ordered}))


@pytest.mark.parametrize("first", ["manifest.json", ""])
def test_too_old_a_driver_is_refused_before_anything_is_touched(site: Path, first: str) -> None:
    said = {"com.cambricon.driver": "v5.10.22", "maintainer": "x"}
    archive(site / "store/image.tar.gz", first, said)
    path = site / "small.yml"
    lock = locking.create_lock(release_files.load_document(path), site / "store")
    assert lock.image.labels == {"com.cambricon.driver": "v5.10.22"}
    locks.lock_path(path).write_text(lock.model_dump_json())
    with pytest.raises(InvalidInput, match=r"driver 5\.10\.10 is too old.*5\.10\.22 or newer"):
        load_release_target(str(path), str(site / "store"))


def test_the_drivers_of_the_tutorials_are_new_enough_for_their_images(
    wanted: ReleaseTarget,
) -> None:
    for path in release_files.RELEASES_FOLDER.glob("*.yml"):
        release = release_files.load_release(path)
        assert compatibility.find_required_driver(release, wanted.lock) is not None, path
        assert compatibility.find_driver_problem(release, wanted.lock) is None, path


def test_half_a_board_is_named_where_cards_are_missing(
    wanted: ReleaseTarget, bare: HostFacts
) -> None:
    one = replace(bare, cards=bare.cards[:1])
    seen = plan_words(preflight, wanted, one, HostOptions(cards=2))
    assert isinstance(seen, Failure) and seen.detail.endswith("a part of a board: MLU370-X8")
    whole = plan_words(preflight, wanted, bare, HostOptions(cards=4))
    assert isinstance(whole, Failure) and "a part" not in whole.detail


def test_a_card_is_known_by_its_subsystem_before_any_driver_is_there() -> None:
    assert (
        compatibility.find_card_model("0054") == "MLU370-X8"
        and compatibility.find_card_model("1234") == ""
    )
    assert (
        compatibility.describe_mixed_models(["MLU370-X8"] * 2)
        == compatibility.describe_mixed_models([])
        == ""
    )
    assert "(1 MLU370-X4, 2 MLU370-X8)" in compatibility.describe_mixed_models(
        ["MLU370-X4", "MLU370-X8", "MLU370-X8"]
    )
    assert compatibility.find_partial_boards(["0054"] * 3 + ["0057"]) == ["MLU370-X8"]
    assert compatibility.find_partial_boards(["0054", "0054", "1234"]) == []
