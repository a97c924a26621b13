from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.proof import locking
from fleet.release import files, snapshot
from fleet.release import lockfile as locks
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.store.targets import load_host_target
from tests.unit.conftest import git

OLD = hashlib.sha256(b"old\n").hexdigest()


def add_patch(site: Path, path: str, **source: str) -> None:
    release = site / "small.yml"
    text = release.read_text().replace(
        "packages:\n  wheelhouse",
        f"  - {{file: /home/share/model_mlu/b.py, source: model, path: {path}}}\n"
        "packages:\n  wheelhouse",
    )
    for old, new in source.items():
        assert old in text
        text = text.replace(old, new)
    release.write_text(text)


def make(site: Path) -> locks.Lock:
    return locking.create_lock(files.load_document(site / "small.yml"), site / "store")


def test_a_lock_has_the_checksum_of_a_file_that_comes_from_a_source(site: Path) -> None:
    without = make(site)
    assert "source_files" not in without.model_dump()
    add_patch(site, "a.py")
    lock = make(site)
    assert lock.source_files == {"model:a.py": OLD}
    release = files.load_release(site / "small.yml")
    target = ReleaseTarget(release, lock, site / "store")
    (dump, replacement) = target.patch_inputs(release.patches[1])
    assert (dump["source"], dump["path"], replacement) == ("model", "a.py", OLD)
    assert "source" not in target.patch_inputs(release.patches[0])[0]


def test_a_snapshot_keeps_what_comes_from_a_source(site: Path, tmp_path: Path) -> None:
    add_patch(site, "a.py")
    release, lock = files.load_release(site / "small.yml"), make(site)
    target = HostTarget((ReleaseTarget(release, lock, site / "store"),), site / "store")
    text = snapshot.write_snapshot(target).read_text()
    data = snapshot.restore_snapshot(text, tmp_path / "back", "n1")
    back = load_host_target({**data, "store": str(site / "store")})
    assert back.identity == target.identity
    assert back.primary.lock.source_files == {"model:a.py": OLD}


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("b.py", "no file b.py"),
        ("folder", "folder is a folder"),
        ("link", "link is a symbolic link to a.py"),
        ("large", "large is a Git LFS pointer"),
    ],
)
def test_a_path_that_is_no_file_of_the_source_is_a_finding(
    site: Path, tmp_path: Path, path: str, problem: str
) -> None:
    work = tmp_path / "work"
    git("clone", "-q", "-b", "v1", str(site / "store/model.bundle"), str(work), cwd=tmp_path)
    (work / "folder").mkdir()
    (work / "folder/c.py").write_text("c\n")
    (work / "link").symlink_to("a.py")
    (work / "large").write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{OLD}\nsize 9\n"
    )
    git("add", ".", cwd=work)
    git("commit", "-qm", "two", cwd=work)
    git("tag", "v2", cwd=work)
    (site / "store/model.bundle").unlink()
    git("bundle", "create", str(site / "store/model.bundle"), "--all", cwd=work)
    add_patch(site, path, **{"tag: v1": "tag: v2"})
    with pytest.raises(InvalidInput) as error:
        make(site)
    line = (site / "small.yml").read_text().splitlines().index("packages:")
    assert f"small.yml:{line}: patches.1.path: source model at " in str(error.value)
    assert problem in str(error.value)


def test_without_a_bundle_the_file_is_unproved(site: Path, template: Path) -> None:
    add_patch(
        site, "a.py", **{"bundle: model.bundle, tag: v1": f"url: {template}/upstream, tag: v1"}
    )
    lock = make(site)
    assert lock.source_files == {} and lock.unproved is not None
    assert "patches.1.path" in [point.field for point in lock.unproved]
    release = files.load_release(site / "small.yml")
    target = ReleaseTarget(release, lock, site / "store")
    assert target.patch_inputs(release.patches[1])[1] == lock.commits["model"]
