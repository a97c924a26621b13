"""Checkouts, by the host's own script: here on the controller, with real git."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.errors import FAILURE_TABLE, Failure
from operations.host.facts import SourceFacts
from operations.host.scripts import script_text
from tests.unit.operations.checkout_host import Host
from tests.waiting import PATIENCE_S

#: what a host's people have git do, in their own or the whole host's file
SETTINGS = {
    "hooks": "[core]\n\thooksPath = {0}/hooks\n",
    "template": "[init]\n\ttemplateDir = {0}/template\n",
    "another address": '[url "{0}/nowhere"]\n\tinsteadOf = {0}\n',
    "no files": '[protocol "file"]\n\tallow = never\n[protocol]\n\tallow = never\n',
    "line ends": "[core]\n\tautocrlf = true\n\teol = crlf\n",
    "attributes": "[core]\n\tattributesFile = {0}/attributes\n",
    "monitor": "[core]\n\tfsmonitor = {0}/hooks/post-checkout\n",
    "large files": '[filter "lfs"]\n\trequired = true\n\tsmudge = false\n\tprocess = false\n',
    "signatures": "[commit]\n\tgpgsign = true\n[tag]\n\tgpgsign = true\n[gpg]\n\tprogram = false\n",
    "untracked": "[status]\n\tshowUntrackedFiles = no\n[core]\n\texcludesFile = {0}/ignore\n",
    "fetching": "[fetch]\n\tprune = true\n\tfsckObjects = true\n\trecurseSubmodules = true\n",
    "a wrong file": "[core\n",
}
#: of the environment
VARIABLES = {
    "GIT_DIR": "/nowhere",
    "GIT_WORK_TREE": "/nowhere",
    "GIT_INDEX_FILE": "/nowhere/index",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "core.hooksPath",
    "GIT_CONFIG_VALUE_0": "{0}/hooks",
    "GIT_TEMPLATE_DIR": "{0}/template",
    "GIT_ALLOW_PROTOCOL": "ssh",
    "GIT_OBJECT_DIRECTORY": "/no",
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    yield Host(tmp_path)


@pytest.mark.parametrize("kind", SETTINGS)
def test_what_people_set_for_their_own_git_reaches_no_checkout(host: Host, kind: str) -> None:
    (host.home / ".gitconfig").write_text(SETTINGS[kind].format(host.root))
    assert host.pin(host.first) == ""
    assert (host.path / "a.py").read_bytes() == b"one\n"
    assert (host.path / "weights.bin").read_text().startswith("version ")
    assert not (host.path / ".git/hooks").exists()
    second = host.commit("two\n")
    assert host.pin(second) == ""
    assert (host.path / "a.py").read_bytes() == b"two\n"


@pytest.mark.parametrize("where", ["config", "an included file", "an odd name", "a name with ="])
def test_no_program_that_a_checkout_configures_is_run(host: Host, where: str) -> None:
    assert host.pin(host.first) == ""
    ran = host.root / "ran"
    name = {"an odd name": "it's*my$tool", "a name with =": "a=b"}.get(where, "mine")
    program = f"touch '{ran}'; cat"
    text = f'[filter "{name}"]\n\trequired = true\n'
    text += "".join(f'\t{key} = "{program}"\n' for key in ("clean", "smudge"))
    config = host.path / ".git/config"
    if where == "an included file":
        (host.root / "more").write_text(text)
        text = f"[include]\n\tpath = {host.root}/more\n"
    config.write_text(config.read_text() + text)
    (host.path / ".git/info").mkdir(exist_ok=True)
    (host.path / ".git/info/attributes").write_text(f"* filter={name}\n")
    os.utime(host.path / "a.py", (1, 1))  # so that git reads it again
    second = host.commit("two\n")
    found = host.probe().sources[str(host.path)]
    said = host.begin(second).communicate(timeout=PATIENCE_S)[0]
    assert not ran.exists(), said
    if where == "a name with =":  # that one cannot be left out, so git is not run there
        assert found.status_error
    else:
        assert found == SourceFacts(host.first, 0)
    assert (host.path / "a.py").read_text() == "two\n"


def test_what_the_whole_host_sets_or_the_environment_reaches_none_either(
    host: Host, tmp_path: Path
) -> None:
    everything = [text for name, text in SETTINGS.items() if not name.startswith("a wrong")]
    (tmp_path / "system").write_text("".join(everything).format(tmp_path))
    real = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True).stdout
    stub = tmp_path / "bin/git"
    stub.write_text(f'#!/bin/sh\nGIT_CONFIG_SYSTEM={tmp_path}/system exec {real.strip()} "$@"\n')
    stub.chmod(0o755)
    said = {name: value.format(tmp_path) for name, value in VARIABLES.items()}
    assert host.pin(host.first, **said, PATH=f"{tmp_path}/bin:{os.environ['PATH']}") == ""
    assert (host.path / "a.py").read_bytes() == b"one\n"


def test_how_the_network_is_reached_stays_what_the_host_says(host: Host) -> None:
    said = "[http]\n\tproxy = http://proxy:3128\n\tsslVerify\n\tsslCAInfo = ~/ca.pem\n"
    said += '[http "https://git.example/"]\n\textraHeader = X: y\n\textraHeader = Z: w\n'
    said += "[credential]\n\thelper = store\n[core]\n\tsshCommand = ssh -i key\n\teditor = vi\n"
    (host.home / ".gitconfig").write_text(said)
    (host.home / ".netrc").write_text("machine git.example login a password b\n")
    host.pin(host.first)
    own = host.root / "state/git"
    listed = host.git("config", "--file", str(own / ".gitconfig"), "--list").splitlines()
    assert not any(line.startswith("core.editor") for line in listed)
    assert {
        "safe.directory=*",
        "http.proxy=http://proxy:3128",
        "http.sslverify=true",
        f"http.sslcainfo={host.home}/ca.pem",
        "http.https://git.example/.extraheader=X: y",
        "http.https://git.example/.extraheader=Z: w",
        "credential.helper=store",
        "core.sshcommand=ssh -i key",
    } <= set(listed)
    assert (own / ".netrc").resolve() == host.home / ".netrc"


def test_git_itself_says_why_a_checkout_fails(host: Host) -> None:
    nowhere = host.refuse(host.first, origin=str(host.root / "nowhere"))
    assert nowhere.startswith("git ls-remote: fatal: ") and "nowhere" in nowhere
    lost = "0" * 39 + "1"
    assert host.refuse(lost) == f"{host.upstream} has no commit {lost}"
    host.pin(host.first)
    second = host.commit("two\n")
    assert host.refuse(lost) == f"{host.upstream} has no commit {lost}"
    (host.path / ".git/index.lock").write_text("")
    locked = host.refuse(second)
    assert locked.startswith("git checkout: fatal: Unable to create") and "index.lock" in locked
    assert "has no commit" not in locked


def test_git_speaks_english_to_us_whatever_the_host_speaks(host: Host) -> None:
    said = host.refuse(host.first, origin="/nowhere", LANG="zh_CN.UTF-8", LANGUAGE="zh_CN")
    assert said.startswith("git ls-remote: fatal: ")


@pytest.mark.parametrize("bundled", [False, True], ids=["url", "bundle"])
@pytest.mark.parametrize(
    "moved",
    [
        ("tag -f v1",),
        ("tag -d v1", "tag v1/b"),
        ("branch -M a a2",),
        ("branch -m a other", "branch a/b"),
        ("branch -D a", "branch a/b", "tag -f v1"),
        ("checkout -q --orphan anew", "commit -qm anew", "branch -M main"),
    ],
    ids=" and ".join,
)
def test_what_moved_at_the_origin_stops_no_pinned_commit(
    host: Host, moved: tuple[str, ...], bundled: bool
) -> None:
    origin = host.root / "model.bundle"

    def bring(commit: str) -> str:
        if not bundled:
            return host.pin(commit)
        host.git("bundle", "create", "-q", str(origin), "--all")
        return host.pin(commit, origin=str(origin))

    host.git("tag", "v1")
    host.git("branch", "a")
    bring(host.first)
    host.commit("meanwhile\n")
    for words in moved:
        host.git(*words.split())
    assert bring(host.commit("two\n")) == ""
    if not any("-d" in words for words in moved):
        for tag in host.git("tag").split():
            assert host.git("rev-parse", tag, at=host.path) == host.git("rev-parse", tag)


def test_only_what_would_be_lost_is_kept_of_another_commit(host: Host) -> None:
    host.pin(host.first)
    second = host.commit("two\n")
    host.git("tag", "-a", "-m", "v2", "v2")
    third = host.commit("three\n")
    for commit in (second, third, host.first, second):
        assert host.pin(commit) == ""
    # somebody's own branch and tag hold what they made; what nothing holds is kept
    host.git("checkout", "-q", "-b", "mine", at=host.path)
    host.git("commit", "-q", "--allow-empty", "-m", "mine", at=host.path)
    assert host.pin(third) == ""
    host.git("commit", "-q", "--allow-empty", "-m", "detached", at=host.path)
    detached = host.git("rev-parse", "HEAD", at=host.path)
    said = host.pin(second)
    assert said.startswith(f"kept what was at {host.path} HEAD as branch kept-")
    assert host.git("rev-parse", said.split()[-1], at=host.path) == detached
    # it was pinned before: it stays, though the origin has pushed it away
    host.git("branch", "-D", said.split()[-1], at=host.path)
    host.pin(third)
    host.git("reset", "-q", "--hard", second)
    host.git("tag", "-f", "v2", second)
    fourth = host.commit("four\n")
    assert host.pin(fourth) == ""
    assert third in host.git("for-each-ref", "--format=%(objectname)", at=host.path)


def test_a_commit_that_the_origin_still_gives_by_its_id_is_taken(host: Host) -> None:
    away = host.commit("two\n")
    host.git("reset", "-q", "--hard", host.first)
    assert host.pin(away) == ""
    host.pin(host.first)
    other = host.commit("three\n")
    host.git("reset", "-q", "--hard", host.first)
    assert host.pin(other) == ""


def test_what_cannot_be_looked_at_is_not_taken_for_clean(host: Host) -> None:
    host.pin(host.first)
    (host.path / ".git/index").write_text("no index")
    said = host.pin(host.commit("two\n"))
    assert said.startswith(f"kept what was at {host.path} as ")


def test_what_the_host_warns_of_in_every_program_is_no_change(host: Host) -> None:
    noise = {"LD_PRELOAD": "/opt/agent/gone.so"}
    host.pin(host.first, **noise)
    assert "kept what was" not in host.pin(host.commit("two\n"), **noise)
    assert [p.name for p in host.path.parent.iterdir()] == ["model"]
    lost = host.refuse("0" * 40, origin="/nowhere/a", **noise)
    assert lost.startswith("git ls-remote: fatal: ")


def test_a_file_that_git_ignores_is_not_written_over(host: Host) -> None:
    (host.upstream / ".gitignore").write_text("local.yml\n")
    host.pin(host.commit("two\n"))
    (host.path / "local.yml").write_text("mine")
    (host.upstream / "local.yml").write_text("theirs")
    host.git("add", "-f", "local.yml")
    said = host.refuse(third := host.commit("three\n"), keep="")
    assert said.endswith("would be overwritten by checkout: local.yml")
    assert Failure("SOURCE_PIN", said).remedy != FAILURE_TABLE["SOURCE_PIN"].remedy
    assert (host.path / "local.yml").read_text() == "mine"
    said = host.pin(third)
    assert said.startswith(f"kept what was at {host.path}/local.yml as ")
    assert Path(said.split()[-1]).read_text() == "mine"


def test_a_commit_of_a_tag_that_the_origin_has_elsewhere_is_kept(host: Host) -> None:
    host.git("tag", "v1/a")
    refs = host.upstream / ".git/packed-refs"
    many = "".join(f"{host.first} refs/tags/ciflow/{n:060}\n" for n in range(1500))
    refs.write_text(f"# pack-refs with: peeled fully-peeled sorted \n{many}")
    host.pin(host.first)
    host.git("commit", "-q", "--allow-empty", "-m", "mine", at=host.path)
    host.git("tag", "-f", "v1/a", at=host.path)
    mine = host.git("rev-parse", "HEAD", at=host.path)
    host.git("checkout", "-q", host.first, at=host.path)
    said = host.pin(host.commit("two\n"))
    assert said.startswith(f"kept what was at {host.path} tag v1/a as branch kept-")
    assert host.git("rev-parse", said.split()[-1], at=host.path) == mine
    assert host.git("rev-parse", "v1/a", at=host.path) == host.first


def test_what_replaces_a_commit_is_not_that_commit(host: Host) -> None:
    host.pin(host.first)
    second = host.commit("two\n")
    host.pin(second)
    host.git("replace", second, host.first, at=host.path)
    host.git("checkout", "-q", "-f", host.first, at=host.path)
    host.begin(second).communicate(timeout=PATIENCE_S)
    assert (host.path / "a.py").read_text() == "two\n"


def test_edits_that_git_was_told_to_hide_are_kept(host: Host) -> None:
    host.pin(host.first)
    host.git("update-index", "--assume-unchanged", ".gitattributes", at=host.path)
    (host.path / ".gitattributes").write_text("mine")
    said = host.pin(host.commit("two\n"))
    assert said.startswith(f"kept what was edited in {host.path} as ")
    assert "+mine" in Path(said.split()[-1]).read_text()


def test_submodules_are_named_as_what_stays_empty(host: Host) -> None:
    host.git(
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(host.upstream),
        "third party/kernels",
    )
    host.git("commit", "-qm", "with")
    said = host.pin(host.git("rev-parse", "HEAD"))
    assert said == f"left empty: {host.path}/third party/kernels is a submodule\n"


def test_two_runs_in_one_folder_work_one_after_the_other(host: Host) -> None:
    both = [host.begin(host.first), host.begin(host.first)]
    said = [process.communicate(timeout=PATIENCE_S)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert host.git("rev-parse", "HEAD", at=host.path) == host.first
    assert [p.name for p in host.path.parent.iterdir()] == ["model"]


def test_a_checkout_that_another_host_made_in_this_run_is_refused(host: Host) -> None:
    host.pin(host.first, run="run1")
    marker = host.path / ".git/mlufleet-host"
    marker.write_text("another run1\n")
    second = host.commit("two\n")
    said = host.refuse(second, run="run1")
    assert said == f"{host.path} is the checkout of another host, machine-id another"
    # a disk that went to another host, or one whose system was installed anew
    host.pin(second, run="run2")
    assert "run2" in marker.read_text()


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        ("/dev/sda1 / ext4 rw", ""),
        ("nas:/vol / nfs4 rw", "nfs4 nas:/vol/data/share/x"),
        ("nas:/vol /data nfs rw\n/dev/sdb /data/share xfs rw", ""),
        ("/dev/sdb /data xfs rw\n//nas/a /data/share cifs rw", "cifs //nas/a/x"),
        ("nas:/a /data/sh nfs4 rw", ""),
        ("fs /data fuse.glusterfs rw", "fuse.glusterfs fs/share/x"),
        ("lxcfs /data fuse.lxcfs rw", ""),
        ("share /data/share virtiofs rw", "virtiofs share/x"),
        ("nas:/a /data nfs4 rw\n/dev/sdb /data ext4 rw", ""),
        ("beegfs_nodev /data/share/x beegfs rw", "beegfs beegfs_nodev"),
    ],
)
def test_where_other_hosts_may_have_the_same_folder(
    tmp_path: Path, mounts: str, found: str
) -> None:
    table = tmp_path / "mounts"
    table.write_text("".join(f"{line},relatime 0 0\n" for line in mounts.splitlines()))
    script = f"mounts={table}\n{script_text('lib/filesystems')}network /data/share/x"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (found, "")


def test_a_link_to_a_networks_folder_is_seen_through(tmp_path: Path) -> None:
    (tmp_path / "nas/share").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "nas")
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda / ext4 rw 0 0\nnas:/vol {tmp_path}/nas nfs4 rw 0 0\n")
    script = (
        f"mounts={table}\n{script_text('lib/filesystems')}network {tmp_path}/data/share/not/yet"
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("nfs4 nas:/vol/share/not/yet\n", "")


def test_a_checkout_on_a_network_of_another_host_is_refused_in_any_run(
    host: Host, tmp_path: Path
) -> None:
    host.pin(host.first)
    (host.path / ".git/mlufleet-host").write_text("another run0\n")
    (tmp_path / "mounts").write_text(f"nas:/vol {tmp_path} nfs4 rw 0 0\n")
    said = host.refuse(host.commit("two\n"), run="run9", mounts=f"{tmp_path}/mounts")
    assert said.startswith(f"{host.path} (nfs4 nas:/vol/work/model) is the checkout of another")


def test_the_probe_counts_changes_by_the_same_rules_and_says_why_it_cannot(host: Host) -> None:
    host.pin(host.first)
    (host.home / ".gitconfig").write_text("".join(SETTINGS.values()).format(host.root))

    def probed(**env: str) -> SourceFacts:
        return host.probe(GIT_DIR="/nowhere", **env).sources[str(host.path)]

    assert probed() == SourceFacts(host.first, 0)
    (host.path / "a.new").write_text("mine\n")
    assert probed() == SourceFacts(host.first, 1, changes=("?? a.new",))
    (host.path / ".git/index").write_text("no index")
    broken = probed(LANG="zh_CN.UTF-8")
    assert broken.changed_files and "index" in broken.status_error


def patch_file(host: Host) -> None:
    """Change a file of the checkout, and stamp it as a patch does."""
    (host.path / "a.py").write_text("patched\n")
    stamps = host.root / "state/stamps/chat"
    stamps.mkdir(parents=True, exist_ok=True)
    sha256 = hashlib.sha256(b"patched\n").hexdigest()
    (stamps / "patch-0123456789abcdef").write_text(f"{sha256} container\n")


def test_a_patched_file_does_not_keep_a_checkout_from_another_commit(host: Host) -> None:
    host.pin(host.first)
    second = host.commit("two\n")
    for commit in (second, second, host.first):
        patch_file(host)
        assert host.pin(commit) == ""
    assert (host.path / "a.py").read_text() == "one\n"
    (host.path / "a.py").write_text("edited\n")
    assert host.pin(second).startswith(f"kept what was edited in {host.path} as ")


@pytest.mark.parametrize(
    ("edited", "patched_file", "changes", "unlisted"),
    [
        ((), "a.py", 0, False),
        ((), "other.py", 0, True),  # by no patch of the release: it has to be restored
        (("a.py",), "a.py", 1, False),
        (("weights.bin",), "a.py", 1, False),
    ],
)
def test_the_probe_tells_a_patched_file_from_an_edited_one(
    host: Host, edited: tuple[str, ...], patched_file: str, changes: int, unlisted: bool
) -> None:
    host.pin(host.first)
    patch_file(host)
    for name in edited:
        (host.path / name).write_text("edited\n")
    found = host.probe(f"{host.path}/{patched_file}")
    assert found.sources[str(host.path)].changed_files == changes
    assert bool(found.missing_git_excludes) == unlisted


def test_a_new_checkout_ignores_what_is_ours(host: Host) -> None:
    host.patterns = ["/inner", "__pycache__"]
    assert host.pin(host.first) == ""
    host.patterns.append("*.egg-info")
    assert host.pin(host.first) == ""
    listed = (host.path / ".git/info/exclude").read_text().splitlines()
    assert listed[1:-1] == ["/inner", "__pycache__", "*.egg-info"]


def test_no_look_reads_the_files_of_a_large_checkout_again(host: Host) -> None:
    """git trusts only times of files that are of an earlier second than its index."""
    for number in range(500):
        (host.upstream / f"file{number:03}.py").write_text(f"{number}\n")
    host.pin(host.commit("many\n"))
    written = int((host.path / ".git/index").stat().st_mtime)
    assert all(path.stat().st_mtime < written for path in host.path.glob("*.py"))


def test_the_probe_knows_the_commit_of_a_branch(host: Host) -> None:
    host.pin(host.first)
    commit = host.git("rev-parse", "HEAD", at=host.path)
    host.git("checkout", "-qb", "main2", at=host.path)
    assert host.probe().sources[str(host.path)].head == commit
    (host.path / ".git/HEAD").write_text("0123456789")
    assert host.probe().sources[str(host.path)].status_error
