"""Sources are gathered from git's own HTTP server into bundles that hosts can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.gather import partial_clone, sources
from fleet.gather.git_mirrors import GitMirror, rewrite_url
from fleet.gather.work import GatherError, GatherOptions
from fleet.release.model import Source
from fleet.store import git_repositories
from fleet.store.progress_bar import ProgressBar
from tests.unit.conftest import git
from tests.unit.fleet.gather.conftest import COMMITS
from tests.unit.fleet.gather.git_server import GitSite


def commit_of(upstream: Path, revision: str) -> str:
    return git("rev-parse", f"{revision}^{{commit}}", cwd=upstream)


def source(url: str, **revision: object) -> Source:
    fields = {"name": "model", "path": "/m", "url": url, "bundle": "model.bundle", **revision}
    return Source.model_validate(fields)


def gathered(found: Source, store: Path, *mirrors: GitMirror) -> bool:
    options = GatherOptions(mirrors, retry_delay_s=0)
    task = sources.SourceTask("model.bundle", (found,), store, options)
    with ProgressBar("", 0, quiet=True) as progress:
        return task.gather(progress)


@pytest.mark.parametrize("kind", ["tag", "commit", "abbreviated", "branch", "unpinned"])
def test_a_bundle_is_complete_at_its_revision(
    git_site: GitSite, upstream: Path, tmp_path: Path, kind: str
) -> None:
    older = commit_of(upstream, "main~3")
    revision, expected = {
        "tag": ({"tag": "v1.0"}, commit_of(upstream, "v1.0")),
        "commit": ({"commit": older}, older),
        "abbreviated": ({"commit": older[:9]}, older),
        "branch": ({"branch": "mlu-dev"}, commit_of(upstream, "mlu-dev")),
        "unpinned": ({"unpinned": True}, commit_of(upstream, "main")),
    }[kind]
    found, warnings = source(f"{git_site.url}/model", **revision), []
    assert gathered(found, tmp_path)
    header = git_repositories.read_bundle_header(tmp_path / "model.bundle")
    assert "HEAD" in header.refs and not header.prerequisites
    clone = tmp_path / "clone"
    commit = git_repositories.resolve_commit(found, tmp_path, clone, warnings.append)
    assert commit == expected and not warnings
    git_site.asked.clear()
    assert not gathered(found, tmp_path) and not git_site.asked


def test_a_commit_is_found_where_commits_are_given_out_by_refs_only(
    git_site: GitSite, upstream: Path, tmp_path: Path
) -> None:
    git_site.is_old = True
    older = commit_of(upstream, "main~3")
    assert gathered(source(f"{git_site.url}/model", commit=older), tmp_path)
    assert older in git_repositories.read_bundle_header(tmp_path / "model.bundle").refs.values()


def test_a_fetch_that_is_cut_continues_where_it_was(
    git_site: GitSite, upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_clone, "FIRST_DEPTH", 2)
    monkeypatch.setattr(partial_clone, "DEEPEN_STEPS", (4,))
    monkeypatch.setattr(partial_clone, "MAX_ATTEMPTS", 1)
    found = source(f"{git_site.url}/model", branch="main")
    git_site.cuts = [10_000_000, 30_000]  # the first step arrives, the second one is cut
    with pytest.raises(GatherError) as failed:
        gathered(found, tmp_path)
    assert [p.failure.code for p in failed.value.problems] == ["GIT_FETCH"]
    assert not (tmp_path / "model.bundle").exists()
    (cache,) = (tmp_path / ".gather/git").iterdir()
    assert (cache / "shallow").is_file()
    monkeypatch.setattr(partial_clone, "MAX_ATTEMPTS", 3)
    git_site.cuts = [30_000]
    assert gathered(found, tmp_path)
    bundle = git_repositories.read_bundle_header(tmp_path / "model.bundle")
    assert bundle.refs["refs/heads/main"] == commit_of(upstream, "main")
    clone = tmp_path / "clone"
    git("clone", "-q", "--bare", str(tmp_path / "model.bundle"), str(clone), cwd=tmp_path)
    assert git("rev-list", "--count", "HEAD", cwd=clone) == str(COMMITS)


@pytest.mark.parametrize(
    "revision", [{"tag": "v9"}, {"commit": "0" * 40}, {"branch": "gone"}, {"commit": "abcdef0"}]
)
def test_a_revision_that_the_origin_does_not_have_is_told(
    git_site: GitSite, tmp_path: Path, revision: dict[str, object]
) -> None:
    with pytest.raises(GatherError) as failed:
        gathered(source(f"{git_site.url}/model", **revision), tmp_path)
    assert [p.failure.code for p in failed.value.problems] == ["REVISION_NOT_FOUND"]


def test_a_login_is_asked_of_nobody_and_told_to_nobody(git_site: GitSite, tmp_path: Path) -> None:
    git_site.status = 401
    url = f"{git_site.url}/model".replace("://", "://me:secret@")
    with pytest.raises(GatherError) as failed:
        gathered(source(url, tag="v1.0"), tmp_path)
    assert [p.failure.code for p in failed.value.problems] == ["GIT_FETCH"]
    assert "secret" not in str(failed.value)


def test_a_bundle_of_another_commit_is_left_alone(
    git_site: GitSite, upstream: Path, tmp_path: Path
) -> None:
    assert gathered(source(f"{git_site.url}/model", tag="v1.0"), tmp_path)
    before = (tmp_path / "model.bundle").read_bytes()
    newer = source(f"{git_site.url}/model", commit=commit_of(upstream, "main"))
    with pytest.raises(GatherError) as failed:
        gathered(newer, tmp_path)
    assert [p.failure.code for p in failed.value.problems] == ["STORE_DIFFERS"]
    assert (tmp_path / "model.bundle").read_bytes() == before


def test_a_mirror_is_asked_instead_of_the_origin(git_site: GitSite, tmp_path: Path) -> None:
    mirror = GitMirror("https://git.example/team/", f"{git_site.url}/")
    assert gathered(source("https://git.example/team/model", tag="v1.0"), tmp_path, mirror)
    assert any(path.startswith("GET /model/info/refs") for path in git_site.asked)


def test_rules_for_mirrors() -> None:
    prefix = GitMirror.parse("https://mirror.example/")
    swap = GitMirror.parse("https://github.com/=https://git.example/gh/")
    url = "https://github.com/a/b"
    assert rewrite_url(url, [swap, prefix]) == "https://git.example/gh/a/b"
    assert rewrite_url(url, [prefix]) == f"https://mirror.example/{url}"
    assert rewrite_url("git@github.com:a/b", [swap, prefix]) == "git@github.com:a/b"
    with pytest.raises(InvalidInput):
        GitMirror.parse("mirror.example")
