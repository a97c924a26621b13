"""git on a host that is only looked at."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from operations.host.scripts import read_script
from tests.unit.conftest import git

#: an older git: it knows no GIT_OPTIONAL_LOCKS
OLD_GIT = """#!/bin/sh
unset GIT_OPTIONAL_LOCKS
[ "$1" != --version ] || {{ echo "git version {version}"; exit; }}
exec {git} "$@"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose index has old times: git status would write it anew."""
    path = tmp_path / "checkout"
    path.mkdir()
    git("init", "-q", "--template=", cwd=path)
    for name in ("same", "edited"):
        (path / name).write_text("text\n")
    git("add", ".", cwd=path)
    git("commit", "-qm", "one", cwd=path)
    (path / "edited").write_text("other text\n")
    os.utime(path / "same", (1, 1))
    return path


def status(checkout: Path, version: str, preamble: str) -> str:
    """What the scripts' git says of the checkout, with a git of that version."""
    folder = checkout.parent / "bin"
    folder.mkdir(exist_ok=True)
    real = shutil.which("git")
    (folder / "git").write_text(OLD_GIT.format(version=version, git=real))
    (folder / "git").chmod(0o755)
    script = f"state={checkout.parent}/state\n{preamble}\n{read_script('lib/git')}\n"
    done = subprocess.run(
        ["sh", "-c", f"{script} git status --porcelain"],
        cwd=checkout,
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def identify(path: Path) -> tuple[int, int, bytes]:
    return path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()


@pytest.mark.parametrize("version", ["1.8.3.1", "2.7.4", "2.14.1"])
def test_a_look_does_not_write_the_index_that_an_old_git_refreshes(
    checkout: Path, version: str
) -> None:
    index = checkout / ".git/index"
    before, folder = identify(index), sorted(index.parent.iterdir())
    assert status(checkout, version, "read_only=yes") == " M edited\n"
    assert (identify(index), sorted(index.parent.iterdir())) == (before, folder)
    # the test could see it: otherwise such a git writes it
    assert status(checkout, version, "") == " M edited\n"
    assert identify(index) != before


def test_no_copy_of_the_index_stays_in_memory(checkout: Path) -> None:
    folder, made = checkout.parent / "bin", checkout.parent / "made"
    folder.mkdir()
    words = f'#!/bin/sh\n{shutil.which("mktemp")} "$@" | tee -a {made}\n'
    (folder / "mktemp").write_text(words)
    (folder / "mktemp").chmod(0o755)
    status(checkout, "2.7.4", "read_only=yes")
    (copy,) = made.read_text().splitlines()
    assert not Path(copy).exists() and not Path(f"{copy}.lock").exists()
