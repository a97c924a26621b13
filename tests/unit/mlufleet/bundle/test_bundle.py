from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet import paths
from fleet.errors import FAILURE_TABLE
from fleet.release import files
from fleet.release.target import ReleaseTarget
from fleet.store.targets import load_release_target
from mlufleet.bundle import contents, environment, manifest
from mlufleet.bundle.manifest import MANIFEST_NAME, PART_SUFFIX, SIGNATURE_NAME, BundleEntry
from mlufleet.cli.main import main
from tests.lab import engine
from tests.unit import PROJECT

DOCS = PROJECT / "docs/air-gap.md"


def key(folder: Path, name: str, allowed: bool) -> Path:
    engine.install("ssh-keygen", packages={"ssh-keygen": "openssh-client"})
    path = folder / name
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
    subprocess.run(words, check=True)
    if allowed:
        public = path.with_suffix(".pub").read_text()
        (folder / "allowed_signers").write_text(f"{name}@example.com {public}")
    return path


@pytest.fixture
def whole(site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A signed bundle of the small release; its environment is one wheel of nothing."""
    monkeypatch.setattr(
        environment,
        "build_wheels",
        lambda lock, folder: (
            folder.mkdir(exist_ok=True),
            (folder / "one-1-py3-none-any.whl").write_bytes(b"wheel"),
        ),
    )
    signing = key(site, "builder", allowed=True)
    done = pack(site, "--sign", str(signing))
    assert done[0] == 0, done
    return site / "site.tar"


@pytest.fixture
def small_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the tool's hundreds of files, a few."""
    names = (
        "config.py",
        "deploy.py",
        "docs/a",
        "inventories/",
        "mlufleet/bundle/",
        "pyproject.toml",
    )
    tool = {n: path for n, path in contents.find_tool_files().items() if n.startswith(names)}
    monkeypatch.setattr(contents, "find_tool_files", tool.copy)


@pytest.fixture
def packed(small_tool: None, whole: Path) -> Path:
    """The same bundle with a few files of the tool."""
    return whole


def pack(site: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(
        main,
        [
            "bundle",
            str(site / "small.yml"),
            "--store",
            str(site / "store"),
            *options,
            "-o",
            str(site / "site.tar"),
        ],
    )
    return done.exit_code, done.output


def unpack(bundle: Path, *options: str) -> tuple[int, str]:
    signers = ("--signers", str(bundle.parent / "allowed_signers"))
    words = ["unbundle", str(bundle), str(bundle.parent / "there"), *(options or signers)]
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.output


def refused(bundle: Path, code: str, *options: str) -> str:
    """It is refused with a code and its remedy, and no file is there that was not proved."""
    status, said = unpack(bundle, *options)
    assert status == 3 and f"error: {code}: " in said and FAILURE_TABLE[code][1] in said, said
    there = bundle.parent / "there"
    if (there / MANIFEST_NAME).is_file():
        for entry in manifest.parse_entries((there / MANIFEST_NAME).read_bytes()):
            path = there / entry.name
            assert not path.exists() or sha(path.read_bytes()) == entry.sha256
    return said


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def changed(bundle: Path, old: bytes, new: bytes) -> None:
    """The same bundle with the first of some bytes exchanged for as many others."""
    content = bundle.read_bytes()
    assert old in content and len(old) == len(new)
    bundle.write_bytes(content.replace(old, new, 1))


def made(bundle: Path, members: list[tarfile.TarInfo], text: str) -> None:
    """An unsigned bundle with this manifest and whatever members."""
    with tarfile.open(bundle, "w") as tar:
        head = tarfile.TarInfo(MANIFEST_NAME)
        head.size = len(text)
        tar.addfile(head, io.BytesIO(text.encode()))
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))


def test_all_of_a_release_and_the_tool_is_there_and_the_way_up_is_told(
    whole: Path, wanted: ReleaseTarget
) -> None:
    status, said = unpack(whole)
    there = whole.parent / "there"
    assert status == 0 and "signed by builder@example.com" in said
    assert f"cd {there} && python3 -m venv" in said
    assert ".venv/bin/mlufleet deploy inventories/fleet.py --limit HOST" in said
    found = load_release_target(str(there / "files/releases/small.yml"), str(there / "artifacts"))
    assert found.identity == wanted.identity
    for name in (
        "deploy.py",
        "config.py",
        "mlufleet/cli/main.py",
        "operations/host/job.py",
        "files/scripts/probe.sh",
        "environment/one-1-py3-none-any.whl",
        "pyproject.toml",
        "docs/failures.md",
    ):
        assert (there / name).is_file(), name
    assert not list(there.rglob("__pycache__")) and not list(there.rglob(f"*{PART_SUFFIX}"))


def test_equal_contents_are_equal_bytes(site: Path, packed: Path) -> None:
    pack(site)
    first = packed.read_bytes()
    pack(site)
    assert packed.read_bytes() == first


def test_the_manifest_is_the_first_member_and_its_signature_the_second(packed: Path) -> None:
    with tarfile.open(packed) as tar:
        assert tar.getnames()[:2] == [MANIFEST_NAME, SIGNATURE_NAME]


def test_a_store_that_is_not_the_locks_is_not_packed(site: Path, packed: Path) -> None:
    packed.unlink()
    path = site / "store/driver.deb"
    path.write_bytes(path.read_bytes()[:-1] + b"z")
    status, said = pack(site)
    assert status == 3 and "CHECKSUM_MISMATCH" in said
    assert not packed.exists() and not list(site.glob("*.part"))


def test_what_hosts_would_have_to_fetch_is_told(site: Path, packed: Path) -> None:
    assert "hosts will fetch" not in pack(site)[1]
    release = files.load_release(site / "small.yml")
    source = release.sources[0].model_copy(update={"bundle": None, "url": "https://example.com/m"})
    needed = contents.RequiredFiles({site: release.model_copy(update={"sources": (source,)})}, [])
    assert contents.list_network_needs(needed) == ["source model: https://example.com/m"]


def test_an_inventory_goes_along_and_another_file_in_its_place_is_refused(
    site: Path, packed: Path
) -> None:
    (site / "fleet.yml").write_text("hosts: {a: {}}\n")
    assert pack(site, "--inventory", str(site / "fleet.yml"))[0] == 0
    said = unpack(packed, "--unsigned")[1]
    # what is printed is of the bundle's own inventory, which is checked before a host is deployed
    assert said.splitlines()[-2:] == [
        ".venv/bin/mlufleet inventory check inventories/fleet.yml",
        ".venv/bin/mlufleet deploy inventories/fleet.yml --limit HOST",
    ]
    assert (site / "there/inventories/fleet.yml").read_text() == "hosts: {a: {}}\n"
    (site / "fleet.py").write_text("other = []\n")
    status, said = pack(site, "--inventory", str(site / "fleet.py"))
    assert status == 3 and "inventories/fleet.py" in said


def test_who_made_it_must_be_asked_or_waived(packed: Path) -> None:
    both = ("--unsigned", "--signers", str(packed.parent / "allowed_signers"))
    words = ["unbundle", str(packed), str(packed.parent / "there")]
    for options in ((), both):
        assert CliRunner().invoke(main, [*words, *options]).exit_code == 3
    assert not (packed.parent / "there").exists()


def test_an_unsigned_bundle_needs_the_word_and_is_warned_of(site: Path, packed: Path) -> None:
    pack(site)
    refused(packed, "BUNDLE_UNSIGNED")
    assert not (site / "there").exists()
    status, said = unpack(packed, "--unsigned")
    assert status == 0 and said.startswith("warning: ")


def test_another_signer_is_refused(site: Path, packed: Path) -> None:
    pack(site, "--sign", str(key(site, "stranger", allowed=False)))
    refused(packed, "BUNDLE_SIGNER")
    assert not (site / "there").exists()


def test_a_signature_of_another_namespace_is_refused(site: Path, packed: Path) -> None:
    with tarfile.open(packed) as tar:
        stream = tar.extractfile(MANIFEST_NAME)
        assert stream
        (site / "m").write_bytes(stream.read())
    words = ["ssh-keygen", "-Y", "sign", "-n", "file", "-f", str(site / "builder")]
    subprocess.run([*words, str(site / "m")], check=True, capture_output=True)
    with tarfile.open(packed, "w") as tar:
        tar.add(site / "m", MANIFEST_NAME)
        tar.add(site / "m.sig", SIGNATURE_NAME)
    refused(packed, "BUNDLE_SIGNATURE")


@pytest.mark.parametrize(
    "old", [b"-----BEGIN SSH SIGNATURE-----\nU1NI", manifest.HEADER_LINE.encode()]
)
def test_a_spoilt_signature_or_manifest_is_refused(packed: Path, old: bytes) -> None:
    changed(packed, old, old[:-2] + b"z" + old[-1:])
    refused(packed, "BUNDLE_SIGNATURE")
    assert not (packed.parent / "there").exists()


def test_a_changed_file_is_refused_and_those_before_it_are_kept(packed: Path) -> None:
    changed(packed, b"weights".ljust(512, b"\0"), b"weightz".ljust(512, b"\0"))
    assert "artifacts/weights/model.bin" in refused(packed, "BUNDLE_FILE")
    assert (packed.parent / "there/deploy.py").is_file()
    assert not list((packed.parent / "there").rglob(f"*{PART_SUFFIX}"))


@pytest.mark.parametrize("part", [0.0001, 0.3, 0.6, 0.95])
def test_a_truncated_bundle_is_refused_and_the_whole_one_goes_on_from_there(
    packed: Path, part: float
) -> None:
    content = packed.read_bytes()
    end = len(content.rstrip(b"\0"))  # what follows only fills the last record
    packed.write_bytes(content[: max(600, int(end * part))])
    refused(packed, "BUNDLE_TRUNCATED")
    there = packed.parent / "there"
    kept = {p: p.stat().st_ino for p in there.rglob("*.py")}
    packed.write_bytes(content)
    assert unpack(packed)[0] == 0
    assert part < 0.1 or kept
    assert all(p.stat().st_ino == inode for p, inode in kept.items())
    assert not list(there.rglob(f"*{PART_SUFFIX}"))


def test_a_file_of_the_folder_that_differs_is_kept_and_named(packed: Path) -> None:
    assert unpack(packed)[0] == 0
    path = packed.parent / "there/deploy.py"
    mine = path.read_text().replace("story", "STORY")
    path.write_text(mine)
    status, said = unpack(packed)
    assert status == 3 and "BUNDLE_EXISTS" in said and str(path) in said
    assert path.read_text() == mine
    path.unlink()
    path.symlink_to("config.py")
    assert "BUNDLE_EXISTS" in unpack(packed)[1] and path.is_symlink()


@pytest.mark.parametrize(
    "name",
    [
        "/etc/x",
        "../x",
        "a/../../x",
        "a//b",
        "./a",
        "a\\b",
        MANIFEST_NAME,
        f"x{PART_SUFFIX}",
        "a\rb",
        "-rf",
        "a/-x",
        "\x1b[2J",
        "a\u202eb",
        "a\x85b",
        "a /b",
        "a\u2028b",
    ],
)
def test_a_name_that_leaves_the_folder_is_refused_where_it_is_read_and_where_it_is_packed(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(manifest.CodedInputError):
        manifest.render_entries([BundleEntry(name, 1, "0" * 64)])
    text = f"{manifest.HEADER_LINE}# 1\n{sha(b'x')}  {name}\n"
    member = tarfile.TarInfo(name)
    member.size = 1
    made(tmp_path / "b.tar", [member], text)
    refused(tmp_path / "b.tar", "BUNDLE_MEMBER", "--unsigned")
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_a_member_that_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("a")
    member.type, member.linkname = kind, "/etc/passwd"
    made(tmp_path / "b.tar", [member], f"{manifest.HEADER_LINE}# 1\n{sha(b'x')}  a\n")
    refused(tmp_path / "b.tar", "BUNDLE_MEMBER", "--unsigned")
    assert not os.path.lexists(tmp_path / "there/a")


@pytest.mark.parametrize("names", [["b"], ["a", "a"], ["a", "../a"]])
def test_a_member_that_the_manifest_does_not_name_or_a_second_one_is_refused(
    tmp_path: Path, names: list[str]
) -> None:
    members = [tarfile.TarInfo(name) for name in names]
    for member in members:
        member.size = 1
    made(tmp_path / "b.tar", members, f"{manifest.HEADER_LINE}# 1\n{sha(b'x')}  a\n")
    refused(tmp_path / "b.tar", "BUNDLE_MEMBER", "--unsigned")
    assert {p.name for p in (tmp_path / "there").iterdir()} <= {MANIFEST_NAME, "a"}
    assert not (tmp_path / "a").exists()


def test_what_is_no_bundle_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(b"no tar" * 1000)
    refused(tmp_path / "b.tar", "BUNDLE_MEMBER", "--unsigned")


def test_the_documented_commands_prove_and_unpack_it_without_mlufleet(whole: Path) -> None:
    (script,) = re.findall(r"^```sh by-hand\n(.*?)^```$", DOCS.read_text(), re.M | re.S)
    site = whole.parent
    for spoil in (False, True):
        if spoil:
            changed(whole, b"weights".ljust(512, b"\0"), b"weightz".ljust(512, b"\0"))
        text = script.replace("/srv/site", str(site / f"there{spoil}"))
        text = text.replace("site.tar", str(whole)).replace("WHO", "builder@example.com")
        text = text.replace("allowed_signers", str(site / "allowed_signers"))
        done = subprocess.run(["sh", "-ec", text], cwd=site, capture_output=True, text=True)
        assert bool(done.returncode) == spoil, done.stderr
    assert "artifacts/weights/model.bin: FAILED" in done.stdout
    assert unpack(whole)[0] == 3
    assert load_release_target(
        str(site / "thereFalse/files/releases/small.yml"), str(site / "thereFalse/artifacts")
    )


def test_the_documented_commands_stop_at_another_signer(site: Path, packed: Path) -> None:
    pack(site, "--sign", str(key(site, "stranger", allowed=False)))
    (script,) = re.findall(r"^```sh by-hand\n(.*?)^```$", DOCS.read_text(), re.M | re.S)
    text = script.replace("/srv/site", str(site / "there")).replace("site.tar", str(packed))
    text = text.replace("allowed_signers", str(site / "allowed_signers"))
    done = subprocess.run(
        ["sh", "-ec", text.replace("WHO", "builder@example.com")],
        cwd=site,
        capture_output=True,
        text=True,
    )
    assert done.returncode and not (site / "there/deploy.py").exists()


def test_a_site_gets_every_catalog_compiled_and_needs_no_compiler() -> None:
    tool = contents.find_tool_files()
    sources = {path.parent for path in paths.CODE_ROOT.glob("fleet/locale/**/*.po")}
    packed = {path.parent for name, path in tool.items() if name.endswith(".mo")}
    assert sources and packed == sources
    # what installs the site compiles any source that it finds
    assert not [name for name in tool if name.endswith((".po", ".pot"))]
    lock = (paths.PROJECT_ROOT / "requirements.lock").read_text()
    assert "babel==" in lock and "babel" not in environment.collect_dependencies()


def test_the_environment_is_what_the_tool_needs_and_no_more() -> None:
    names = environment.collect_dependencies()
    assert {"pyinfra", "gevent", "pydantic-core", "rich"} <= names
    assert not {"pytest", "mypy", "ansible-core", "playwright"} & names
    lock = (paths.PROJECT_ROOT / "requirements.lock").read_text()
    lines = environment.filter_lock(lock, names)
    assert set(re.findall(r"^([\w.-]+)==", lines, re.M)) >= names
    assert "pytest==" not in lines and lines.count("--hash=") >= len(names)


def test_a_file_that_is_a_folder_as_well_is_refused(tmp_path: Path) -> None:
    text = manifest.HEADER_LINE + "".join(f"# 1\n{sha(b'x')}  {name}\n" for name in ("a", "a/b"))
    made(tmp_path / "b.tar", [], text)
    assert "'a' is a file, but 'a/b'" in refused(tmp_path / "b.tar", "BUNDLE_MEMBER", "--unsigned")
    assert not (tmp_path / "there").exists()


def test_owner_and_rights_of_a_bundle_are_nobodys(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a")
    member.size, member.mode, member.uid, member.uname = 1, 0o6777, 4711, "somebody"
    made(tmp_path / "b.tar", [member], f"{manifest.HEADER_LINE}# 1\n{sha(b'x')}  a\n")
    assert unpack(tmp_path / "b.tar", "--unsigned")[0] == 0
    found = (tmp_path / "there/a").stat()
    assert (found.st_uid, found.st_mode & 0o6111) == (os.getuid(), 0)


def test_more_than_there_is_room_for_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    made(tmp_path / "b.tar", [], f"{manifest.HEADER_LINE}# {10**15 - 1}\n{sha(b'x')}  a\n")
    refused(tmp_path / "b.tar", "NO_SPACE", "--unsigned")
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("where", ["a", f"a{PART_SUFFIX}", MANIFEST_NAME])
@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_nothing_is_written_through_what_somebody_put_there(
    tmp_path: Path, where: str, kind: str
) -> None:
    member = tarfile.TarInfo("a")
    member.size = 1
    made(tmp_path / "b.tar", [member], f"{manifest.HEADER_LINE}# 1\n{sha(b'x')}  a\n")
    mine, there = tmp_path / "mine", tmp_path / "there"
    mine.write_text("of somebody")
    there.mkdir()
    path = there / where
    if kind == "link":
        path.symlink_to(mine)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    before = path.lstat().st_mode
    status, said = unpack(tmp_path / "b.tar", "--unsigned")
    assert status == 3 and "BUNDLE_EXISTS" in said and str(path) in said
    assert mine.read_text() == "of somebody" and path.lstat().st_mode == before


def test_what_an_earlier_try_left_is_begun_anew(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a")
    member.size = 1
    made(tmp_path / "b.tar", [member], f"{manifest.HEADER_LINE}# 1\n{sha(b'x')}  a\n")
    (tmp_path / "there").mkdir()
    (tmp_path / f"there/a{PART_SUFFIX}").write_text("much more than it is")
    assert unpack(tmp_path / "b.tar", "--unsigned")[0] == 0
    assert (tmp_path / "there/a").read_text() == "x"
    assert not (tmp_path / f"there/a{PART_SUFFIX}").exists()


def test_a_bundle_takes_no_others_place(site: Path, packed: Path) -> None:
    packed.write_text("of somebody")
    (site / "site.tar.part").write_text("of somebody")
    status, said = pack(site)
    assert status == 3 and f"{packed}: exists and is not a bundle" in said
    packed.unlink()
    packed.symlink_to("small.yml")
    assert pack(site)[0] == 3 and packed.is_symlink()
    packed.unlink()
    assert pack(site)[0] == 0
    assert (site / "site.tar.part").read_text() == "of somebody"


@pytest.mark.parametrize("name", ["fleet.yml", "table.csv"])
def test_what_an_inventory_says_of_this_machine_is_told(
    site: Path, packed: Path, name: str
) -> None:
    if name.endswith("yml"):
        (site / name).write_text(
            "defaults: {store: /srv/mlu, release: /home/me/small.yml, ssh_key: ~/.ssh/mlu}\n"
            "hosts: {a: {releases: {other: '0', small: '1'}}, b: {store: artifacts/}}\n"
        )
    else:
        (site / name).write_text(
            "name,store,release,ssh_key\na,/srv/mlu,/home/me/small.yml,"
            "~/.ssh/mlu\nb,artifacts,other,\n"
        )
    status, said = pack(site, "--inventory", str(site / name))
    lines = [line for line in said.splitlines() if line.startswith(f"{site / name}: ")]
    assert status == 0
    assert [line.split("`", 2)[1] for line in lines] == [
        "store: /srv/mlu",
        "release: /home/me/small.yml",
        "ssh_key: ~/.ssh/mlu",
        "release: other",
    ]
    assert "in the bundle it is `small`" in said and "not in the bundle" in said


@pytest.fixture
def folder(site: Path, packed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site folder with an inventory, data of groups and a host in quarantine."""
    monkeypatch.chdir(site)
    (site / "files/releases").mkdir(parents=True)
    (site / "inventories/group_data").mkdir(parents=True)
    (site / "inventories/fleet.py").write_text("mine = ['a']\n")
    (site / "inventories/group_data/all.py").write_text("_sudo = False\n")
    (site / "inventories/group_data/机柜1.py").write_text("sudo_password_file = '/etc/pw'\n")
    (site / "quarantine.yml").write_text("hosts: {a: {reason: fan}}\n")
    return site


def test_group_data_and_quarantine_of_a_site_go_along(folder: Path, packed: Path) -> None:
    status, said = pack(folder, "--inventory", "inventories/fleet.py")
    assert status == 0 and "not in the bundle: " not in said, said
    assert "inventories/group_data/机柜1.py: `sudo_password_file`: not in the bundle" in said
    assert unpack(packed, "--unsigned")[0] == 0
    for name in (
        "inventories/fleet.py",
        "inventories/group_data/all.py",
        "inventories/group_data/机柜1.py",
        "quarantine.yml",
    ):
        assert (folder / "there" / name).read_text() == (folder / name).read_text()


def test_what_is_left_out_beside_inventories_is_named(folder: Path, packed: Path) -> None:
    (folder / "inventories/rack.csv").write_text("name\na\n")
    (folder / "inventories/group_data/notes.txt").write_text("")
    (folder / "inventories/group_data/old.py").write_text(
        "ssh_user = 'me'\n_ssh = {'ssh_password': 'x1y2z3'}\n"
    )
    (folder / "group_data").mkdir()
    (folder / "group_data/b.py").write_text("_sudo_password, cards = 'x1y2z3', 4\n")
    (folder / "group_data/c.py").write_text("token = ''\nsudo_password_file = '/etc/pw'\n")
    status, said = pack(folder)
    left = [x.split(": ", 1)[1] for x in said.splitlines() if x.startswith("not in the bundle: ")]
    assert status == 0 and "x1y2z3" not in said
    assert [re.split("[,;]", line)[0] for line in left] == [
        "inventories/fleet.py",
        "inventories/rack.csv",
        "inventories/group_data/notes.txt",
        "inventories/group_data/old.py",
        "group_data/b.py",
    ]
    assert "line 2: ssh_password" in left[3] and "line 1: _sudo_password" in left[4]
    assert unpack(packed, "--unsigned")[0] == 0
    there = folder / "there"
    assert (there / "group_data/c.py").is_file() and not (there / "group_data/b.py").exists()
    assert b"x1y2z3" not in packed.read_bytes()


def test_two_files_for_one_group_are_refused(folder: Path, packed: Path) -> None:
    (folder / "other/group_data").mkdir(parents=True)
    (folder / "other/hosts.py").write_text("hosts = ['a']\npassword = 'p'\n")
    (folder / "other/group_data/all.py").write_text("_sudo = True\n")
    status, said = pack(folder, "--inventory", "other/hosts.py")
    assert status == 3 and "inventories/group_data/all.py" in said
    assert "other/hosts.py: a secret as text goes into the bundle: line 2: password" in said
