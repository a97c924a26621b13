"""33, 34: migrated trees and patches that are not what they were."""

from __future__ import annotations

from pathlib import Path

from tests.lab import hosts as lab
from tests.runs import (
    LAB,
    WORK,
    Done,
    ends_right,
    mlufleet,
    refused,
    with_unproved,
)

HOST = "u1604"
MIGRATED = f"{WORK}/baichuan-7B_mlu"
MODELING = f"{WORK}/transformers_mlu/src/transformers/modeling_utils.py"
RIGHT = 'require_version_core("torch>=1.9")'
CONTENT = "find . -name __pycache__ -prune -o -type f -exec sha256sum {} + | LC_ALL=C sort -k 2"


def test_33_a_half_patched_file_is_made_again_from_its_commit_and_the_edit_is_kept(
    provisioned: Done,
) -> None:
    right = lab.run(HOST, f"sha256sum < {MODELING}")
    lab.run(HOST, f"sed -i 's/torch>=1.9/torch>=1.10/; 1s/^/# mine\\n/' {MODELING}")
    done = ends_right(HOST)
    assert done.changed(HOST)[:2] == ["migration", "patch"]
    assert lab.run(HOST, f"sha256sum < {MODELING}") == right
    (kept,) = done.host(HOST)["kept"]
    file = MODELING.replace(f"{WORK}/transformers_mlu", kept.split()[-1])
    assert lab.run(HOST, f"head -n 1 {file}") == "# mine"


def test_33_a_patch_that_does_not_apply_names_its_anchor_and_how_often_it_is_there(
    provisioned: Done, tmp_path: Path
) -> None:
    file = "/home/share/pytorch1.9/baichuan/baichuan-7B_mlu/train.py"
    patch = f"patches: [{{file: {file}, find: no such line, replace: x, sha256: '{'0' * 64}'}}]\n"
    failure = refused(HOST, "PATCH", "--data", with_unproved(tmp_path, patch))
    assert "'no such line' occurs 0 times, the patch expects 1" in failure["sentence"]
    ends_right(HOST)


def test_34_a_migration_done_twice_gives_the_same_bytes_and_then_nothing_more(
    provisioned: Done,
) -> None:
    before = lab.run(HOST, f"cd {MIGRATED} && {CONTENT}")
    lab.run(HOST, "rm /var/lib/mlufleet/stamps/tree-baichuan-7B")
    done = ends_right(HOST)
    assert "migration" in done.changed(HOST)
    assert lab.run(HOST, f"cd {MIGRATED} && {CONTENT}") == before
    assert mlufleet("deploy", LAB, "--limit", HOST).statuses() == {HOST: "ok"}
