"""What a retirement finds, removes and puts back, by the host's own scripts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.operations.retirement_host import Host, sha256

IMAGE = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
TORCH = "registry.example/torch:v1"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.state.mkdir()
    host.made("state", host.state)
    return host


def run(*words: str | Path, cwd: Path) -> str:
    clean = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"}
    words = ("git", "-c", "user.name=a", "-c", "user.email=a@b", *words)
    return subprocess.run(
        words, cwd=cwd, env=clean, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(host: Host) -> Path:
    """A checkout that this tool has cloned, in a folder that was there before."""
    upstream, path = host.root / "upstream", host.data / "model"
    upstream.mkdir()
    run("init", "-q", "-b", "main", cwd=upstream)
    host.write("upstream/a.py", "one\n")
    host.write("upstream/.gitignore", "*.out\n")
    run("add", ".", cwd=upstream)
    run("commit", "-qm", "one", cwd=upstream)
    commit = run("rev-parse", "HEAD", cwd=upstream)
    host.run("source", path, upstream, commit, "", "", "__pycache__")
    return path


def test_only_a_container_with_the_label_goes(host: Host) -> None:
    host.made("container", "ours")
    host.made("container", "theirs")
    host.made("container", "gone")
    host.write(
        "docker/containers",
        f"ours c1 {IMAGE} mlufleet.spec no true\ntheirs c2 {IMAGE} - no true\n"
        "else c3 x - no true\n",
    )
    assert host.states() == {
        "container ours": "ours",
        "container theirs": "made by somebody else",
    }
    host.remove("container ours", "container theirs", "container gone")
    left = (host.root / "docker/containers").read_text().splitlines()
    assert [line.split()[0] for line in left] == ["theirs", "else"]


def test_a_silent_docker_is_no_sign_that_nothing_is_there(host: Host) -> None:
    host.made("container", "ours")
    host.write("docker/silent", "1")
    assert host.states() == {"container ours": "docker does not answer"}


@pytest.mark.parametrize(
    ("containers", "images", "state"),
    [
        ("", f"{TORCH} {IMAGE}\n", "ours"),
        (f"ours c1 {IMAGE} mlufleet.spec no true\n", f"{TORCH} {IMAGE}\n", "ours"),
        (f"theirs c2 {IMAGE} - no false\n", f"{TORCH} {IMAGE}\n", "in use"),
        ("", f"{TORCH} {IMAGE}\nmine:v1 {IMAGE}\n", "named by somebody else"),
    ],
)
def test_an_image_goes_if_this_tool_loaded_it_and_nobody_else_uses_it(
    host: Host, containers: str, images: str, state: str
) -> None:
    host.made("container", "ours")
    host.made("image", IMAGE, TORCH)
    host.write("docker/containers", containers)
    host.write("docker/images", images)
    assert host.states()[f"image {IMAGE}"] == state
    host.remove("container ours", f"image {IMAGE}")
    assert (IMAGE in (host.root / "docker/images").read_text()) == (state != "ours")


def test_a_name_that_an_image_of_somebody_got_goes_and_the_image_stays(host: Host) -> None:
    host.made("tag", TORCH, OTHER)
    host.write("docker/images", f"{TORCH} {OTHER}\ntheirs:v1 {OTHER}\n")
    assert host.states() == {f"tag {TORCH}": "ours"}
    host.remove(f"tag {TORCH}")
    assert (host.root / "docker/images").read_text() == f"theirs:v1 {OTHER}\n"
    host.write("docker/images", f"{TORCH} {OTHER}\n")
    assert host.states() == {f"tag {TORCH}": "the only name of its image"}


def test_an_image_that_was_moved_aside_gets_its_name_back(host: Host) -> None:
    host.made("adopted", f"image:{TORCH}", f"{TORCH}-kept {OTHER}")
    host.made("image", IMAGE, TORCH)
    host.write("docker/images", f"{TORCH} {IMAGE}\n{TORCH}-kept {OTHER}\n")
    assert set(host.states().values()) == {"ours"}
    host.remove(f"image {IMAGE}", f"adopted image:{TORCH}")
    assert (host.root / "docker/images").read_text() == f"{TORCH} {OTHER}\n"
    assert host.states() == {}


def test_a_clean_checkout_goes_with_what_python_wrote_into_it(host: Host, checkout: Path) -> None:
    (checkout / "__pycache__").mkdir()
    (checkout / "__pycache__/a.pyc").touch()
    name = f"checkout {checkout}"
    assert host.states()[name] == "ours"
    host.remove(name)
    assert checkout.is_dir() and not any(checkout.iterdir())
    assert host.states() == {f"folder {checkout}": "ours"}
    host.remove(f"folder {checkout}")
    assert not checkout.exists() and host.data.is_dir()


@pytest.mark.parametrize("what", ["edit", "new", "ignored", "hidden", "branch", "stash", "nested"])
def test_a_checkout_with_the_work_of_somebody_stays_and_says_what_it_is(
    host: Host, checkout: Path, what: str
) -> None:
    named = {"edit": "a.py", "new": "b.py", "ignored": "a.out", "hidden": "a.py"}.get(what, what)
    if what == "edit":
        (checkout / "a.py").write_text("two\n")
    elif what in ("new", "ignored"):
        (checkout / named).write_text("mine\n")
    elif what == "hidden":
        (checkout / "a.py").write_text("two\n")
        run("update-index", "--assume-unchanged", "a.py", cwd=checkout)
    elif what == "branch":
        run("commit", "-q", "--allow-empty", "-m", "mine", cwd=checkout)
        run("branch", "branch", cwd=checkout)
        run("checkout", "-q", "HEAD^", cwd=checkout)
    elif what == "stash":
        (checkout / "a.py").write_text("two\n")
        run("stash", "-q", cwd=checkout)
    else:
        (checkout / "nested").mkdir()
        (checkout / "nested/weights.bin").write_text("mine\n")
    found = host.traces()[f"checkout {checkout}"]
    assert found.state == "edited" and named in found.detail
    host.remove(f"checkout {checkout}")
    assert (checkout / ".git").is_dir()


def hide_untracked(checkout: Path) -> str:
    run("config", "status.showUntrackedFiles", "no", cwd=checkout)
    (checkout / "notes.txt").write_text("mine\n")
    return "notes.txt"


def name_with_line_break(checkout: Path) -> str:
    (checkout / "results").mkdir()
    (checkout / "results/one\ntwo").write_text("mine\n")
    return "results"


def write_among_pythons_files(checkout: Path) -> str:
    (checkout / "__pycache__").mkdir()
    (checkout / "__pycache__/notes.txt").write_text("mine\n")
    return "__pycache__"


def write_hook(checkout: Path) -> str:
    (checkout / ".git/hooks").mkdir(exist_ok=True)
    (checkout / ".git/hooks/pre-commit").write_text("mine\n")
    return ".git/hooks/pre-commit"


def tag_commit(checkout: Path) -> str:
    run("commit", "-q", "--allow-empty", "-m", "mine", cwd=checkout)
    commit = run("rev-parse", "HEAD", cwd=checkout)
    run("tag", "mine", cwd=checkout)
    run("checkout", "-q", "HEAD^", cwd=checkout)
    return commit


def leave_commit(checkout: Path) -> str:
    commit = tag_commit(checkout)
    run("tag", "-d", "mine", cwd=checkout)
    return commit


def add_worktree(checkout: Path) -> str:
    run("worktree", "add", "-q", "--detach", "../theirs", cwd=checkout)
    return ".git/worktrees/theirs"


def move_work_tree(checkout: Path) -> str:
    run("config", "core.worktree", str(checkout), cwd=checkout)
    return "work tree elsewhere"


def begin_after_a_kill(checkout: Path) -> str:
    (checkout / ".git").rename(checkout / ".mlufleet-removed")
    wait_for_a_later_time(checkout / ".mlufleet-removed")
    (checkout / "notes.txt").write_text("mine\n")
    return "notes.txt"


def wait_for_a_later_time(path: Path) -> None:
    """Until a file that is written now is newer: the clock of a file system has ticks."""
    probe = path.parent.parent / "probe"
    probe.touch()
    while probe.stat().st_ctime_ns <= path.stat().st_ctime_ns:
        probe.touch()


HIDDEN = (
    hide_untracked,
    name_with_line_break,
    write_among_pythons_files,
    write_hook,
    tag_commit,
    leave_commit,
    add_worktree,
    move_work_tree,
    begin_after_a_kill,
)


@pytest.mark.parametrize("hide", HIDDEN, ids=lambda hide: hide.__name__)
def test_what_git_does_not_tell_of_a_checkout_is_found(
    host: Host, checkout: Path, hide: Callable[[Path], str]
) -> None:
    named = hide(checkout)
    before = sorted(str(path) for path in checkout.rglob("*"))
    found = host.traces()[f"checkout {checkout}"]
    assert found.state == "edited" and named in found.detail
    host.remove(f"checkout {checkout}")
    assert sorted(str(path) for path in checkout.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        ("remote", "add", "backup", "/backup"),
        ("config", "remote.origin.pushurl", "/backup"),
        ("branch", "--track", "mine", "origin/main"),
        ("config", "alias.st", "status"),
    ],
    ids=lambda words: words[-2],
)
def test_settings_that_somebody_gave_to_a_checkout_keep_it(
    host: Host, checkout: Path, words: tuple[str, ...]
) -> None:
    run(*words, cwd=checkout)
    found = host.traces()[f"checkout {checkout}"]
    assert found.state == "edited" and found.detail.startswith("git config ")
    host.remove(f"checkout {checkout}")
    assert (checkout / ".git/config").exists()


@pytest.mark.parametrize("kind", ["checkout", "tree"])
def test_a_link_that_somebody_has_put_in_place_of_a_folder_stays(
    host: Host, checkout: Path, kind: str
) -> None:
    checkout.rename(host.data / "moved")
    checkout.symlink_to(host.data / "moved")
    host.made(kind, checkout, str(host.state / "stamps/tree-model"))
    host.run("stamp-tree", "tree-model", "digest", checkout)
    assert host.states()[f"{kind} {checkout}"] == "made by somebody else"
    host.remove(f"{kind} {checkout}")
    assert checkout.is_symlink() and (host.data / "moved/.git").is_dir()


def test_a_file_among_those_that_python_writes_into_a_tree_keeps_the_tree(host: Host) -> None:
    tree = host.write("data/model_mlu/a.py", "one\n").parent
    host.made("tree", tree, str(host.state / "stamps/tree-model"))
    host.run("stamp-tree", "tree-model", "digest", tree)
    host.write("data/model_mlu/__pycache__/a.pyc", "")
    assert host.states() == {f"tree {tree}": "ours"}
    host.write("data/model_mlu/__pycache__/notes.txt", "mine\n")
    assert host.states() == {f"tree {tree}": "edited"}


def test_a_checkout_at_a_commit_that_no_branch_has_is_not_taken_for_somebodys(
    host: Host, checkout: Path
) -> None:
    upstream = host.root / "upstream"
    run("checkout", "-q", "--detach", cwd=upstream)
    host.write("upstream/a.py", "two\n")
    run("commit", "-qam", "two", cwd=upstream)
    commit = run("rev-parse", "HEAD", cwd=upstream)
    run("config", "uploadpack.allowAnySHA1InWant", "true", cwd=upstream)
    host.run("source", checkout, upstream, commit, "", "", "__pycache__")
    assert run("rev-parse", "HEAD", cwd=checkout) == commit
    assert host.states()[f"checkout {checkout}"] == "ours"


def test_edits_that_were_kept_are_named_also_when_their_checkout_is_gone(
    host: Host, checkout: Path
) -> None:
    upstream = host.root / "upstream"
    commit = run("rev-parse", "HEAD", cwd=upstream)
    (checkout / "a.py").write_text("mine\n")
    host.run("source", checkout, upstream, commit, "", "keep", "__pycache__")
    (place,) = host.data.glob("model.kept-*")
    assert "mine" in (place / "edits.patch").read_text()
    (host.data / "model.kept-theirs").mkdir()
    found = host.states()
    assert (found[f"checkout {checkout}"], found[f"aside {place}"]) == ("ours", "kept aside")
    assert [name for name in found if name.startswith("aside ")] == [f"aside {place}"]
    host.remove(f"checkout {checkout}", f"folder {checkout}")
    assert host.traces()[f"aside {place}"].detail == f"edits or files of {checkout}"
    assert (place / "edits.patch").exists()


def test_a_checkout_inside_another_goes_first(host: Host, checkout: Path) -> None:
    upstream = host.root / "upstream"
    commit = run("rev-parse", "HEAD", cwd=upstream)
    inner = checkout / "inner"
    host.run("source", inner, upstream, commit, "", "", "__pycache__")
    with (checkout / ".git/info/exclude").open("a") as exclude:
        exclude.write("/inner\n")
    assert host.states()[f"checkout {checkout}"] == "ours"
    (inner / "a.py").write_text("two\n")
    found = host.traces()[f"checkout {checkout}"]
    assert (found.state, found.detail) == ("edited", "inner")
    (inner / "a.py").write_text("one\n")
    host.remove(f"checkout {inner}", f"checkout {checkout}")
    assert not any(checkout.iterdir())


def test_a_removal_that_was_killed_in_a_checkout_goes_on(host: Host, checkout: Path) -> None:
    (checkout / ".git").rename(checkout / ".mlufleet-removed")
    (checkout / "a.py").unlink()
    assert host.states()[f"checkout {checkout}"] == "ours"
    host.remove(f"checkout {checkout}")
    assert not any(checkout.iterdir())


def test_a_tree_goes_if_it_is_as_it_was_made(host: Host) -> None:
    tree, stamp = host.data / "model_mlu", host.state / "stamps/tree-model"
    host.write("data/model_mlu/a.py", "one\n")
    host.made("tree", tree, str(stamp))
    host.run("stamp-tree", "tree-model", "digest", tree)
    assert host.states() == {f"tree {tree}": "ours"}
    (tree / "a.py").write_text("mine\n")
    assert host.states() == {f"tree {tree}": "edited"}
    host.remove(f"tree {tree}")
    assert (tree / "a.py").read_text() == "mine\n"
    host.run("stamp", "tree-model.running", "1")  # this tool was at it, and was killed
    tree.rename(f"{tree}.mlufleet-removed")
    assert host.states() == {f"tree {tree}": "ours"}
    host.remove(f"tree {tree}")
    assert host.states() == {} and not any(host.data.iterdir())


def test_files_go_by_their_bytes_and_those_of_others_beside_them_stay(host: Host) -> None:
    first, second, mine = (host.write(f"data/w/{name}", name) for name in ("a", "b", "mine"))
    for file in (first, second):
        host.made("folder", file.parent)
        identity = host.run_lines("identity", file) if file == first else "1.1.1"
        host.made("file", file, f"{sha256(file)} {identity} weights-w")
    found = host.traces()
    assert {found[f"file {file}"].group for file in (first, second)} == {"weights"}
    assert found[f"file {second}"].state == "ours"  # its times have changed, its bytes have not
    second.write_text("edited")
    assert host.states()[f"file {second}"] == "edited"
    host.remove(f"file {first}", f"file {second}", f"folder {first.parent}", allowed="weights")
    assert not first.exists() and second.read_text() == "edited" and mine.exists()
    assert host.states()[f"folder {first.parent}"] == "not empty"


@pytest.mark.parametrize("original", [None, "theirs\n"])
def test_a_setting_becomes_what_it_was(host: Host, original: str | None) -> None:
    path = host.write("etc/docker/daemon.json", "ours\n")
    copy = host.state / "kept/_etc_docker_daemon.json.1"
    if original:
        copy.parent.mkdir()
        copy.write_text(original)
    host.made("config", path, f"{sha256(path)} {copy if original else '-'} -")
    assert host.states() == {f"config {path}": "ours"}
    path.write_text("edited\n")
    assert host.states() == {f"config {path}": "edited"}
    host.remove(f"config {path}")
    assert path.read_text() == "edited\n"
    path.write_text("ours\n")
    host.remove(f"config {path}")
    assert host.states() == {}
    assert (path.read_text() if path.exists() else None) == original


def test_a_setting_that_was_changed_twice_becomes_what_it_was_before_both(host: Host) -> None:
    path = host.write("data/x", "second\n")
    first, before = (host.write(f"state/kept/_data_x.{n}", n) for n in ("first", "before"))
    host.made("config", path, f"{sha256(first)} {before} -")
    host.made("config", path, f"{sha256(path)} {first} -")
    host.remove(f"config {path}")
    assert path.read_text() == "before"


def test_what_was_moved_aside_gets_its_name_back_once_it_is_free(host: Host) -> None:
    path, kept = host.write("data/w/a", "ours"), host.write("data/w/a.kept-1", "theirs")
    later = host.write("data/w/a.kept-2", "later")
    host.made("file", path, f"{sha256(path)} - weights-w")
    for name in (kept, later):
        host.made("kept", path, str(name))
    assert host.states()[f"kept {path}"] == "ours"
    found = host.traces()
    assert found[f"aside {later}"].detail == f"it was at {path}"
    assert f"aside {kept}" not in found
    assert host.states("driver")[f"kept {path}"] == "its name is taken"  # the weights stay
    host.remove(f"file {path}", f"kept {path}")
    assert path.read_text() == "theirs" and later.exists()
    assert f"aside {later}" not in host.states()  # it is the first one now
    found = host.traces()[f"kept {path}"]
    assert (found.state, found.detail) == ("its name is taken", f"it is {later}")


def test_a_container_that_was_stopped_is_to_be_put_back(host: Host) -> None:
    name = "adopted container:c2"
    host.made("container", "torch")
    host.made("adopted", "container:c2", "torch torch-kept always true")
    ours = f"torch c1 {IMAGE} mlufleet.spec no true\n"
    host.write("docker/containers", f"{ours}torch-kept c2 {IMAGE} - no false\n")
    assert host.states()[name] == "ours"
    host.write(
        "docker/containers", f"torch c1 {IMAGE} - no true\ntorch-kept c2 {IMAGE} - no false\n"
    )
    assert host.states()[name] == "its name is taken"
    host.write("docker/containers", f"torch c2 {IMAGE} - always true\n")
    assert name not in host.states()


def test_packages_go_with_their_group_unless_something_else_needs_them(host: Host) -> None:
    host.write("packages", "driver 5\ndkms 2\ngcc 9\nmake 4\nmine 1\n")
    for name, detail in {"driver": "5 -", "dkms": "2 -", "gcc": "9 -", "make": "4 3"}.items():
        host.made("package", name, f"driver {detail}")
    host.write("needs", "gcc mine\n")
    found = host.traces("driver")
    states = {name: trace.state for name, trace in found.items() if trace.kind == "package"}
    assert states == {
        "package driver": "ours",
        "package dkms": "ours",
        "package gcc": "in use",
        "package make": "there before",
    }
    assert found["package gcc"].detail == "package mine"
    host.remove(*states, allowed="driver")
    assert (host.root / "packages").read_text() == "gcc 9\nmake 4\nmine 1\n"


def test_a_module_goes_with_its_package_and_never_one_that_somebody_built(host: Host) -> None:
    name = "cambricon-mlu-driver-ubuntu18.04-dkms"
    module = host.write("lib/modules/5.4/updates/cambricon-drv.ko", "module")
    host.made("package", name, "driver 5 -")
    assert host.states("driver") == {}  # the package is gone, and this is no module of it
    host.write("packages", f"{name} 5\n")
    want = {f"package {name}": "ours", "module cambricon_drv": "ours"}
    assert host.states("driver") == want
    host.remove(f"package {name}", allowed="driver")
    assert host.states("driver") == {"module cambricon_drv": "ours"}  # a removal that was cut off
    host.remove("module cambricon_drv", allowed="driver")
    assert not module.exists() and host.states("driver") == {}


def test_options_of_the_site_come_back_after_the_package_and_over_nothing(host: Host) -> None:
    name = "cambricon-mlu-driver-ubuntu18.04-dkms"
    path = host.write("etc/modprobe.d/cambricon-drv.conf", "the package's\n")
    copy = host.write("state/kept/cambricon-drv.conf-1", "the site's\n")
    host.made("package", name, "driver 5 -")
    host.made("kept", path, str(copy))
    host.write("packages", f"{name} 5\n")
    assert host.states("driver")[f"kept {path}"] == "ours"
    host.remove(f"package {name}", allowed="driver")
    path.write_text("somebody's\n")
    assert host.states("driver") == {f"kept {path}": "its name is taken"}
    path.unlink()
    host.remove(f"kept {path}", allowed="driver")
    assert path.read_text() == "the site's\n" and host.states("driver") == {}


def test_an_installation_that_was_cut_off_is_known_by_the_list_of_before(host: Host) -> None:
    host.write("packages", "driver 5\nmake 4\nmine 1\n")
    host.write("state/packages-driver", "make 3\nmine 1\n")
    assert host.states() == {"package driver": "ours", "package make": "there before"}


@pytest.mark.parametrize("user", ["container", "image", "volume", "silent", "stuck", ""])
def test_docker_goes_only_if_nobody_else_uses_it(host: Host, user: str) -> None:
    folder = host.root / "var/lib/docker"
    (folder / "overlay2").mkdir(parents=True)
    host.write("packages", "docker.io 20\n")
    host.made("package", "docker.io", "engine 20 -")
    host.made("data", folder, "engine")
    host.made("container", "ours")
    host.made("image", IMAGE, TORCH)
    theirs = f"theirs c2 {OTHER} - no false\n" if user == "container" else ""
    host.write("docker/containers", f"ours c1 {IMAGE} mlufleet.spec no true\n{theirs}")
    mine = f"mine {OTHER}\n" if user == "image" else ""
    host.write("docker/images", f"{TORCH} {IMAGE}\n{mine}")
    host.write("docker/volumes", "models\n" if user == "volume" else "")
    host.add_program("dockerd", "#!/bin/sh\n")
    if user == "silent":
        host.write("docker/silent", "1")
    elif user == "stuck":  # `docker version` answers, `docker ps` does not
        (host.root / "docker/containers").unlink()
    states = host.states("engine")
    assert states["package docker.io"] == states[f"data {folder}"] == ("in use" if user else "ours")
    host.remove("package docker.io", f"data {folder}", allowed="engine")
    assert any(folder.iterdir()) == bool(user)


@pytest.mark.parametrize("why", ["stopped", "removed"])
def test_dockers_data_stays_if_docker_cannot_say_whose_it_is(host: Host, why: str) -> None:
    folder = host.root / "var/lib/docker"
    host.write("var/lib/docker/volumes/models/_data/notes.txt", "mine\n")
    host.made("data", folder, "engine")
    if why == "stopped":
        host.write("docker/silent", "1")
    else:
        host.hide("dockerd")
    assert host.states("engine")[f"data {folder}"] == "in use"
    host.remove(f"data {folder}", allowed="engine")
    assert (folder / "volumes/models/_data/notes.txt").read_text() == "mine\n"


@pytest.mark.parametrize("place", ["data/b.kept-1", "data/a.kept-1/b", "data/a", "state/kept/a-1"])
def test_a_damaged_record_moves_nothing_that_was_not_kept(host: Host, place: str) -> None:
    theirs = host.write(place, "theirs\n")
    path = host.data / "a"
    host.made("kept", path, str(theirs))
    assert host.states() == {}
    host.remove(f"kept {path}")
    assert theirs.read_text() == "theirs\n"


@pytest.mark.parametrize(
    ("name", "checksum", "copy"),
    [
        ("etc/passwd", "", "-"),
        ("etc/docker/daemon.json", "any", "-"),
        ("data/notes.txt", "any", "-"),
        ("data/notes.txt", "", "other"),
        ("data/notes.txt", "", "state/kept/_data_other.1"),
        ("data/notes.txt", "", ""),
    ],
)
def test_a_damaged_record_removes_and_replaces_no_file_that_this_tool_does_not_change(
    host: Host, name: str, checksum: str, copy: str
) -> None:
    path = host.write(name, "theirs\n")
    if copy not in ("", "-"):
        copy = str(host.write(copy, "other\n"))
    host.made(
        "config", path, " ".join(filter(None, (checksum or sha256(path), copy, copy and "-")))
    )
    assert host.states() == {}
    host.remove(f"config {path}")
    assert path.read_text() == "theirs\n"


@pytest.mark.parametrize("end", ["\n", "\t"])
def test_the_name_of_a_file_does_not_become_a_line_of_the_record(host: Host, end: str) -> None:
    host.write("packages", "sshd 9\n")
    before = (host.state / "made").read_text()
    host.made("adopted", f"link:/data/a{end}now\tpackage\tsshd\tdriver 9 -\t{end}", "/data/a")
    assert (host.state / "made").read_text() == before
    assert host.states("driver") == {}


def test_a_damaged_record_of_a_link_asks_for_nothing(host: Host) -> None:
    host.made("adopted", f"link:{host.data}/cut-o")
    assert host.states() == {}


def test_a_damaged_record_disables_no_unit_and_removes_no_group_of_others(host: Host) -> None:
    host.write("etc/group", "wheel:x:10:\n")
    host.made("unit", "sshd", "enabled")
    host.made("group", "wheel", "engine")
    assert host.states("engine") == {}


def test_a_damaged_record_empties_no_folder_of_others(host: Host) -> None:
    notes = host.write("data/notes.txt", "mine\n")
    host.made("data", host.data, "engine")
    host.remove(f"data {host.data}", allowed="engine")
    assert notes.exists()


def test_a_host_without_a_record_is_known_by_stamps_marks_and_the_audit_log(tmp_path: Path) -> None:
    host = Host(tmp_path)
    weights, theirs = host.write("data/w/a", "a"), host.write("data/w/b", "b")
    tree = host.write("data/m_mlu/a.py", "x").parent
    (host.state / "images").mkdir(parents=True)
    (host.state / "images" / IMAGE[7:]).touch()
    host.write("state/audit.log", f"time\trun\tme\tweights\ttitle\tplaced {weights}\n")
    host.run("stamp", "container-name", "torch")
    host.run("stamp-tree", "tree-m", "digest", tree)
    host.write("docker/containers", f"torch c1 {IMAGE} mlufleet.spec no true\n")
    host.write("docker/images", f"{TORCH} {IMAGE}\n")
    expected = "".join(
        "\t".join(fields) + "\n"
        for fields in (
            ("container", "torch", ""),
            ("image", IMAGE, TORCH),
            ("tree", str(tree), f"{host.state}/stamps/tree-m"),
            ("file", str(weights), f"{sha256(weights)} - weights"),
            ("file", str(theirs), f"{sha256(theirs)} - weights"),
        )
    )
    found = host.states(expected=expected)
    record = f"record {host.state}/made"
    want = {record, "container torch", f"image {IMAGE}", f"tree {tree}", f"file {weights}"}
    assert found == dict.fromkeys(want, "ours")
    host.run("recall-made", "complete", given=expected)
    assert host.states() == {name: "ours" for name in found if name != record}


def test_the_state_goes_last_and_only_the_record_stays_of_what_stays(host: Host) -> None:
    host.write("state/lock", "run1\tme\n")
    host.write("state/stamps/good", "x\n")
    host.write("state/signing/key", "x\n")
    assert host.run("remove-state", "run1", "record")[-1].startswith("@@removed")
    assert sorted(path.name for path in host.state.iterdir()) == ["made", "signing"]
    assert host.traces()[f"state {host.state}"].state == "record"
    host.write("state/lock", "run1\tme\n")
    host.run("remove-state", "run1")
    assert not host.state.exists()
    assert host.traces() == {}


@pytest.mark.parametrize("place", ["cache", "cache/below"])
def test_what_is_mounted_in_the_state_folder_stays_and_is_named(host: Host, place: str) -> None:
    theirs, mount = host.write(f"state/{place}/theirs", "mine\n"), host.state / place
    host.write("state/stamps/good", "x\n")
    host.write("state/lock", "run1\tme\n")
    host.write("proc/self/mounts", f"/dev/vdb {mount} ext4 rw 0 0\n")
    assert f"mount {mount}" in host.states()
    with pytest.raises(AssertionError, match="is mounted in it"):
        host.run("remove-state", "run1")
    assert theirs.exists() and (host.state / "made").exists()
    host.run("remove-state", "run1", "record")
    assert theirs.exists() and not (host.state / "stamps").exists()
    assert host.traces()[f"state {host.state}"].state == "record"


def test_a_link_to_the_state_folder_stays_and_what_is_in_the_folder_goes(host: Host) -> None:
    folder = host.state.rename(host.root / "elsewhere")
    host.state.symlink_to(folder)
    host.write("state/stamps/good", "x\n")
    host.write("state/lock", "run1\tme\n")
    assert host.traces()[f"state {host.state}"].state == "ours"
    host.run("remove-state", "run1")
    assert host.state.is_symlink() and not any(folder.iterdir())
    assert host.states() == {f"link {host.state}": "a symbolic link of somebody"}
    assert f"state {host.state}" not in host.traces()


def test_the_end_of_a_lock_does_not_bring_the_state_back(host: Host) -> None:
    host.write("state/lock", "run1\tme\n")
    host.run("remove-state", "run1")
    for words in (("release", "run1"), ("beat", "run1"), ("break", "me")):
        host.run("lock", *words)
    assert not host.state.exists()


def test_folders_that_were_missing_are_recorded_each(host: Host) -> None:
    host.run("make-directories", host.data / "a/b/c", host.data / "a/d", host.data)
    names = [name.removeprefix(f"folder {host.data}") for name in host.states()]
    assert names == ["/a", "/a/b", "/a/b/c", "/a/d"]
