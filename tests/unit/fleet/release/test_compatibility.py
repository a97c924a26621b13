from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.errors import Failure, InvalidInput
from fleet.proof import locking
from fleet.release import compatibility, image_stack
from fleet.release import files as release_files
from fleet.release import lockfile as locks
from fleet.release.target import ReleaseTarget
from fleet.store.targets import load_release_target
from mlufleet.cli.inventory import compatibility_notes
from mlufleet.cli.release_description import describe_release
from operations import preflight
from operations.host.facts import HostFacts
from operations.stage import HostOptions
from tests.unit import packaged
from tests.unit.conftest import LAYER, REFERENCE
from tests.unit.operations.stage_helpers import plan_words

#: releases whose documentation names no driver for their image
UNDOCUMENTED = {"paddlepaddle"}


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
    assert bool(image_stack.find_driver_problem(made.release, made.lock.image.labels)) is refused


def test_the_images_own_label_comes_before_the_table(wanted: ReleaseTarget) -> None:
    label = {image_stack.DRIVER_LABEL: "5.10.6"}
    made = image_of(wanted, "example/pytorch:v1.17.0-torch1.13.1", **label)
    assert image_stack.find_driver_problem(made.release, made.lock.image.labels) is None
    assert "5.10.6 or newer (its label" in image_stack.describe_required_driver(
        made.release.image.reference, made.lock.image.labels
    )


def test_what_nobody_knows_is_said_and_not_guessed(wanted: ReleaseTarget) -> None:
    reference = wanted.release.image.reference
    assert image_stack.find_required_driver(reference, {}) is None
    # a label that is no version states nothing
    label = {image_stack.DRIVER_LABEL: "newest"}
    assert image_stack.find_required_driver(reference, label) is None
    assert image_stack.describe_required_driver(reference, {}).endswith("is unknown")


def archive(path: Path, first: str, labels: dict[str, str]) -> None:
    """An image archive with its own document before or after the manifest."""
    document = json.dumps({"config": {"Labels": labels}}).encode()
    name = hashlib.sha256(document).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": [REFERENCE], "Layers": ["layer.tar"]}])
    files = {name: document, "manifest.json": manifest.encode(), "layer.tar": LAYER}
    ordered = sorted(files, key=lambda member: member != (first or name))
    path.write_bytes(packaged.tarred(**{member: files[member] for member in ordered}))


@pytest.mark.parametrize("first", ["manifest.json", ""])
def test_too_old_a_driver_is_refused_before_anything_is_touched(site: Path, first: str) -> None:
    said = {"com.cambricon.driver": "v5.10.6", "maintainer": "x"}
    archive(site / "store/image.tar.gz", first, said)
    path = site / "small.yml"
    lock = locking.create_lock(release_files.load_document(path), site / "store")
    assert lock.image.labels == {"com.cambricon.driver": "v5.10.6"}
    # a lock of an earlier version, which did not compare them
    text = lock.model_dump_json().replace("v5.10.6", "v5.10.22")
    locks.lock_path(path).write_text(text)
    with pytest.raises(InvalidInput, match=r"driver 5\.10\.10 is too old.*5\.10\.22 or newer"):
        load_release_target(str(path), str(site / "store"))


def test_the_drivers_of_the_tutorials_are_new_enough_for_their_images() -> None:
    unknown = set()
    for path in release_files.RELEASES_FOLDER.glob("*.yml"):
        release = release_files.load_release(path)
        assert image_stack.find_driver_problem(release, {}) is None, path
        if image_stack.find_required_driver(release.image.reference, {}) is None:
            unknown.add(path.stem)
    assert unknown <= UNDOCUMENTED


CONTAINER = "example/cambricon_pytorch_container"


@pytest.mark.parametrize(
    ("reference", "driver"),
    [
        ("cambricon/pytorch:v24.12-torch2.5.0-torchmlu1.24.0-ubuntu22.04-py310", None),
        (f"{CONTAINER}:v26.04.0-torch2.11.0-torchmlu1.32.2-ubuntu22.04-py310", None),
        (f"{CONTAINER}:v26.06.0-torch2.12.0-torchmlu1.33.1-ubuntu22.04-py310", "6.5.48"),
        ("harbor.example/flagos-runtime-cambricon-neuware4.4.3:2.2.0", "6.2.15"),
        ("harbor.example/vllm0.24.0-cambricon-neuware4.7.2:2.1.2", "6.5.48"),
        ("example/torch_mlu1.22.2:x", "6.2.0"),
        ("example/magicmind:1.6.0-x86_64-ubuntu18.04-py_3_7", "5.10.13"),
        ("example/device/paddle-mlu:ctr2.15.0-ubuntu20-gcc84-py310", None),
        # a year and a month are no version of Cambricon PyTorch
        ("example/pytorch:v1.17.0-torch1.13.1", "5.10.22"),
        ("example/pytorch:v17.0-torch1.13.1", None),
    ],
)
def test_an_image_is_known_by_the_versions_in_its_name(reference: str, driver: str | None) -> None:
    found = image_stack.find_required_driver(reference, {})
    assert (found and found.version) == driver


def test_an_unknown_image_is_called_that_with_what_is_next_to_it() -> None:
    sentence = image_stack.describe_required_driver(f"{CONTAINER}:v26.04-torchmlu1.32.2", {})
    assert "is unknown; torch_mlu 1.29.2 requires driver 6.2.15; torch_mlu 1.33.1" in sentence
    seen = image_stack.describe_required_driver("example/pytorch:v25.01-torchmlu1.24.1", {})
    assert "torch_mlu 1.24.1 was seen on MLU370 with driver 6.2.10" in seen


def stacked(
    wanted: ReleaseTarget, reference: str, driver: str, *models: str
) -> tuple[list[str], str | None]:
    """What is unknown of a release, and what is wrong about its cards."""
    made = image_of(wanted, reference).release
    updated = {"driver": made.driver.model_copy(update={"version": driver}), "card_models": models}
    release = made.model_copy(update=updated)
    points = image_stack.describe_unknown_points(release, {})
    return points, image_stack.find_card_problem(release)


def test_an_image_for_other_cards_is_refused_or_called_unknown(wanted: ReleaseTarget) -> None:
    runtime = "example/flagos-runtime-cambricon-neuware4.4.3:2.2.0"
    points, problem = stacked(wanted, runtime, "6.2.15")
    assert problem is None and len(points) == 2
    assert "published for MLU590; whether it runs on MLU370 is not known" in points[0]
    assert "driver 6.2.15 was not seen on MLU370 yet; the newest that was is 6.2.10" in points[1]
    assert stacked(wanted, runtime, "6.2.15", "MLU590-M9") == ([], None)
    engine = "example/vllm0.24.0-cambricon-neuware4.7.2:2.1.2"
    assert "only devices above MLU370" in str(stacked(wanted, engine, "6.5.48")[1])
    assert stacked(wanted, engine, "6.5.48", "MLU590-M9")[1] is None
    # an old image and an old driver: nothing is unknown
    assert stacked(wanted, "example/pytorch:v1.13.0-torch1.9", "5.10.10") == ([], None)


def test_check_and_show_tell_what_is_unknown_of_an_image(wanted: ReleaseTarget) -> None:
    made = image_of(wanted, f"{CONTAINER}:v26.04.0-torch2.11.0-torchmlu1.32.2-ubuntu22.04-py310")
    (note,) = compatibility_notes([made])
    assert note.startswith("small: the driver version that ") and "is unknown" in note
    shown = describe_release(made.release, made.lock, made.store, cards=2)
    assert sum("is unknown" in line for line in shown) == 1
    runtime = image_of(wanted, "example/flagos-runtime-cambricon-neuware4.4.3:2.2.0")
    required, cards = compatibility_notes([runtime])
    assert "requires driver 6.2.15 or newer" in required
    assert "whether it runs on MLU370 is not known" in cards


def edited(site: Path, old: str, new: str) -> release_files.ReleaseDocument:
    path = site / "small.yml"
    path.write_text(path.read_text().replace(old, new))
    return release_files.load_document(path)


def test_a_lock_states_what_is_unknown_of_its_image(site: Path) -> None:
    said = list[str]()
    archive(site / "store/image.tar.gz", "", {})
    document = edited(site, "name: small", "name: small\ncard_models: [MLU370-X9]")
    lock = locking.create_lock(document, site / "store", warn=said.append)
    points = [point.field for point in lock.unproved or ()]
    assert {"image.reference", "card_models.0"} <= set(points)
    assert any("image.reference: the driver version" in line for line in said)
    assert "nearest: MLU370-X4" in said[-1] or "nearest: MLU370-X8" in said[-1]


def test_too_old_a_driver_is_refused_by_the_lock_too(site: Path) -> None:
    archive(site / "store/image.tar.gz", "", {"com.cambricon.driver": "v5.10.22-1"})
    with pytest.raises(InvalidInput, match=r"small\.yml:\d+: driver\.version: driver 5\.10\.10 is"):
        locking.create_lock(release_files.load_document(site / "small.yml"), site / "store")


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


@pytest.mark.parametrize(
    ("models", "refused"),
    [((), False), (("MLU370-X4", "MLU370-X8"), False), (("MLU370-X4",), True)],
)
def test_cards_of_another_model_are_refused_before_anything_is_touched(
    wanted: ReleaseTarget, bare: HostFacts, models: tuple[str, ...], refused: bool
) -> None:
    release = wanted.release.model_copy(update={"card_models": models})
    found = plan_words(preflight, replace(wanted, release=release), bare)
    assert (isinstance(found, Failure) and found.code == "CARD_MODEL") is refused
    # a card that the table does not know is not judged
    unknown = replace(bare, cards=[replace(card, subsystem="1234") for card in bare.cards])
    assert not isinstance(plan_words(preflight, replace(wanted, release=release), unknown), Failure)
