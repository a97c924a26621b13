"""For each claim behind "ok" a host that lies in just that way, and is not called ok."""

from __future__ import annotations

import json

import pytest

from tests.lab import hosts as lab
from tests.runs import CONTAINER, LAB, WORK, Done, ends_right, mlufleet, refused

HOST = "u1804"
IMAGE = "yellow.hub.cambricon.com/pytorch/pytorch:v1.13.0-torch1.9-ubuntu18.04-py37"
MODELING = f"{WORK}/transformers_mlu/src/transformers/modeling_utils.py"
LIVE = "/torch/venv3/pytorch/bin"

#: claim -> (how the host lies, the stage in which it is found)
LIES = {
    "the driver package is installed": ("cd /var/lib/dkms/*/; mv 5.10.10 5.10.9", "driver"),
    "every card runs the loaded version": (
        "sed -i 's/v5.10.10/v5.10.22/' $(ls /proc/driver/cambricon/mlus/*/information | tail -n 1)",
        "driver",
    ),
    "every card has its node": ("rm /dev/cambricon_dev3; echo > /dev/cambricon_dev3", "driver"),
    "the tag means the image": (
        f"docker commit {CONTAINER} other >/dev/null; docker tag other {IMAGE}",
        "image",
    ),
    "the container is made as its label says": (
        f"docker update --restart no {CONTAINER}",
        "container",
    ),
    "the migrated tree is what the tool made": (
        f"cd {WORK}/baichuan-7B_mlu && touch -r train.py /tmp/t && "
        "sed -i 's/import/Import/' train.py && touch -r /tmp/t train.py",
        "migration",
    ),
    "the patched file is patched": (
        f"touch -r {MODELING} /tmp/t; sed -i 's/1\\.9/1.8/' {MODELING}; touch -r /tmp/t {MODELING}",
        "patch",
    ),
    "the packages are there": (
        f"docker exec {CONTAINER} {LIVE}/python -m pip uninstall -q -y sentencepiece",
        "packages",
    ),
}


def found() -> dict[str, list[str]]:
    """What `mlufleet doctor` says of the host, by stage."""
    done = mlufleet("doctor", LAB, "--limit", HOST, "--json")
    seen = json.loads(done.output[done.output.index("{") :])[HOST]
    assert seen["healthy"] == (done.status == 0)
    return dict(seen["drift"])


def test_no_lie_of_a_host_is_believed(provisioned: Done) -> None:
    assert found() == {}
    for claim, (lie, stage) in LIES.items():
        before = found()
        lab.run(HOST, lie)
        assert found().get(stage, []) != before.get(stage, []), claim
    # all of them at once are put right by one run
    done = ends_right(HOST)
    assert done.changed(HOST)[0] == "driver" and "smoke" in done.changed(HOST)
    # what looked like somebody's edits is kept, and the run says where
    kept = [line.split()[-1] for line in done.host(HOST)["kept"]]
    (edited,) = [place for place in kept if "/baichuan-7B_mlu.kept-" in place]
    assert "Import" in lab.run(HOST, f"cat {edited}/train.py")


@pytest.mark.parametrize(
    "flag", ["assume-unchanged", pytest.param("skip-worktree", marks=pytest.mark.long)]
)
def test_an_edit_that_git_was_told_to_hide_is_found(provisioned: Done, flag: str) -> None:
    git = f"cd {WORK}/transformers && git -c safe.directory='*'"
    lab.run(HOST, f"{git} update-index --{flag} setup.py && echo '# mine' >> setup.py")
    assert "SOURCE_DIRTY" in found()["sources"][0]
    lab.run(HOST, f"{git} update-index --no-{flag} setup.py && {git} checkout setup.py")
    assert "sources" not in found()


@pytest.mark.parametrize(
    "says",
    [
        pytest.param("echo '登鹳雀楼->'", id="an echo"),
        pytest.param("echo '登鹳雀楼->杜甫'", id="a wrong answer", marks=pytest.mark.long),
        pytest.param("echo '王之涣'", id="the answer to nothing", marks=pytest.mark.long),
        pytest.param("true", id="nothing at all"),
    ],
)
def test_a_model_that_only_seems_to_answer_is_not_believed(provisioned: Done, says: str) -> None:
    """The interpreter exits 0 and prints something, where the model should have spoken."""
    real = f"docker exec {CONTAINER} sh -c"
    wrapper = f'case "$*" in *inference*) {says} ;; *) exec {LIVE}/python3 "$@" ;; esac'
    lab.run(
        HOST,
        f"docker exec -i {CONTAINER} sh -c 'rm {LIVE}/python; cat > {LIVE}/python; "
        f"chmod 755 {LIVE}/python'",
        given=f"#!/bin/sh\n{wrapper}\n",
    )
    try:
        failure = refused(HOST, "SMOKE_ANSWER", "--data", "smoke=always")
        assert failure["stage"] == "smoke"
    finally:
        lab.run(HOST, f"{real} 'ln -sfn python3 {LIVE}/python'")
