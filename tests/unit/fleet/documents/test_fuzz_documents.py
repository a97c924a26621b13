from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from fleet import inventory
from fleet.proof import locking
from fleet.release import files as release_files
from fleet.release import lockfile as locks
from fleet.release.model import Release
from fleet.release.target import HostTarget, ReleaseTarget
from operations.host.probe import probe_arguments
from tests.unit.conftest import RELEASE
from tests.unit.fuzz import TRAPS, VALUES, altered, judged, mutated

FLEET = """\
defaults: &all
  release: SITE/small.yml
  store: SITE/store
  ssh_user: root
hosts:
  a: {ssh_hostname: 10.0.0.1, ssh_port: 2201, cards: 2, groups: [r1], evict: true}
  b: {<<: *all, smoke: always, reboot_timeout: 900, data: {rack: [1, 2]}}
  m[08-10:2].r[a,c]: {ssh_hostname: "10.{1}.{2}", groups: ["r{2}"], data: {x: "{name}"}}
"""
TABLE = """\
# a comment
name;release;store;ssh_port;cards;evict;groups;data.text
a;SITE/small.yml;SITE/store;2201;2;TRUE;r1 r2;"a; ""b"" c"
m[08-10:2].r[a,c];SITE/small.yml;SITE/store;;;false;r{2};{name}
"""


@pytest.fixture(scope="module")
def place(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """small.yml, its store and its lock; the fuzzed files are written over each other here."""
    folder = tmp_path_factory.mktemp("fuzz") / "site"
    shutil.copytree(template, folder)
    lock = locking.create_lock(release_files.load_document(folder / "small.yml"), folder / "store")
    locks.lock_path(folder / "small.yml").write_text(lock.model_dump_json(indent=1))
    return folder


def check_inventory(
    place: Path, content: bytes, name: str = "fleet.yml"
) -> list[inventory.Entry] | None:
    path = place / name
    path.write_bytes(content.replace(b"SITE", str(place).encode()))
    entries = judged(lambda: inventory.read(path), path)
    for name, data in entries or []:
        assert name and isinstance(data.get("ssh_port", 22), int)
        assert data.get("cards", 1) is not True and not set(name) & set("[] ")
        assert all(group.isascii() and "{" not in group for group in data.get("groups", ()))
    return entries


def check_release(place: Path, content: bytes) -> Release | None:
    path = place / "other.yml"
    path.write_bytes(content)
    release = judged(lambda: release_files.load_release(path), path, place / "small.yml")
    if release is not None:
        assert len(release.digest) == 64
        lock, store = locks.load(place / "small.yml"), place / "store"
        target = HostTarget((ReleaseTarget(release, lock, store),), store)
        for line in probe_arguments(target).splitlines():
            words = 2 if line == "release_0() {" else 1
            assert len(shlex.split(line)) == words, "a name breaks out of the preamble's quotes"
    return release


def test_what_is_mutated_is_valid_before(place: Path) -> None:
    entries = check_inventory(place, FLEET.encode())
    ranges = ["m08.ra", "m08.rc", "m10.ra", "m10.rc"]
    assert entries and [name for name, _ in entries] == ["a", "b", *ranges]
    table = check_inventory(place, TABLE.encode(), "fleet.csv")
    assert table and [name for name, _ in table] == ["a", *ranges]
    assert entries[1][1]["ssh_user"] == "root" and entries[1][1]["rack"] == [1, 2]
    assert check_release(place, RELEASE.encode())


@given(content=st.one_of(mutated(FLEET), st.binary(max_size=60), st.sampled_from(TRAPS)))
def test_any_inventory_is_hosts_or_an_error_with_file_and_line(place: Path, content: bytes) -> None:
    check_inventory(place, content)


RANGE_TEXT = st.text("[]-:,.019az{}", max_size=20)


@given(name=RANGE_TEXT, other=RANGE_TEXT, value=RANGE_TEXT)
def test_any_range_in_an_inventory(place: Path, name: str, other: str, value: str) -> None:
    said = {"ssh_hostname": f"{{name}}{value}", "groups": ["a", f"r{value}"], "data": {"x": value}}
    fleet = {"hosts": {f"m{name}": said, f"m{other}": said}}
    check_inventory(place, yaml.safe_dump(fleet).encode())


CSV_TRAPS = [b'"', b'""', b",", b";", b"\t", b"\r", b"\xef\xbb\xbf", b"#", b"data.x", b"\x85", b"="]


@given(
    content=st.one_of(
        mutated(TABLE),
        mutated(TABLE.replace(";", ",")),
        st.lists(st.sampled_from([*CSV_TRAPS, *TRAPS, *TABLE.encode().splitlines(True)])).map(
            b"".join
        ),
        st.binary(max_size=60),
    )
)
def test_any_table_is_hosts_or_an_error_with_file_and_line(place: Path, content: bytes) -> None:
    check_inventory(place, content, "fleet.csv")


@given(data=st.one_of(altered(yaml.safe_load(FLEET)), VALUES))
def test_any_values_in_an_inventory(place: Path, data: Any) -> None:
    check_inventory(place, yaml.safe_dump(data, allow_unicode=True).encode("utf-8", "replace"))


@given(content=st.one_of(mutated(RELEASE), mutated("extends: small\nname: other\n")))
def test_any_release_is_right_or_an_error_with_file_and_line(place: Path, content: bytes) -> None:
    check_release(place, content)


@given(data=altered(yaml.safe_load(RELEASE)), extends=st.booleans())
def test_any_values_in_a_release(place: Path, data: dict[str, Any], extends: bool) -> None:
    if extends:
        data["extends"] = "small"
    check_release(place, yaml.safe_dump(data, allow_unicode=True).encode("utf-8", "replace"))


NAMES = st.sampled_from(["f0", "f1", "f2", "f3", "small", "../site/f1", "none", "f2.yml"])


@given(st.lists(st.one_of(NAMES, VALUES), min_size=4, max_size=4))
@example(["../site/f0", "f1", "f2", "f3"])
@example(["f1", "f2", "f3", "small"])
def test_any_chain_of_extends_ends(place: Path, parents: list[Any]) -> None:
    files = [place / f"f{number}.yml" for number in range(4)]
    for file, parent in zip(files, parents, strict=True):
        text = yaml.safe_dump({"extends": parent, "name": file.stem}, allow_unicode=True)
        file.write_bytes(text.encode("utf-8", "replace"))
    release = judged(lambda: release_files.load_release(files[0]), *files)
    assert release is None or release.name == "f0"


def as_json(value: Any) -> bytes:
    return json.dumps(value, default=str, skipkeys=True).encode()


@given(data=st.data())
def test_any_lock_is_a_lock_or_an_error_with_its_file(place: Path, data: st.DataObject) -> None:
    valid = locks.lock_path(place / "small.yml").read_text()
    path = place / "locked.lock.json"
    content = data.draw(
        st.one_of(
            mutated(valid),
            altered(json.loads(valid)).map(as_json),
            st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"NaN", b""]),
        )
    )
    path.write_bytes(content)
    lock = judged(lambda: locks.load(place / "locked.yml"), path, lines=False)
    for name, file in lock.files.items() if lock else ():
        assert (place / "store" / name).resolve().is_relative_to((place / "store").resolve())
        assert file.size >= 0
