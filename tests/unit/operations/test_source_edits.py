"""What people had in a checkout is kept, found again, and given back: with real git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from operations.host.facts import SourceFacts
from tests.unit.operations.checkout_host import Host
from tests.unit.operations.retirement_host import Host as RetiredHost
from tests.waiting import PATIENCE_S

#: bytes that are no text, with every value
BINARY = bytes(range(256)) * 8


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host on which somebody has cloned the upstream, at its first commit of two."""
    host = Host(tmp_path)
    host.patterns = ["/inner", "/inner.kept-*", "__pycache__"]
    for name in (*"bcdefghijk", "folder/l", "folder/m", "linked/n", "linked/o"):
        (host.upstream / name).parent.mkdir(exist_ok=True)
        (host.upstream / name).write_text(f"{name}\n")
    (host.upstream / "binary").write_bytes(BINARY)
    (host.upstream / "link").symlink_to("b")
    (host.upstream / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    (host.upstream / ".gitignore").write_text("*.log\n")
    host.base = host.commit("base\n")
    host.git("clone", "-q", str(host.upstream), str(host.path))
    # what the next commit changes, adds and removes
    for number in "123":
        (host.upstream / f"new{number}").write_text("new\n")
    (host.upstream / "folder/m").unlink()
    host.wanted = host.commit("wanted\n")
    yield host


def edit_files(host: Host) -> None:
    (host.path / "a.py").write_text("mine, and changed in the next commit\n")
    (host.path / "folder/m").write_text("mine, and gone in the next commit\n")
    (host.path / "binary").write_bytes(BINARY[::-1])
    (host.path / "crlf.txt").write_bytes(b"one\r\nmine\r\nno end")
    (host.path / "b").write_bytes(b"b\r\n")
    (host.path / "c").chmod(0o755)
    (host.path / "d").unlink()
    (host.path / "e").rename(host.path / "moved")
    # weights in the place of the pointer to them: too large for a patch
    with (host.path / "weights.bin").open("wb") as file:
        file.truncate(17 << 20)


def stage(host: Host) -> None:
    (host.path / "f").write_text("staged\n")
    (host.path / "mine.py").write_text("mine\n")
    host.git("add", "f", "mine.py", at=host.path)
    (host.path / "f").write_text("staged, and edited again\n")
    host.git("rm", "-q", "g", at=host.path)
    host.git("mv", "h", "renamed", at=host.path)


def name_oddly(host: Host) -> None:
    """Names that are no text, or mean something to git or a shell; some committed and edited."""
    names = (b"caf\xe9", "配置 1".encode(), b"a\nb", b"-f [x]*\\?")
    folder = os.fsencode(host.path)
    for name in names:
        Path(os.fsdecode(os.path.join(folder, name))).write_text("mine\n")
        Path(os.fsdecode(os.path.join(folder, b"untracked " + name))).write_text("mine\n")
    host.git("add", "--", *(os.fsdecode(name) for name in names if b"x" not in name), at=host.path)
    host.git("commit", "-qm", "odd", at=host.path)
    for name in names:
        Path(os.fsdecode(os.path.join(folder, name))).write_text("edited\n")


def change_types(host: Host) -> None:
    """A file becomes a folder, a folder a link, a link a file."""
    (host.path / "i").unlink()
    (host.path / "i").mkdir()
    (host.path / "i/mine").write_text("mine\n")
    elsewhere = host.root / "elsewhere"
    elsewhere.mkdir()
    for name in "no":
        (elsewhere / name).write_text("elsewhere\n")
        (host.path / "linked" / name).unlink()
    (host.path / "linked").rmdir()
    (host.path / "linked").symlink_to(elsewhere)
    (host.path / "link").unlink()
    (host.path / "link").write_text("a file\n")


def hide(host: Host) -> None:
    host.git("update-index", "--assume-unchanged", "j", at=host.path)
    host.git("update-index", "--skip-worktree", "k", at=host.path)
    (host.path / "j").write_text("hidden\n")
    (host.path / "k").write_text("hidden too\n")


def leave_untracked(host: Host) -> None:
    (host.path / "notes").mkdir()
    (host.path / "notes/todo.txt").write_text("mine\n")
    (host.path / "train.log").write_text("ignored\n")


def nest_clones(host: Host) -> None:
    host.git("clone", "-q", str(host.upstream), str(host.path / "inner"))
    host.git("clone", "-q", str(host.upstream), str(host.path / "another"))
    host.git("add", "another", at=host.path)
    (host.path / "another/a.py").write_text("mine\n")


def stand_in_the_way(host: Host) -> None:
    (host.path / "new1").write_text("mine, untracked\n")
    (host.path / ".git/info/exclude").write_text("# mine\nnew2")
    (host.path / "new2").write_text("mine, ignored\n")
    (host.path / "new3").mkdir()
    (host.path / "new3/mine").write_text("mine\n")


def commit_on_branch(host: Host) -> None:
    host.git("checkout", "-q", "-b", "mine", at=host.path)
    (host.path / "b").write_text("committed\n")
    host.git("commit", "-qam", "mine", at=host.path)


def commit_detached(host: Host) -> None:
    host.git("checkout", "-q", "--detach", at=host.path)
    host.git("commit", "-q", "--allow-empty", "-m", "detached", at=host.path)
    (host.path / "b").write_text("edited\n")


def make_shallow(host: Host) -> None:
    subprocess.run(["rm", "-rf", host.path], check=True)
    host.git("branch", "old", host.base)
    words = ("clone", "-q", "--depth", "1", "-b", "old", f"file://{host.upstream}", str(host.path))
    host.git(*words)
    (host.path / "b").write_text("mine\n")


def conflict(host: Host, *words: str) -> None:
    """Begin what ends in a conflict, and resolve half of it."""
    commit_on_branch(host)
    host.git("checkout", "-q", "-b", "other", host.base, at=host.path)
    (host.path / "b").write_text("other\n")
    host.git("commit", "-qam", "other", at=host.path)
    with pytest.raises(subprocess.CalledProcessError):
        host.git(*words, "mine", at=host.path)
    (host.path / "b").write_text("half resolved\n")


KINDS: dict[str, tuple[Callable[[Host], None], ...]] = {
    "clean": (),
    "edited": (edit_files, stage),
    "edited oddly": (name_oddly, change_types, hide, leave_untracked, nest_clones),
    "in the way": (stand_in_the_way,),
    "own branch": (commit_on_branch,),
    "detached": (commit_detached,),
    "shallow": (make_shallow,),
    "merge": (lambda host: conflict(host, "merge", "-q"),),
    "rebase": (lambda host: conflict(host, "rebase"),),
}


def read_tree(root: Path) -> dict[bytes, tuple[int, bytes]]:
    """Every file and link below a folder but for git's own, with mode and content."""
    found = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        folders[:] = [name for name in folders if name != b".git"]
        for name in (*files, *(f for f in folders if os.path.islink(os.path.join(folder, f)))):
            path = os.path.join(folder, name)
            is_link = os.path.islink(path)
            content = os.readlink(path) if is_link else Path(os.fsdecode(path)).read_bytes()
            mode = os.lstat(path).st_mode
            found[os.path.relpath(path, os.fsencode(root))] = (mode, content)
    return found


def read_repository(host: Host) -> dict[str, str]:
    """What somebody sees of a repository: HEAD, branches, status with all that is staged, notes."""
    notes = sorted(p.name for p in (host.path / ".git").iterdir() if p.name.isupper())
    return {
        "head": (host.path / ".git/HEAD").read_text(),
        "refs": host.git("for-each-ref", at=host.path),
        "status": host.git("status", "--porcelain", "-uall", "--ignored", at=host.path),
        "staged": host.git("diff", "--cached", at=host.path),
        "hidden": host.git("ls-files", "-v", at=host.path),
        "notes": " ".join(n for n in notes if n not in ("FETCH_HEAD", "ORIG_HEAD")),
        "exclude": (host.path / ".git/info/exclude").read_text(),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_what_somebody_had_in_a_checkout_is_kept_and_given_back(host: Host, kind: str) -> None:
    for act in KINDS[kind]:
        act(host)
    before, repository = read_tree(host.path), read_repository(host)
    had_commit = host.git("rev-parse", "HEAD", at=host.path)

    said = host.pin(host.wanted)

    folders = sorted(host.path.parent.glob("model.kept-*"))
    assert not [f for f in folders if f.name == "model.kept-part"]
    # the commit is still held by a name
    assert host.git("for-each-ref", "--contains", had_commit, at=host.path)
    # every line that names something tells the truth
    for line in said.splitlines():
        assert line.startswith("kept what was ")
        assert " as branch " in line or os.path.lexists(line.rpartition(" as ")[2]), line
    # nothing was moved but what had to be: what git does not know is where it was
    after = read_tree(host.path)
    stays = {name for name in before if name in after and after[name] == before[name]}
    for name in (b"notes/todo.txt", b"train.log", b"inner/a.py", b"another/a.py", b"mine.py"):
        assert name not in before or name in stays

    # a second run changes nothing
    facts = host.probe(pin=host.wanted)
    found = facts.sources[str(host.path)]
    assert (found.head, found.changed_files, found.operation) == (host.wanted, 0, "")
    assert not facts.missing_git_excludes
    times = {p: p.lstat().st_mtime_ns for p in host.path.rglob("*") if ".git" not in p.parts}
    assert host.pin(host.wanted) == ""
    assert {p: p.lstat().st_mtime_ns for p in times} == times
    assert sorted(host.path.parent.glob("model.kept-*")) == folders

    # and the day the host is given back, all is as it was
    assert host.run("restore-source", str(host.path)) == ""
    assert read_tree(host.path) == before
    assert read_repository(host) == repository
    assert sorted(p.name for p in host.path.parent.iterdir()) == ["model"]
    assert host.run("restore-source", str(host.path)) == ""


def test_an_ignored_file_that_a_release_has_too_stays_ignored(host: Host) -> None:
    exclude = host.path / ".git/info/exclude"
    exclude.write_text("/inner\n*.mine\n")
    host.pin(host.wanted)
    assert host.run("restore-source", str(host.path)) == ""
    assert exclude.read_text() == "/inner\n*.mine\n"


def test_lines_after_a_block_that_has_lost_its_end_are_its_users(host: Host) -> None:
    exclude = host.path / ".git/info/exclude"
    host.pin(host.wanted)
    text = exclude.read_text()
    assert text.count("# mlu-fleet: end\n") == 1
    exclude.write_text(text.replace("# mlu-fleet: end\n", "") + "*.mine\n")
    host.pin(host.base)
    assert exclude.read_text().count("*.mine\n") == 1
    assert host.run("restore-source", str(host.path)) == ""
    assert exclude.read_text().count("*.mine\n") == 1


def test_all_commits_of_an_unfinished_merge_are_kept(host: Host) -> None:
    commits = []
    for number in range(3):
        host.git("checkout", "-q", "--detach", host.base, at=host.path)
        host.git("commit", "-q", "--allow-empty", "-m", str(number), at=host.path)
        commits.append(host.git("rev-parse", "HEAD", at=host.path))
    host.git("checkout", "-q", "--detach", host.base, at=host.path)
    (host.path / ".git/MERGE_HEAD").write_text("".join(f"{commit}\n" for commit in commits))
    host.pin(host.wanted)
    for commit in commits:
        assert host.git("branch", "--contains", commit, at=host.path)


def test_what_is_edited_while_edits_are_kept_is_not_lost(host: Host) -> None:
    edit_files(host)
    sync = host.root / "bin/sync"
    sync.write_text(f"#!/bin/sh\necho more >> {host.path}/a.py\n")
    assert str(host.path) in host.refuse(host.wanted)
    assert (host.path / "a.py").read_text() == "mine, and changed in the next commit\nmore\n"
    assert host.git("rev-parse", "HEAD", at=host.path) == host.base
    assert [folder.name for folder in host.path.parent.iterdir()] == ["model"]
    sync.write_text("#!/bin/sh\n")
    before = read_tree(host.path)
    host.pin(host.wanted)
    assert host.run("restore-source", str(host.path)) == ""
    assert read_tree(host.path) == before


def test_a_retirement_gives_an_adopted_checkout_back(host: Host, tmp_path: Path) -> None:
    edit_files(host)
    before, repository = read_tree(host.path), read_repository(host)
    retiring = RetiredHost(tmp_path / "retired")
    retiring.run("source", host.path, host.upstream, host.wanted, "", "keep")
    name = f"adopted checkout:{host.path}"
    assert retiring.states()[name] == "ours"
    # what the checkout is to this tool: not a clone of its own, which would be removed
    assert not [each for each in retiring.states() if each.startswith("checkout ")]
    retiring.remove(name)
    assert name not in retiring.states()
    assert (read_tree(host.path), read_repository(host)) == (before, repository)


def test_edits_that_do_not_apply_any_more_stay_a_patch(host: Host) -> None:
    edit_files(host)
    host.pin(host.wanted)
    # somebody has gone on working since
    host.git("checkout", "-q", "main", at=host.path)
    (host.path / "b").write_text("another edit of this line\n")
    host.git("commit", "-qam", "went on", at=host.path)
    (host.path / "c").write_text("and an edit that is not committed\n")
    said = host.run("restore-source", str(host.path)).splitlines()
    first, second = sorted(host.path.parent.glob("model.kept-*"))
    assert f"kept what was edited in {host.path} as {second}/edits.patch" in said
    assert any(line.startswith(f"kept what was edited in {host.path} as {first}/") for line in said)
    assert (host.path / ".git/HEAD").read_text() == "ref: refs/heads/main\n"
    assert (host.path / "b").read_text() == "another edit of this line\n"
    assert "not committed" in (second / "edits.patch").read_text()
    assert not list((host.path / ".git").glob("mlufleet*"))


@pytest.mark.parametrize("left", ["", "edits", "files", "lock"])
def test_what_a_power_failure_has_cut_short_is_finished(host: Host, left: str) -> None:
    """Without permission, too: it was given to the run that was cut short."""
    edit_files(host)
    before = read_tree(host.path)
    host.pin(host.wanted)
    kept = sorted(host.path.parent.glob("model.kept-*"))
    # as it is in the middle: the commit is the old one, or files of both are there
    host.git("update-ref", "--no-deref", "HEAD", host.base, at=host.path)
    (host.path / ".git/mlufleet-working").touch()
    (host.path / ".git/mlufleet-host").unlink()
    if left == "files":
        (host.path / "new1").write_text("ne")
    elif left == "edits":
        (host.path / "b").write_text("an edit that was not restored yet\n")
    elif left == "lock":
        (host.path / ".git/index.lock").touch()
    found = host.probe(pin=host.wanted).sources[str(host.path)]
    assert found.is_interrupted
    host.pin(host.wanted, keep="")
    assert host.probe(pin=host.wanted).sources[str(host.path)] == SourceFacts(host.wanted, 0)
    assert set(kept) <= set(host.path.parent.glob("model.kept-*"))
    host.run("restore-source", str(host.path))
    after = read_tree(host.path)
    assert {name: after.get(name) for name in before} == before


def test_edits_are_refused_by_name_and_left_alone_without_permission(host: Host) -> None:
    edit_files(host)
    before = read_tree(host.path)
    found = host.probe(pin=host.wanted).sources[str(host.path)]
    assert " M a.py" in found.changes and "?? moved" in found.changes
    assert "+mine, and changed in the next commit" in found.edits
    assert found.has_pin is False
    said = host.refuse(host.wanted, keep="")
    assert said.startswith(f"{host.path}: ") and "M a.py" in said
    assert read_tree(host.path) == before


def test_what_a_tutorial_puts_inside_is_nobodys_edit(host: Host) -> None:
    host.git("checkout", "-q", "--detach", at=host.path)
    host.git("clone", "-q", str(host.upstream), str(host.path / "inner"))
    (host.path / "folder/__pycache__").mkdir()
    (host.path / "folder/__pycache__/l.pyc").write_text("")
    (host.path / "folder/image.tar.gz").write_text("")
    facts = host.probe(pin=host.base)
    assert facts.sources[str(host.path)] == SourceFacts(host.base, 0)
    assert facts.missing_git_excludes == {str(host.path)}
    host.patterns.append("image.tar.gz")
    assert host.pin(host.base, keep="") == ""
    assert not host.probe(pin=host.base).missing_git_excludes


def test_a_url_that_somebody_wrote_is_shown_without_its_password(host: Host) -> None:
    (host.path / "a.py").write_text("url = 'https://me:secret@git.example/a'\n")
    found = host.probe(pin=host.base).sources[str(host.path)]
    assert found.edits and not any("secret" in line for line in found.edits)


def test_a_bundle_is_no_reason_to_forget_what_somebody_fetched(host: Host) -> None:
    """A bundle has one branch; those of the remote that somebody cloned stay."""
    host.git("branch", "other", host.base)
    host.git("fetch", "-q", "origin", at=host.path)
    host.git("tag", "theirs", host.base, at=host.path)
    bundle = host.root / "model.bundle"
    host.git("tag", "theirs", host.wanted)
    host.git("bundle", "create", "-q", str(bundle), "main", "theirs")
    before = host.git("for-each-ref", at=host.path)
    host.pin(host.wanted, origin=str(bundle))
    after = host.git("for-each-ref", at=host.path).splitlines()
    assert set(before.splitlines()) <= set(after)


def test_a_look_tells_how_a_checkout_was_made(host: Host) -> None:
    def look() -> list[str]:
        said = host.run("inspect-checkouts", str(host.path), str(host.root / "nowhere"))
        fact, end = said.splitlines()
        assert (fact.split("\t")[0], end) == ("@@fact", "@@end")
        return fact.split("\t")[3:]

    assert look() == ["main", "0", "", str(host.upstream)]
    commit_detached(host)
    assert look() == ["", "1", "", str(host.upstream)]
    make_shallow(host)
    assert look() == ["old", "0", "shallow", f"file://{host.upstream}"]


def test_files_that_a_cut_off_checkout_wrote_are_nobodys_edits(host: Host) -> None:
    host.git("fetch", "-q", "origin", at=host.path)
    # as git leaves it in the middle: some files are written, HEAD and index are the old ones
    (host.path / ".git/mlufleet-working").write_text(f"{host.wanted}\n")
    (host.path / "a.py").write_text("wanted\n")
    (host.path / "new1").write_text("new\n")
    (host.path / "folder/m").unlink()
    (host.path / "b").write_text("mine\n")
    said = host.pin(host.wanted, keep="").splitlines()
    assert len(said) == 1 and said[0].startswith(f"kept what was edited in {host.path} as ")
    patch = Path(said[0].split()[-1]).read_text()
    assert patch.count("diff --git") == 1 and "+mine" in patch


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_a_checkout_stays_its_users(host: Host) -> None:
    edit_files(host)
    stage(host)
    subprocess.run(["chown", "-R", "1234:1234", host.path], check=True)

    def others() -> list[str]:
        found = [path for path in host.path.rglob("*") if path.lstat().st_uid != 1234]
        return [path.name for path in found if not path.name.startswith("mlufleet")]

    # git as root, which looks at the result in other tests, does not trust another user's checkout
    process = host.begin(host.wanted)
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert others() == []
    assert all(p.stat().st_uid == 1234 for p in host.path.parent.glob("model.kept-*/*"))
    host.run("restore-source", str(host.path))
    assert others() == []
