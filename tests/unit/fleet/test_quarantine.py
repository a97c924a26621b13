"""The file of hosts in quarantine: read strictly, and changed without loss by whoever comes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import quarantine
from fleet.documents import atomic_write, file_lock
from fleet.errors import InvalidInput
from fleet.quarantine import Quarantine
from fleet.text import sanitize
from tests.unit import PROJECT
from tests.waiting import PATIENCE_S

ENTRY = Quarantine(since="2026-11-29T09:15:00Z", by="kang@ops", reason="cards drop", code="A_B")
BLOCK = """\
  {name}:
    since: '2026-11-29T09:15:00Z'
    by: kang@ops
    reason: cards drop
    code: A_B
"""
HOSTS_A = "hosts:\n" + BLOCK.format(name="a")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "quarantine.yml"


@pytest.mark.parametrize(
    ("inventory", "folder"),
    [
        ("inventories/fleet.py", "."),
        ("fleet.py", "."),
        ("other/inventories/fleet.py", "other"),
        ("other/fleet.py", "other"),
        ("inventories/north/fleet.py", "inventories/north"),
        ("inventories/../fleet.py", "."),
    ],
)
def test_the_mark_belongs_to_the_site_of_the_inventory(
    inventory: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert quarantine.find_file(inventory) == tmp_path.resolve() / folder / "quarantine.yml"


def test_all_names_of_an_inventory_lead_to_one_file(tmp_path: Path) -> None:
    inventory = tmp_path / "site/inventories/fleet.py"
    inventory.parent.mkdir(parents=True)
    inventory.touch()
    folder, link = tmp_path / "inventories", tmp_path / "fleet.py"
    folder.symlink_to(inventory.parent)
    link.symlink_to(inventory)
    found = {quarantine.find_file(name) for name in (inventory, folder / "fleet.py", link)}
    assert found == {tmp_path.resolve() / "site/quarantine.yml"}


@pytest.mark.parametrize("text", ["", "# nobody\n", "hosts:\n", "hosts: {}\n", "---\nhosts:\n"])
def test_no_host_is_in_quarantine(file: Path, text: str) -> None:
    assert quarantine.load(file) == {}
    file.write_text(text)
    assert quarantine.load(file) == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("hosts:\n  a:\n    wy: 1\n", "3: hosts.a.wy: unknown field"),
        ("host:\n", "1: host: unknown field; did you mean hosts?"),
        (HOSTS_A + BLOCK.format(name="a"), "7: not valid YAML: duplicate key 'a'"),
        ("hosts:\n  a: yes please\n", "2: hosts.a: expected a mapping"),
        (HOSTS_A.replace("'", ""), "3: hosts.a.since: YAML reads"),
        (HOSTS_A.replace("29T", "29 "), "3: hosts.a.since: expected a time in UTC"),
        (HOSTS_A.replace("11-29", "11-31"), "3: hosts.a.since: expected a time in UTC"),
        (HOSTS_A.replace("kang@ops", "[]"), "4: hosts.a.by: expected a string"),
        (HOSTS_A.replace("cards drop", '""'), "5: hosts.a.reason: expected a text"),
        (HOSTS_A.replace("cards drop", '"a\\u202eb"'), "5: hosts.a.reason: expected a text"),
        (HOSTS_A.replace("A_B", "dropped"), "6: hosts.a.code: expected a failure code"),
        ("hosts:\n  7:\n", "2: not valid YAML"),
        ("- a\n", "1: expected a mapping"),
    ],
)
def test_what_is_not_valid_is_told_with_its_line(file: Path, text: str, place: str) -> None:
    file.write_text(text)
    for use in (
        lambda: quarantine.load(file),
        lambda: quarantine.add(file, {"b": ENTRY}),
        lambda: quarantine.remove(file, ["a"]),
    ):
        with pytest.raises(InvalidInput) as error:
            use()
        assert f"{file}:{place}" in str(error.value)
    assert file.read_text() == text


def test_a_link_that_leads_nowhere_is_no_empty_file(file: Path) -> None:
    file.symlink_to(file.parent / "gone")
    with pytest.raises(InvalidInput):
        quarantine.load(file)


def test_what_others_wrote_stays(file: Path) -> None:
    text = (
        "# ours\nhosts:  # all of them\n  # of rack 1\n    # deeper\n"
        + BLOCK.format(name="a")
        + "  b: {since: '2026-11-29T09:15:00Z', by: x,\n    reason: y}  # one line\n  # the end\n"
    )
    file.write_text(text)
    assert quarantine.add(file, {"a": ENTRY, "c": ENTRY}) == ["c"]
    assert file.read_text() == text.replace(
        "  # the end\n", f"{BLOCK.format(name='c')}  # the end\n"
    )
    assert list(quarantine.load(file)) == ["a", "b", "c"]
    assert quarantine.remove(file, ["c", "unknown"]) == {"c": ENTRY}
    assert file.read_text() == text
    assert list(quarantine.remove(file, ["a", "b"])) == ["a", "b"]
    assert file.read_text() == (
        "# ours\nhosts:  # all of them\n  # of rack 1\n    # deeper\n  # the end\n"
    )
    quarantine.add(file, {"a": ENTRY})
    assert quarantine.load(file) == {"a": ENTRY}


def test_lines_end_as_they_did(file: Path) -> None:
    text = HOSTS_A.replace("\n", "\r\n").encode()
    file.write_bytes(text)
    quarantine.add(file, {"b": ENTRY})
    assert file.read_bytes() == text + BLOCK.format(name="b").replace("\n", "\r\n").encode()
    quarantine.remove(file, ["b"])
    assert file.read_bytes() == text


@pytest.mark.parametrize(
    "text",
    [
        f"{{hosts: {{a: {ENTRY.model_dump()}, b: {ENTRY.model_dump()}}}}}",
        "hosts:\n  a: &x {since: '2026-11-29T09:15:00Z', by: x, reason: y}\n  b: *x\n",
    ],
)
def test_what_cannot_be_changed_without_harm_is_left_alone(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(InvalidInput, match="by hand"):
        quarantine.remove(file, ["a"])
    assert file.read_text() == text


def _is_name(text: str) -> bool:
    return sanitize.escape_line(text) == text and text == text.strip() and text.isprintable()


NAMES = st.text(min_size=1, max_size=12).filter(_is_name)
ENTRIES = st.builds(
    Quarantine,
    since=st.just(ENTRY.since),
    by=NAMES,
    reason=NAMES,
    code=st.sampled_from(["", "CARD_DROPPED"]),
)


@given(st.dictionaries(NAMES, ENTRIES, max_size=4), st.dictionaries(NAMES, ENTRIES, max_size=4))
def test_any_names_and_reasons_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, Quarantine],
    second: dict[str, Quarantine],
) -> None:
    file = tmp_path_factory.mktemp("any") / "quarantine.yml"
    quarantine.add(file, first)
    quarantine.add(file, second)
    assert quarantine.load(file) == {**second, **first}
    assert quarantine.remove(file, second) == {
        name: entry for name, entry in {**second, **first}.items() if name in second
    }
    assert quarantine.load(file) == {
        name: entry for name, entry in first.items() if name not in second
    }


def test_permissions_are_those_of_the_sites_files(file: Path) -> None:
    inventory = file.with_name("fleet.py")
    inventory.touch()
    inventory.chmod(0o664)
    before = os.umask(0o077)  # as a service has it
    try:
        quarantine.add(file, {"a": ENTRY}, inventory)
        assert stat.S_IMODE(file.stat().st_mode) == 0o664
        file.chmod(0o640)
        quarantine.add(file, {"b": ENTRY}, inventory)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(os.listdir(file.parent)) == ["fleet.py", "quarantine.yml"]


def test_a_link_stays_a_link(file: Path) -> None:
    real = file.with_name("shared.yml")
    file.symlink_to(real)
    quarantine.add(file, {"a": ENTRY})
    assert file.is_symlink() and quarantine.load(real) == {"a": ENTRY}


def test_nothing_is_made_where_nothing_changes(file: Path) -> None:
    assert quarantine.remove(file, ["a"]) == {}
    assert quarantine.add(file, {}) == []
    assert not file.exists()


#: Adds COUNT hosts of its own, one by one, and removes every second of them. It takes the file
#: again at once, as no user does, so that a writer may have to wait for all that the others do.
WRITER = """\
import sys
from pathlib import Path
from fleet import quarantine
from fleet.documents import file_lock
file, word, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
file_lock.TIMEOUT_S = float(sys.argv[4])
for number in range(count):
    quarantine.add(file, {f"{word}{number}": quarantine.Quarantine.begin(word, "x")})
    if number % 2:
        quarantine.remove(file, [f"{word}{number}"])
"""


def start_writer(file: Path, word: str, count: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", WRITER, str(file), word, str(count), str(PATIENCE_S)]
    return subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(PROJECT)})


def test_several_writers_lose_nothing(file: Path) -> None:
    count = 12
    writers = [start_writer(file, word, count) for word in ("a", "b", "c")]
    assert [writer.wait(PATIENCE_S) for writer in writers] == [0, 0, 0]
    expected = {f"{word}{number}" for word in "abc" for number in range(0, count, 2)}
    assert set(quarantine.load(file)) == expected


def test_a_writer_that_is_killed_leaves_the_file_whole(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine.add(file, {"a": ENTRY})
    child = os.fork()
    if child == 0:
        # while it holds the file, and before the new one is in its place
        monkeypatch.setattr(
            atomic_write, "replace_file", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        )
        quarantine.add(file, {"b": ENTRY})
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert quarantine.add(file, {"c": ENTRY}) == ["c"]
    assert list(quarantine.load(file)) == ["a", "c"]


def test_a_file_that_is_held_for_long_is_an_error(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "TIMEOUT_S", 0.05)
    quarantine.add(file, {"a": ENTRY})
    with file_lock.hold_file(file), pytest.raises(InvalidInput, match="another process"):
        quarantine.add(file, {"b": ENTRY})


def test_a_file_that_its_creator_removes_again_is_created_anew(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.touch()
    open_file = os.open

    def open_late(path: Path, flags: int, *mode: int) -> int:
        if not flags & os.O_CREAT:
            file.unlink()
        return open_file(path, flags, *mode)

    monkeypatch.setattr(os, "open", open_late)
    with file_lock.hold_file(file):
        assert file.exists()
    assert not file.exists()
