"""A git source is locked when a host can check it out from what the store has of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.errors import InvalidInput
from fleet.proof import locking
from fleet.release import files as release_files
from fleet.store import git_repositories
from mlufleet.cli.main import main
from tests.unit.conftest import git


def make(site: Path, pin: str = "tag: v1") -> tuple[dict[str, str], list[str]]:
    """The commits of the lock, and the warnings."""
    path, said = site / "small.yml", list[str]()
    text = re.sub(
        r"bundle: model\.bundle, [^}]*}$",
        f"bundle: model.bundle, {pin}}}",
        path.read_text(),
        flags=re.M,
    )
    path.write_text(text)
    lock = locking.create_lock(release_files.load_document(path), site / "store", warn=said.append)
    return lock.commits, said


def commit(folder: Path, **files: str) -> str:
    for name, content in files.items():
        (folder / name).write_text(content)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "more", cwd=folder)
    return git("rev-parse", "HEAD", cwd=folder)


@pytest.fixture
def clone(template: Path, site: Path) -> Path:
    """A clone of the model's repository with a second commit."""
    git("clone", "-q", str(template / "upstream"), str(site / "clone"), cwd=site)
    commit(site / "clone", b="more\n")
    return site / "clone"


def shallow(clone: Path, bundle: Path) -> None:
    few = clone.with_name("shallow")
    git("clone", "-q", "--depth", "1", f"file://{clone}", str(few), cwd=clone)
    git("bundle", "create", str(bundle), "--all", cwd=few)


def incremental(clone: Path, bundle: Path) -> None:
    git("bundle", "create", str(bundle), "v1..main", cwd=clone)


def partial(clone: Path, bundle: Path) -> None:
    newer(clone, bundle)
    begin, rest = bundle.read_bytes().split(b"\n", 1)
    bundle.write_bytes(begin + b"\n@filter=blob:none\n" + rest)


def newer(clone: Path, bundle: Path) -> None:
    git("bundle", "create", "--version=3", str(bundle), "--all", cwd=clone)


def of_sha256(clone: Path, bundle: Path) -> None:
    other = clone.with_name("other")
    git("init", "-q", "-b", "main", "--object-format=sha256", str(other), cwd=clone)
    commit(other, a="a\n")
    git("bundle", "create", str(bundle), "--all", cwd=other)


def cut(clone: Path, bundle: Path) -> None:
    git("bundle", "create", str(bundle), "--all", cwd=clone)
    bundle.write_bytes(bundle.read_bytes()[:-30])


def spoilt(clone: Path, bundle: Path) -> None:
    git("bundle", "create", str(bundle), "--all", cwd=clone)
    content = bytearray(bundle.read_bytes())
    content[-40] ^= 1
    bundle.write_bytes(content)


def unpacked(clone: Path, bundle: Path) -> None:
    git("bundle", "create", str(bundle), "--all", cwd=clone)
    bundle.write_bytes(bundle.read_bytes().partition(b"\n\n")[0] + b"\n\n")


def lacking(clone: Path, bundle: Path) -> None:
    """Its heads name the commit, its pack has not the file of it."""
    git("bundle", "create", str(bundle), "--all", cwd=clone)
    refs = bundle.read_bytes().partition(b"\n\n")[0]
    names = git("rev-list", "--objects", "--all", "--no-object-names", cwd=clone).split()
    blob = git("rev-parse", "HEAD:a.py", cwd=clone)
    some = "\n".join(name for name in names if name != blob)
    pack = subprocess.run(
        ["git", "pack-objects", "--stdout", "-q"],
        input=some.encode(),
        cwd=clone,
        capture_output=True,
        check=True,
    ).stdout
    bundle.write_bytes(refs + b"\n\n" + pack)


def pointer(clone: Path, bundle: Path) -> None:
    sum = "0" * 64
    bundle.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{sum}\nsize 9\n")


def page(clone: Path, bundle: Path) -> None:
    bundle.write_text("\n<!DOCTYPE html>\n<html><title>Sign in</title></html>\n")


def zipped(clone: Path, bundle: Path) -> None:
    bundle.write_bytes(b"PK\x03\x04" + bytes(200))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (shallow, "it cannot be cloned: .*shallow clone"),
        (incremental, "it contains only changes since [0-9a-f]{12},"),
        (partial, r".* bundle version 3 \(filter=blob:none object-format=sha1\)"),
        (newer, r".* bundle version 3 \(object-format=sha1\)"),
        (of_sha256, r".* bundle version 3 \(object-format=sha256\)"),
        (cut, "it cannot be cloned: .*it is incomplete"),
        (spoilt, "it cannot be cloned: "),
        (unpacked, "it cannot be cloned: "),
        (lacking, "(it cannot be cloned|objects of commit)"),
        (pointer, "not a git bundle: it is a Git LFS pointer"),
        (page, "not a git bundle: it is a web page"),
        (zipped, "not a git bundle: it is a zip archive"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bundle_that_no_host_could_clone_is_refused(
    site: Path, clone: Path, broken: Callable[[Path, Path], None], said: str
) -> None:
    bundle, newest = site / "store/model.bundle", git("rev-parse", "HEAD", cwd=clone)
    bundle.unlink()
    broken(clone, bundle)
    for pin in (f"commit: '{newest}'", "branch: main"):
        with pytest.raises(InvalidInput, match=f"bundle: {re.escape(str(bundle))}: {said}"):
            make(site, pin)


def test_a_whole_bundle_of_any_ref_is_locked(site: Path, clone: Path) -> None:
    bundle, newest = site / "store/model.bundle", git("rev-parse", "HEAD", cwd=clone)
    first = git("rev-parse", "v1^{commit}", cwd=clone)
    for refs in (["--all"], ["main"], ["HEAD"], ["main", "v1"]):
        git("bundle", "create", str(bundle), *refs, cwd=clone)
        assert make(site, f"commit: '{newest}'")[0] == {"model": newest}
    # the one that is meant is below what the bundle's refs name
    git("bundle", "create", str(bundle), "main", cwd=clone)
    assert make(site, f"commit: '{first[:10]}'")[0] == {"model": first}


def test_a_branch_that_looks_like_a_commit_is_not_taken_for_one(site: Path, clone: Path) -> None:
    git("branch", "abcdef0", cwd=clone)
    git("bundle", "create", str(site / "store/model.bundle"), "--all", cwd=clone)
    with pytest.raises(InvalidInput, match="has no commit abcdef0"):
        make(site, "commit: abcdef0")


def test_what_git_is_told_elsewhere_does_not_reach_the_trial(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks, template = tmp_path / "hooks", tmp_path / "template/hooks"
    for folder in (hooks, template):
        folder.mkdir(parents=True)
        for name in ("post-checkout", "reference-transaction", "post-index-change"):
            (folder / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
            (folder / name).chmod(0o755)
    config = tmp_path / "config"
    config.write_text(
        f"[core]\nhooksPath = {hooks}\n[protocol]\nallow = never\n"
        f"[init]\ntemplateDir = {template.parent}\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert make(site)[0] == {"model": (site / "commit").read_text()}
    assert not (tmp_path / "ran").exists()


def test_submodules_and_pointers_are_told_and_not_what_is_a_source_of_its_own(
    site: Path, clone: Path
) -> None:
    sum = "0" * 64
    first = git("rev-parse", "HEAD", cwd=clone)
    for name in ("third/party", "other"):
        git("update-index", "--add", "--cacheinfo", f"160000,{first},{name}", cwd=clone)
    lines = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sum}\nsize 12\n"
    (clone / "doc.md").write_text("see version https://git-lfs.github.com/spec/v1\n")
    (clone / "model.bin").write_text(lines)
    git("add", "doc.md", "model.bin", cwd=clone)
    git("commit", "-qm", "more", cwd=clone)
    git("bundle", "create", str(site / "store/model.bundle"), "main", cwd=clone)
    said = make(site, "branch: main")[1]
    assert [line.partition(";")[0] for line in said] == [
        "source model: submodules stay empty on hosts: other, third/party",
        "source model: Git LFS files stay pointers on hosts: model.bin",
    ]
    path = site / "small.yml"
    other = (
        "sources:\n  - {name: o, path: /home/share/model/other, bundle: model.bundle, branch: main}"
    )
    path.write_text(path.read_text().replace("sources:", other, 1))
    assert any(
        line.startswith("source model: submodules stay empty on hosts: third/party;")
        for line in make(site, "branch: main")[1]
    )


def test_warnings_are_shown_by_the_command_which_goes_on(site: Path, clone: Path) -> None:
    first = git("rev-parse", "HEAD", cwd=clone)
    git("update-index", "--add", "--cacheinfo", f"160000,{first},sub", cwd=clone)
    git("commit", "-qm", "more", cwd=clone)
    git("bundle", "create", str(site / "store/model.bundle"), "main", cwd=clone)
    path = site / "small.yml"
    path.write_text(path.read_text().replace("tag: v1}", "branch: main}"))
    done = CliRunner().invoke(main, ["lock", str(path), "--store", str(site / "store")])
    assert done.exit_code == 0 and "warning: source model: submodules" in done.output


@pytest.mark.parametrize("url", ["--upload-pack=touch x", "-oProxyCommand=x", " x", "a\nb"])
def test_an_origin_that_git_would_take_for_an_option_is_refused(site: Path, url: str) -> None:
    path = site / "small.yml"
    text = path.read_text().replace("bundle: model.bundle, tag: v1", f"url: {url!r}, tag: v1")
    path.write_text(text.replace("'a\\nb'", '"a\\nb"'))
    with pytest.raises(InvalidInput, match=r"small\.yml:\d+: sources\..*url: "):
        release_files.load_release(path)


def test_an_origin_that_runs_a_program_is_not_asked(site: Path, tmp_path: Path) -> None:
    path, program = site / "small.yml", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    program.chmod(0o755)
    url = f"url: 'ext::{program}', tag: v1"
    path.write_text(path.read_text().replace("bundle: model.bundle, tag: v1", url))
    with pytest.raises(InvalidInput, match="transport 'ext' not allowed"):
        make(site)
    assert not (tmp_path / "ran").exists()


def test_credentials_of_an_origin_are_not_shown(site: Path) -> None:
    path = site / "small.yml"
    url = "http://me:secret@127.0.0.1:1/model.git?private_token=secret"
    path.write_text(
        path.read_text().replace("bundle: model.bundle, tag: v1", f"url: '{url}', tag: v1")
    )
    with pytest.raises(InvalidInput) as error:
        make(site)
    assert "127.0.0.1" in str(error.value) and "secret" not in str(error.value)


@given(st.binary(max_size=300))
@example(b"# v2 git bundle\n" + b"x" * 300_000)
@example(b"# v2 git bundle\n-\n- \n\n")
@example(b"# v3 git bundle\n@\xff\n")
@example(b"# v2 git bundle\n" + b"-a b\n" * 1000)
def test_any_bytes_are_a_bundle_or_said_to_be_none(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bundle"
    path.write_bytes(content)
    try:
        assert git_repositories.read_bundle_header(path).refs is not None
    except InvalidInput as error:
        assert str(error).startswith(f"{path}: ")
