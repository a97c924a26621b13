"""Origins on this machine: git's own server, and model hubs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.conftest import git
from tests.unit.fleet.gather import git_server, hub_server
from tests.unit.fleet.gather.git_server import GitSite
from tests.unit.fleet.gather.hub_server import Hub

#: commits of the repository `model`
COMMITS = 12
#: settings of an operator that would lead elsewhere
SETTINGS = (
    *("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MODELSCOPE_API_TOKEN", "MLUFLEET_GIT_MIRROR"),
    *("HF_HUB_OFFLINE", "GIT_DIR", "GIT_WORK_TREE"),
)


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


@pytest.fixture(scope="package")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository whose commits replace an incompressible file; a tag and a branch."""
    root = tmp_path_factory.mktemp("git")
    work = root / "work"
    work.mkdir()
    git("init", "-q", "-b", "main", "--template=", cwd=work)
    for number in range(COMMITS):
        (work / "file").write_bytes(os.urandom(20_000))
        git("add", ".", cwd=work)
        git("commit", "-qm", f"commit {number}", cwd=work)
        if number == 5:
            git("tag", "-am", "v1", "v1.0", cwd=work)
            git("branch", "mlu-dev", cwd=work)
    git("clone", "-q", "--bare", str(work), str(root / "model"), cwd=root)
    return root / "model"


@pytest.fixture
def git_site(upstream: Path) -> Iterator[GitSite]:
    with git_server.serving(upstream.parent) as found:
        yield found


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server.serving() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", found.url)
        yield found
