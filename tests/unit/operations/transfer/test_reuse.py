"""Files that lie on a host already: the real script, on this machine's own file systems."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import InvalidInput
from fleet.release import usual_folders
from mlufleet.run import host_checks
from operations.host.scripts import script_text
from operations.transfer import reuse
from tests.waiting import PATIENCE_S

MIB = 1 << 20
#: somebody who is not root
USER = 4711

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="it gives files to others")


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Machine:
    """A machine with a folder of downloads, and a place where files are needed."""

    def __init__(self, root: Path) -> None:
        self.state, self.downloads, self.place = (
            root / name for name in ("state", "down loads", "place")
        )
        self.downloads.mkdir()
        self.programs = root / "bin"
        self.programs.mkdir()
        self.replace("docker", "exit 1")
        self.content = os.urandom(MIB) + b"weights"
        self.needed = [(self.content, self.place / "model.bin")]

    def replace(self, name: str, text: str) -> None:
        """Put another program before the machine's own."""
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)

    def have(self, name: str = "model.bin", content: bytes | None = None) -> Path:
        file = self.downloads / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.content if content is None else content)
        return file

    def run(
        self, phase: str, *folders: str, before: str = "", seconds: int = 60, walk: int = 60
    ) -> reuse.Search:
        text = script_text("reuse-files").replace("/var/lib/mlufleet", str(self.state))
        text = text.replace("/tmp/* | ", "")  # where this machine is
        manifest = "".join(
            f"{sha(content)} weights-x.{number}.part {len(content)} {dest}\n"
            for number, (content, dest) in enumerate(self.needed)
        )
        places = folders or (str(self.downloads),)
        done = subprocess.run(
            ["sh", "-c", before + text, "reuse-files", phase, str(walk), str(seconds), *places],
            input=manifest,
            text=True,
            capture_output=True,
            timeout=PATIENCE_S,
            env={"PATH": f"{self.programs}:{os.environ['PATH']}"},
        )
        assert done.returncode == 0 and "@@end" in done.stdout, done.stderr
        asked = {f"weights-x.{number}.part" for number in range(len(self.needed))}
        return reuse._parse(done.stdout.splitlines(), asked)

    def used(self, *folders: str, **options: Any) -> str:
        """How the first file came to its place, "" if it did not; nothing is left beside it."""
        found = self.run("use", *folders, **options).files.get("weights-x.0.part")
        dest = self.needed[0][1]
        assert not list(dest.parent.glob("*.mlufleet-part"))
        if found is None:
            return ""
        assert dest.read_bytes() == self.content and not dest.is_symlink()
        return found.how

    def snapshot(self) -> list[tuple[str, int, int, int, int, int]]:
        """Everything of the user's files but when they were read and how many names they have."""
        return [
            (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_mode, stat.st_uid)
            for path in sorted(self.downloads.rglob("*"))
            for stat in [path.lstat()]
        ]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_file_of_roots_is_linked_and_stays_where_and_as_it_was(machine: Machine) -> None:
    file = machine.have("other name.tar.gz")
    before = machine.snapshot()
    how = machine.used()
    assert how in ("hard link", "reflink") and machine.snapshot() == before
    assert file.samefile(machine.place / "model.bin") is (how == "hard link")
    audit = (machine.state / "audit.log").read_text()
    assert f"placed {machine.place}/model.bin, a {how} of {file}" in audit
    assert f"\tfile\t{machine.place}/model.bin\t" in (machine.state / "made").read_text()


@pytest.mark.parametrize(("owner", "mode"), [(USER, 0o644), (0, 0o664), (0, 0o646), (0, 0o600)])
def test_a_file_that_another_can_change_or_that_not_all_can_read_is_copied(
    machine: Machine, owner: int, mode: int
) -> None:
    file = machine.have()
    os.chown(file, owner, owner)
    file.chmod(mode)
    before = machine.snapshot()
    assert machine.used() in ("copy", "reflink")
    placed = (machine.place / "model.bin").stat()
    assert (placed.st_uid, placed.st_mode & 0o777) == (0, 0o644)
    assert placed.st_ino != file.stat().st_ino and machine.snapshot() == before


def test_a_small_file_is_found_by_its_name_as_well_and_copied(machine: Machine) -> None:
    machine.needed.append((b"{}", machine.place / "config.json"))
    machine.have()
    machine.have("elsewhere.json", b"{}")
    assert set(machine.run("look").files) == {"weights-x.0.part"}
    own = machine.have("deep/down/config.json", b"{}")
    found = machine.run("use").files["weights-x.1.part"]
    assert found.how in ("copy", "reflink") and found.path == str(own)
    assert not own.samefile(machine.place / "config.json")


def test_another_content_of_the_same_size_is_not_taken_and_remembered(machine: Machine) -> None:
    other = machine.have("model.bin", bytes(len(machine.content)))
    before = machine.snapshot()
    assert machine.used() == "" and machine.snapshot() == before
    assert other.stat().st_nlink == 1
    # it is not read a second time
    machine.replace("sha256sum", f"echo $* >> {machine.state}/read; exit 1")
    assert machine.used() == "" and not (machine.state / "read").exists()


def test_of_what_is_remembered_another_content_with_the_same_time_is_found(
    machine: Machine,
) -> None:
    """A file that lies about its time: its content changes, and mtime is set back."""
    file = machine.have()
    assert machine.run("use").files
    (machine.place / "model.bin").unlink()
    times = file.stat()
    file.write_bytes(bytes(len(machine.content)))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert machine.used() == "" and not (machine.place / "model.bin").exists()


def test_not_even_a_forged_memory_places_another_content(machine: Machine) -> None:
    file = machine.have("model.bin", bytes(len(machine.content)))
    os.chown(file, USER, USER)  # it would be copied, after a look at the memory
    stat = subprocess.run(
        ["find", file, "-printf", "%D:%i:%s:%T@:%C@"], capture_output=True, text=True, check=True
    )
    machine.state.mkdir()
    (machine.state / "sums").write_text(f"={stat.stdout} {sha(machine.content)}\n")
    assert machine.used() == "" and not (machine.place / "model.bin").exists()


@pytest.mark.parametrize(
    "name",
    ["two  blanks.bin", "-rf.bin", "`touch x`$(x).bin", "*?[a].bin", "back\\slash.bin", "模型.bin"],
)
def test_names_are_no_more_than_names(machine: Machine, name: str) -> None:
    file = machine.have(name)
    found = machine.run("use").files["weights-x.0.part"]
    assert found.path == str(file)
    assert (machine.place / "model.bin").read_bytes() == machine.content


@pytest.mark.parametrize("name", ["line\nC x.bin", "tab\tx.bin", "\nW 0 0 0 x.bin"])
def test_a_name_that_could_be_taken_for_another_line_is_passed_over(
    machine: Machine, name: str
) -> None:
    machine.have(name)
    assert machine.used() == ""


def test_links_and_what_is_no_file_are_not_followed(machine: Machine, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "model.bin").write_bytes(machine.content)
    (machine.downloads / "model.bin").symlink_to(outside / "model.bin")
    (machine.downloads / "folder").symlink_to(outside)
    os.mkfifo(machine.downloads / "pipe")
    assert machine.used() == ""
    # a folder that is itself a link is the folder that it leads to
    (tmp_path / "link").symlink_to(outside)
    assert machine.used(str(tmp_path / "link"))


@pytest.mark.parametrize("name", ["grows", "vanishes", "is replaced"])
def test_a_file_that_changes_while_it_is_read_is_not_taken(machine: Machine, name: str) -> None:
    file = machine.have()
    os.chown(file, USER, USER)  # so that it is read where it lies
    machine.replace(
        "sha256sum",
        '/usr/bin/sha256sum "$@"; '
        + {
            "grows": f'echo more >> "{file}"',
            "vanishes": f'rm -f "{file}"',
            "is replaced": f'cp "{file}" "{file}.new"; mv "{file}.new" "{file}"',
        }[name],
    )
    assert machine.used() == ""


def test_what_cannot_be_read_in_time_is_named_and_sent(machine: Machine) -> None:
    machine.have("a/model.bin")
    machine.replace("sha256sum", "exec sleep 30")
    began = time.monotonic()
    assert machine.used(seconds=1) == ""
    search = machine.run("look", seconds=0)
    assert not search.files and "no time" in search.unsearched[0]
    assert time.monotonic() - began < 25


def test_a_search_that_takes_too_long_ends_and_says_so(machine: Machine) -> None:
    machine.have()
    machine.replace("find", 'case "$*" in *-xdev*) exec sleep 30 ;; esac; exec /usr/bin/find "$@"')
    search = machine.run("look", walk=1)
    assert not search.files and "within 1 s" in search.unsearched[0]


def test_a_look_changes_and_remembers_nothing(machine: Machine) -> None:
    machine.have()
    found = machine.run("look").files["weights-x.0.part"]
    assert found.how in ("link", "copy") and not machine.state.exists()
    assert not machine.place.exists()


def test_a_network_file_system_is_searched_only_if_it_is_named(
    machine: Machine, tmp_path: Path
) -> None:
    machine.have()
    mounts = tmp_path / "mounts"
    place = str(machine.downloads).replace(" ", "\\040")
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/data {place} nfs4 rw 0 0\n")
    before = f"mounts={mounts}\n"
    search = machine.run("look", before=before)
    assert not search.files and "nfs4 server:/data" in search.unsearched[0]
    assert machine.run("look", f"+{machine.downloads}", before=before).files


@pytest.mark.parametrize("folder", ["/proc/self", "/sys", "/dev/shm", "/no such folder"])
def test_what_holds_no_downloads_is_never_searched(machine: Machine, folder: str) -> None:
    machine.replace("find", f'echo "$@" >> {machine.programs}/log; exec /usr/bin/find "$@"')
    assert machine.used(f"+{folder}") == ""
    log = machine.programs / "log"
    assert not log.exists() or folder not in log.read_text().replace("-path /", "")


def test_the_folders_that_containers_see_are_searched(machine: Machine) -> None:
    machine.have()
    seen = f'echo /usr/bin; echo "{machine.downloads}"'
    machine.replace("docker", f"case $1 in ps) echo 1 ;; inspect) {seen} ;; *) exit 1 ;; esac")
    assert machine.used("/no such folder")


def test_what_was_at_the_place_is_kept(machine: Machine) -> None:
    machine.have()
    machine.place.mkdir()
    (machine.place / "model.bin").write_text("mine")
    assert machine.used()
    (kept,) = machine.place.glob("model.bin.kept-*")
    assert kept.read_text() == "mine"


def test_what_was_at_the_place_stays_there_if_it_cannot_be_kept(machine: Machine) -> None:
    machine.have()
    machine.place.mkdir()
    (machine.place / "model.bin").write_text("mine")
    mv = shutil.which("mv")
    machine.replace("mv", f'case "$*" in *.kept-*) exit 1 ;; esac\nexec {mv} "$@"')
    assert not machine.used()
    assert (machine.place / "model.bin").read_text() == "mine"


def test_a_link_that_a_user_puts_beside_the_place_leads_nowhere(
    machine: Machine, tmp_path: Path
) -> None:
    os.chown(machine.have(), USER, USER)  # so that it is copied
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    machine.replace(
        "chown",
        f"""for part in {machine.place}/*.mlufleet-part; do
          mv "$part" "$part.away"; ln -s {secret} "$part"
        done
        exec {shutil.which("chown")} "$@\"""",
    )
    machine.used()
    assert secret.read_text() == "secret" and secret.stat().st_mode & 0o777 == 0o600


def test_a_partial_file_that_is_not_needed_any_more_goes(machine: Machine) -> None:
    machine.have()
    part = machine.state / "incoming/weights-x.0.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(machine.content[:100])
    assert machine.used() and not part.exists()


def test_an_edit_of_a_linked_file_does_not_reach_the_users_own(machine: Machine) -> None:
    file = machine.have("model.bin")
    if machine.used() != "hard link":
        pytest.skip("this file system makes reflinks")
    before = machine.snapshot()
    text = script_text("edit-file").replace("/var/lib/mlufleet", str(machine.state))
    dest = machine.place / "model.bin"
    subprocess.run(
        ["sh", "-c", text, "edit-file", str(dest), sha(b"patched")],
        input="cGF0Y2hlZA==",
        text=True,
        check=True,
    )
    assert dest.read_bytes() == b"patched"
    assert file.read_bytes() == machine.content and machine.snapshot() == before


@pytest.fixture(params=["xfs", "btrfs"])
def cloning(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system that can share blocks between files."""
    image, place = tmp_path / "image", tmp_path / "mounted"
    image.touch()
    os.truncate(image, 400 * MIB)
    place.mkdir()
    options = ["-m", "reflink=1"] if request.param == "xfs" else []
    for words in (
        [f"mkfs.{request.param}", *options, image],
        ["mount", "-t", request.param, "-o", "loop", image, place],
    ):
        try:
            subprocess.run(words, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no {request.param} here: {error}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_file_system_that_can_share_blocks_does(cloning: Path) -> None:
    machine = Machine(cloning)
    file = machine.have()
    os.chown(file, USER, USER)  # even then: the new file is another one
    assert machine.used() == "reflink"
    assert not file.samefile(machine.place / "model.bin")


def test_a_file_of_another_file_system_is_copied(machine: Machine) -> None:
    other = Path("/dev/shm/mlufleet-test") / str(os.getpid())
    if not other.parent.parent.is_dir() or other.parent.parent.stat().st_dev == (
        machine.downloads.stat().st_dev
    ):
        pytest.skip("there is one file system only")
    machine.have()
    machine.needed = [(machine.content, other / "model.bin")]
    try:
        assert machine.run("look").files["weights-x.0.part"].how == "copy"
        assert machine.used() == "copy"
    finally:
        subprocess.run(["rm", "-rf", other.parent], check=True)


def test_the_usual_folders_are_those_of_the_tutorials_and_a_sites_own_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = usual_folders.load_paths()
    assert {"/data/baidudisk", "/data/ftp", "/data/models", "/data/github"} < set(usual)
    assert usual[-1] == "/data", "the largest comes last: the time for searching is limited"
    (tmp_path / "files").mkdir()
    (tmp_path / "files/usual-folders.yml").write_text("folders: [{path: /srv/mlu, source: ours}]\n")
    monkeypatch.chdir(tmp_path)
    assert usual_folders.load_paths() == ("/srv/mlu", *usual)


def test_a_sites_invalid_table_is_an_error_before_the_first_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/usual-folders.yml").write_text("folders: [{path: data, source: ours}]\n")
    monkeypatch.chdir(tmp_path)
    entry: Any = None
    with pytest.raises(InvalidInput, match=r"usual-folders\.yml:1: folders\.0\.path"):
        host_checks.check_usual_folders(entry)
    assert host_checks.check_usual_folders in host_checks.CHECKS
