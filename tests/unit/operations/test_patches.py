from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from fleet.release import host_paths
from fleet.release.model import Patch
from fleet.release.patch_text import apply_patch
from fleet.release.target import ReleaseTarget
from operations import container, packages, patches
from operations.file_patches import group_by_file
from tests.unit.conftest import BARE, probe
from tests.unit.operations.stage_helpers import only, plan_words

SHA = "0" * 64


def test_a_substitution_applies_as_often_as_it_says() -> None:
    patch = Patch(file="/f", find="torch>=1.10", replace="torch>=1.9", sha256=SHA)
    assert apply_patch("a torch>=1.10 b", patch) == "a torch>=1.9 b"


@pytest.mark.parametrize("text", ["", "torch>=1.9", "torch>=1.10 torch>=1.10"])
def test_an_anchor_that_is_absent_or_ambiguous_is_refused(text: str) -> None:
    patch = Patch(file="/f", find="torch>=1.10", replace="torch>=1.9", sha256=SHA)
    with pytest.raises(ValueError, match="times, the patch expects 1"):
        apply_patch(text, patch)


def test_an_insertion_keeps_its_anchor() -> None:
    patch = Patch(file="/f", after="one\n", insert="two\n", sha256=SHA)
    assert apply_patch("one\nthree\n", patch) == "one\ntwo\nthree\n"


def test_a_replacement_is_the_whole_file() -> None:
    assert apply_patch("old", Patch(file="/f", content="new", sha256=SHA)) == "new"


def test_a_patch_is_of_one_kind() -> None:
    with pytest.raises(ValueError, match="exactly one of"):
        Patch(file="/f", find="a", replace="b", content="c", sha256=SHA)


def with_patches(wanted: ReleaseTarget, *patches: Patch) -> ReleaseTarget:
    return replace(wanted, release=wanted.release.model_copy(update={"patches": patches}))


def test_a_replacement_may_lie_in_the_store_whose_lock_says_its_sum(wanted: ReleaseTarget) -> None:
    patch = Patch(file="/home/share/model_mlu/a.py", store="weights/model.bin")
    (change,) = group_by_file(with_patches(wanted, patch))
    assert change("old") == "weights"
    assert change.expected_sha256 == hashlib.sha256(b"weights").hexdigest()


def test_two_patches_of_one_file_are_one_change_to_it(wanted: ReleaseTarget) -> None:
    one = Patch(file="/home/share/model_mlu/a.py", find="a", replace="b", sha256=SHA)
    two = Patch(file=one.file, after="b", insert="c", sha256="1" * 64)
    (change,) = group_by_file(with_patches(wanted, one, two))
    assert change("a") == "bc" and change.expected_sha256 == "1" * 64


def test_without_a_sum_the_file_must_stay_what_the_patch_made_of_it(wanted: ReleaseTarget) -> None:
    patch = Patch(file="/home/share/model_mlu/a.py", find="old", replace="new")
    (change,) = group_by_file(with_patches(wanted, patch))
    path = "/data/share/model_mlu/a.py"
    assert not change.is_applied(only(probe(*BARE, f"file|{path}|{SHA}")))
    stamped = (*BARE, f"stamp|{change.stamp_name}|{SHA}")
    assert change.is_applied(only(probe(*stamped, f"file|{path}|{SHA}")))
    assert not change.is_applied(only(probe(*stamped, f"file|{path}|{'1' * 64}")))
    (other,) = group_by_file(with_patches(wanted, patch.model_copy(update={"replace": "newer"})))
    assert not other.is_applied(only(probe(*stamped, f"file|{path}|{SHA}")))


def test_what_no_mount_has_is_the_containers_own_and_comes_with_its_packages(
    wanted: ReleaseTarget,
) -> None:
    patch = Patch(file="/torch/venv/site-packages/a.py", content="x")
    patched_too = with_patches(wanted, patch)
    (change,) = group_by_file(patched_too)
    assert change.container_name == "torch" and change.path == patch.file
    assert plan_words(patches, patched_too, probe(*BARE)) == []
    assert plan_words(packages, patched_too, probe(*BARE))[-1] == ("patch a.py in the container")
    done = probe(*BARE, f"file|torch:{patch.file}|{change.expected_sha256}")
    assert "patch a.py in the container" not in plan_words(packages, patched_too, done)
    # its original is in the image only
    assert container.spec_digest(patched_too, done) != container.spec_digest(wanted, done)


def test_the_images_own_file_that_was_edited_needs_a_new_container(wanted: ReleaseTarget) -> None:
    patch = Patch(file="/torch/venv/site-packages/a.py", find="x", replace="xx")
    own = with_patches(wanted, patch)
    (change,) = group_by_file(own)
    label = container.spec_digest(own, probe(*BARE))
    there = (
        *BARE,
        f"container|id1|{own.lock.image.id}|true|7|{label}",
        "facts|f",
        f"stamp|container|{label} f",
        f"file|torch:{patch.file}|{SHA}",
    )
    for stamp, todo in (
        (f"{SHA} id1", []),  # as it was made
        (f"{'1' * 64} id0", []),  # made in an earlier container: this one has the original
        (f"{'1' * 64} id1", [f"recreate container torch: {patch.file} was edited"]),
    ):
        seen = probe(*there, f"stamp|{change.stamp_name}|{stamp}")
        assert plan_words(container, own, seen) == todo


def test_weights_come_again_when_a_patch_of_their_code_changes(wanted: ReleaseTarget) -> None:
    (tiny,) = wanted.release.weights
    patch = Patch(file=f"{tiny.target}/model.py", content="x")
    before, after = (
        host_paths.weights_digest(wanted, tiny),
        host_paths.weights_digest(with_patches(wanted, patch), tiny),
    )
    other = with_patches(wanted, patch.model_copy(update={"file": f"{tiny.target}-2/model.py"}))
    assert before != after and host_paths.weights_digest(other, tiny) == before
