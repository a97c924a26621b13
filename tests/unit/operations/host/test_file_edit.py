"""Files that are edited, created and copied from a checkout, by the scripts of a host."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest

from operations.host.file_edit import decode_content
from operations.host.scripts import script_text
from tests.unit.conftest import git
from tests.waiting import PATIENCE_S

NEW = hashlib.sha256(b"new\n").hexdigest()


def run_script(
    state: Path, name: str, *arguments: object, given: bytes = b""
) -> subprocess.CompletedProcess[str]:
    text = script_text(name).replace("/var/lib/mlufleet", str(state))
    return subprocess.run(
        ["sh", "-c", text, name, *map(str, arguments)],
        input=base64.b64encode(given).decode(),
        text=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "tools").mkdir(parents=True)
    (folder / "tools/a.py").write_text("new\n")
    (folder / "tools/run.sh").write_text("exit\n")
    (folder / "tools/run.sh").chmod(0o755)
    git("init", "-q", "--template=", cwd=folder)
    git("add", ".", cwd=folder)
    git("commit", "-qm", "one", cwd=folder)
    return folder


def test_what_a_checkout_has_at_its_commit_replaces_a_file_whatever_lies_there_now(
    tmp_path: Path, checkout: Path
) -> None:
    commit, file = git("rev-parse", "HEAD", cwd=checkout), tmp_path / "a.py"
    (checkout / "tools/a.py").write_text("edited\n")
    file.write_text("old\n")
    file.chmod(0o600)
    copy = (file, NEW, "patch-1", "", "file", checkout, commit, "tools/a.py")
    for _ in range(2):  # a repetition keeps no second original
        done = run_script(tmp_path, "edit-file", *copy)
        assert done.returncode == 0, done.stderr
        assert file.read_text() == "new\n" and file.stat().st_mode & 0o777 == 0o600
        assert [kept.read_text() for kept in (tmp_path / "kept").iterdir()] == ["old\n"]
    assert (tmp_path / "stamps/patch-1").read_text() == f"{NEW}\n"
    read = run_script(tmp_path, "read-file", "tools/a.py", "", checkout, commit)
    assert decode_content(read.stdout.splitlines()) == b"new\n"


def test_a_copy_is_what_the_lock_says_or_nothing_is_written(tmp_path: Path, checkout: Path) -> None:
    commit, file = git("rev-parse", "HEAD", cwd=checkout), tmp_path / "a.py"
    wrong = run_script(
        tmp_path, "edit-file", file, "0" * 64, "p", "", "file", checkout, commit, "tools/a.py"
    )
    assert wrong.returncode == 1 and f"would become {NEW}, expected 000" in wrong.stderr
    absent = run_script(tmp_path, "edit-file", file, "", "p", "", "file", checkout, commit, "b.py")
    assert absent.returncode == 1 and "b.py" in absent.stderr
    assert not file.exists() and not list(tmp_path.glob("*.mlufleet-part"))
    assert run_script(tmp_path, "read-file", "b.py", "", checkout, commit).returncode == 1


def test_a_new_file_has_the_mode_that_git_has(tmp_path: Path, checkout: Path) -> None:
    commit = git("rev-parse", "HEAD", cwd=checkout)
    for name, mode in (("tools/a.py", 0o644), ("tools/run.sh", 0o755)):
        file = tmp_path / "tree" / name
        done = run_script(
            tmp_path, "edit-file", file, "", "p", "", "folders", checkout, commit, name
        )
        assert done.returncode == 0, done.stderr
        assert file.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize(
    ("creates", "reason"),
    [
        ("", "tree/a.py is not a file"),
        ("file", "tree/a.py cannot be created: "),
        ("folders", ""),
    ],
)
def test_what_is_missing_is_created_only_where_that_is_asked(
    tmp_path: Path, creates: str, reason: str
) -> None:
    file = tmp_path / "tree/a.py"
    done = run_script(tmp_path, "edit-file", file, NEW, "p", "", creates, given=b"new\n")
    assert (done.returncode == 0) == file.is_file() == (not reason), done.stderr
    assert reason in done.stderr


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    done = run_script(tmp_path, "edit-file", tmp_path / "a", NEW, "p", "", "file", given=b"new\n")
    assert done.returncode == 1 and "a is not a file" in done.stderr


def test_a_patched_file_of_a_checkout_is_told_from_an_edited_one(
    tmp_path: Path, checkout: Path
) -> None:
    for name in ("a.py", "run.sh"):
        (checkout / "tools" / name).write_text("patched\n")
    (tmp_path / "stamps").mkdir()
    sha256 = hashlib.sha256(b"patched\n").hexdigest()
    (tmp_path / "stamps/patch-1").write_text(f"{sha256}\n")
    (checkout / "tools/run.sh").write_text("edited\n")
    changes = subprocess.check_output(["git", "status", "--porcelain"], cwd=checkout, text=True)
    library = script_text("source").replace("/var/lib/mlufleet", str(tmp_path))
    part = library[: library.index("# source.sh")] + 'patched "$1"'
    done = subprocess.run(
        ["sh", "-c", part, "sh", changes.rstrip("\n")], cwd=checkout, capture_output=True, text=True
    )
    assert done.stdout == " M tools/a.py\n", done.stderr
