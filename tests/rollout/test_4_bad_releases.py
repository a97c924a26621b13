"""37: a release that is bad for any stage ends on its canary, which goes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from fleet.release import files as release_files
from fleet.release import lockfile
from tests.lab import hosts as lab
from tests.rollout.fleet import ANSWER, FLEET, Settled, audits, free, rollout
from tests.runs import RELEASES, SITE, mlufleet

CANARY, *OTHERS = FLEET
MOUNTED = {"container": {"mounts": [{"host": "/data/bad", "container": "/srv"}]}}
SOURCE = {
    "name": "tree",
    "path": "/srv/tree",
    "bundle": "dev-env-ubuntu.bundle",
    "url": "http://127.0.0.1:9/tree.git",
    "branch": "main",
}
PATCH = {"file": "/srv/tree/README.md", "find": "no such line", "replace": "", "sha256": "0" * 64}
#: stage -> what the release has that the stage cannot do, and the failure's code
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "sources": (
        {**MOUNTED, "sources": [{**SOURCE, "bundle": None, "branch": None, "commit": "1" * 40}]},
        "SOURCE_PIN",
    ),
    "weights": (
        {"weights": [{"name": "bad", "folder": "weights/baichuan-7B", "target": "/etc/issue/bad"}]},
        "TRANSFER",
    ),
    "container": ({"container": {"network": "no-such-network"}}, "CONTAINER"),
    "migration": (
        {**MOUNTED, "sources": [SOURCE], "migration": {"tool": "/no/tool.py", "trees": ["tree"]}},
        "MIGRATION",
    ),
    "patch": ({**MOUNTED, "sources": [SOURCE], "patches": [PATCH]}, "PATCH"),
    # its image has no pip
    "packages": (
        {"packages": {"wheelhouse": "wheels", "pip": [{"install": ["sentencepiece"]}]}},
        "PACKAGES",
    ),
}
#: what is locked of those that `lock` would refuse
LOCKED: dict[str, dict[str, Any]] = {
    "weights": {
        **MOUNTED,
        "weights": [{"name": "bad", "folder": "weights/baichuan-7B", "target": "/data/bad/model"}],
    },
    "migration": {**MOUNTED, "sources": [SOURCE]},
    "patch": {**MOUNTED, "sources": [SOURCE]},
}
#: stages that can do nothing at all of it: there is no way to go back
UNCHANGED = ("weights",)


@pytest.fixture
def bad(request: pytest.FixtureRequest, settled: Settled) -> Iterator[str]:
    """The release that the fleet is on, with one more thing that a stage cannot do."""
    path, wrong = SITE / RELEASES / f"light-bad-{request.param}.yml", BAD[request.param][0]
    base = {"extends": f"./{settled.now.name}.yml", "name": path.stem}
    path.write_text(yaml.safe_dump({**base, **LOCKED.get(request.param, wrong)}))
    done = mlufleet("lock", str(path), "--store", ".lab/store", "--quiet")
    assert done.status == 0, done.output
    path.write_text(yaml.safe_dump({**base, **wrong}))
    changes = {"release": release_files.load_release(path).digest, "unproved": None}
    lockfile.write(lockfile.load(path).model_copy(update=changes), lockfile.lock_path(path))
    yield request.param
    for made in path.parent.glob(f"{path.stem}.*"):
        made.unlink()


@pytest.mark.parametrize(
    "bad",
    [
        *("container", "packages"),
        *(
            pytest.param(stage, marks=pytest.mark.long)
            for stage in ("sources", "weights", "migration", "patch")
        ),
    ],
    indirect=True,
)
def test_37_a_release_that_a_stage_cannot_do_ends_on_its_canary(settled: Settled, bad: str) -> None:
    before = audits(*OTHERS)
    done = rollout(f"release={RELEASES}/light-bad-{bad}.yml", "--max-fail", "50%")
    host = done.host(CANARY)
    assert (host["failure"]["stage"], host["failure"]["code"]) == (bad, BAD[bad][1])
    if bad in UNCHANGED:
        assert host["status"] == "failed" and host["rolled_back"] is None
    else:
        assert host["status"] == "rolled back" and host["rolled_back"]["to"] == settled.now.name
    assert lab.run(CANARY, ANSWER) == settled.now.answer
    assert done.status in (2, 5) and done.report["rollout"]["stopped"] == "canary"
    assert {done.statuses()[other] for other in OTHERS} == {"not started"}
    assert audits(*OTHERS) == before and free()
