"""The store: what is recorded is there after a kill, and a bad disk does not stop the watch."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given

from fleet.errors import InvalidInput
from mlufleet.watch import database, records, state_folder, waiting
from mlufleet.watch.observation import Observation
from mlufleet.watch.problems import Change, HostState
from mlufleet.watch.store import FILE_NAME, Store
from mlufleet.watch.tracking import track
from tests.unit.mlufleet.watch.looks import CARDS, endpoint, look, off
from tests.unit.mlufleet.watch.test_tracking import ANY_STEP, sequences

DROPPED = {**CARDS, "0000:3a:00.0": "dropped"}
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "watch"


@pytest.fixture
def make(folder: Path) -> Iterator[Callable[..., Store]]:
    """Opens the store as a watch does that was started again."""
    opened: list[Store] = []

    def make(path: Path = folder, retry_s: float = 0) -> Store:
        if opened:
            opened.pop().close()
        opened.append(Store(path, retry_s=retry_s))
        return opened[0]

    yield make
    for store in opened:
        store.close()


def fill(store: Store, *looks: Observation, state: HostState | None = None) -> HostState:
    state = state or HostState()
    for one in looks:
        state, changes = track(state, one)
        store.record(one, state, changes)
    return state


def keys(changes: list[Change]) -> list[str]:
    return [f"{one.kind} {one.problem.key}" for one in changes if one.kind != "health"]


def break_and_mend(store: Store, begin: float, state: HostState | None = None) -> HostState:
    """Four looks: a card drops and comes back, which is two changes, and two of health."""
    cards = (DROPPED, DROPPED, CARDS, CARDS)
    looks = [look(begin + MINUTE * number, cards=one) for number, one in enumerate(cards)]
    return fill(store, *looks, state=state)


def test_what_is_recorded_is_there_after_a_start(make: Callable[..., Store]) -> None:
    store = make()
    looks = [
        look(1000, endpoints=[endpoint(answered=990.5)], cards=DROPPED),
        look(1060, endpoints=[endpoint(answered=1050.5)], cards=DROPPED),
        off(1120),
    ]
    state = fill(store, *looks)
    changes = store.list_changes()
    assert [(one.kind, one.problem.key) for one in changes] == [
        ("opened", "CARD_DROPPED 0000:3a:00.0"),
        ("health", "HEALTH degraded"),
    ]
    store = make()
    assert store.load_states() == {"a": state}
    assert store.load_observations() == {"a": (looks[1], looks[2])}
    assert store.list_changes() == changes
    assert [(one.outcome, one.code, one.count) for one in store.list_looks()] == [
        ("seen", "", 1),
        ("seen", "", 1),
        ("unreachable", "UNREACHABLE", 1),
    ]
    fill(store, look(1180), state=state)
    assert make().load_observations() == {"a": (look(1180), look(1180))}


@given(sequences(ANY_STEP))
def test_looks_and_states_are_read_as_they_were_written(looks: list[Observation]) -> None:
    state = HostState()
    for one in looks:
        assert records.join_observation(*records.split_observation(one)) == one
        state, _ = track(state, one)
        assert records.state_from_json(records.state_to_json(state)) == state


def test_looks_are_counted_by_the_hour(make: Callable[..., Store]) -> None:
    store = make()
    fill(store, *(look(HOUR * 5 + MINUTE * number) for number in range(90)))
    fill(store, look(HOUR * 6, host="b"))
    counts = {(one.host, one.hour): one for one in make().list_looks()}
    assert {key: one.count for key, one in counts.items()} == {
        ("a", HOUR * 5): 60,
        ("a", HOUR * 6): 30,
        ("b", HOUR * 6): 1,
    }
    assert counts["a", HOUR * 5].seconds == 60 and counts["a", HOUR * 5].slowest_s == 1
    assert [one.hour for one in make().list_looks("a", since=HOUR * 6 + 1)] == [HOUR * 6]
    assert {one.host for one in make().list_looks("b")} == {"b"}


def test_changes_are_found_by_host_time_and_number(make: Callable[..., Store]) -> None:
    store = make()
    for host, begin in (("a", 1000.0), ("b", 2000.0)):
        state = HostState()
        for number, cards in enumerate((DROPPED, DROPPED, CARDS, CARDS)):
            one = look(begin + MINUTE * number, host=host, cards=cards)
            state = fill(store, one, state=state)
    assert len(store.list_changes()) == 8 and len(store.list_changes("b")) == 4
    assert {one.host for one in store.list_changes(since=1500)} == {"b"}
    assert store.list_changes(limit=3) == store.list_changes()[-3:]
    assert store.list_changes(limit=0) == []


def test_a_look_without_a_change_adds_next_to_nothing(
    make: Callable[..., Store], folder: Path
) -> None:
    """Of 24 hosts that are looked at 12 times in each of 3 hours."""
    store, states = make(), dict.fromkeys(map(str, range(24)), HostState())
    written = []
    for hour in range(3):
        for minute in range(0, 60, 5):
            for host, state in states.items():
                one = look(HOUR * hour + MINUTE * minute, host=host, endpoints=[endpoint()])
                states[host], changes = track(state, one)
                store.record(one, states[host], changes)
        with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        written.append((folder / FILE_NAME).stat().st_size)
    host_hours = 2 * len(states)
    assert (written[-1] - written[0]) / host_hours < 200, written


def write_for_ever(folder: Path, ack: int) -> None:
    """Records looks, and tells of each once it is recorded."""
    store = Store(folder)
    state = store.load_states().get("a", HostState())
    number = sum(one.count for one in store.list_looks())
    while True:
        # four looks of which two see it, and nothing is flapping
        at = 2 * DAY * (number // 4) + MINUTE * (number % 4)
        cards = DROPPED if number % 4 < 2 else CARDS
        state = fill(store, look(at, cards=cards), state=state)
        os.write(ack, b".")
        number += 1


def test_a_killed_watch_has_lost_nothing_that_it_recorded(folder: Path) -> None:
    chance, acknowledged = random.Random(4), 0
    for _ in range(12):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                write_for_ever(folder, write)
            finally:
                os._exit(1)
        os.close(write)
        for _ in range(chance.randrange(1, 12)):
            acknowledged += len(os.read(read, 1))
        if chance.random() < 0.5:
            time.sleep(chance.random() / 200)  # some moment within the next record
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := os.read(read, 4096):  # it was faster than the kill
            acknowledged += len(more)
        os.close(read)
        store = Store(folder)
        recorded = sum(one.count for one in store.list_looks())
        # one may have been recorded and not told
        assert acknowledged <= recorded <= acknowledged + 1
        acknowledged = recorded
        # opened and resolved in turn, each once, and nothing half
        card, told = "CARD_DROPPED 0000:3a:00.0", keys(store.list_changes())
        pairs, rest = divmod(recorded, 4)
        assert told == [f"opened {card}", f"resolved {card}"] * pairs + [f"opened {card}"] * (
            rest >= 2
        )
        assert store.load_states()["a"].last_look == store.load_observations()["a"][1].ended
        store.close()


def limit_pages(connection: sqlite3.Connection, more: int) -> None:
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + more}")


def test_a_full_disk_is_told_and_nothing_is_lost(
    make: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    state = break_and_mend(store, 1000)
    original, is_full = database.open_for_writing, True

    def open_limited(path: Path) -> sqlite3.Connection:
        connection = original(path)
        if is_full:
            limit_pages(connection, 0)
        return connection

    monkeypatch.setattr(database, "open_for_writing", open_limited)
    store = make()
    receiver = store.list_untold("robot")
    assert receiver == []
    for round_ in range(1, 40):
        state = break_and_mend(store, 1000 + round_ * 2 * DAY, state)
    assert "full" in store.error and "remedy" in store.error
    # the watch goes on with what it knows
    assert store.load_states() == {"a": state}
    assert len(store.list_changes()) == 40 * 4 and store.list_changes()[-1].time > 70 * DAY
    is_full = False
    state = fill(store, look(200 * DAY), state=state)
    assert store.error == ""
    told = store.list_untold("robot")
    assert [number for number, _ in told] == sorted({number for number, _ in told})
    store = make()
    assert store.load_states() == {"a": state} and len(store.list_changes()) == 40 * 4
    assert sum(one.count for one in store.list_looks()) == 40 * 4 + 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", str(path)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_disk_that_others_fill_is_waited_for(
    make: Callable[..., Store], small_disk: Path
) -> None:
    store = make(small_disk)
    state = break_and_mend(store, 1000)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 512)
    for round_ in range(1, 100):
        state = break_and_mend(store, 1000 + round_ * 2 * DAY, state)
    assert store.error and store.load_states() == {"a": state}
    ballast.unlink()
    state = fill(store, look(400 * DAY), state=state)
    assert store.error == "" and not store.moved_aside
    store = make(small_disk)
    assert store.load_states() == {"a": state} and len(store.list_changes()) == 100 * 4


def test_an_unwritable_file_is_not_tried_at_each_look(
    make: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def refuse(path: Path) -> sqlite3.Connection:
        attempts.append(path)
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(database, "open_for_writing", refuse)
    store = make(retry_s=3600)
    break_and_mend(store, 1000)
    assert len(attempts) == 1 and "unable to open" in store.error
    assert len(store.list_changes()) == 4 and store.list_untold("robot") == []


def damage_head(path: Path) -> None:
    path.write_bytes(b"this is no database" * 500)


def damage_middle(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [damage_head, damage_middle, cut])
def test_a_damaged_file_is_moved_aside_and_named(
    make: Callable[..., Store], folder: Path, damage: Callable[[Path], None]
) -> None:
    store = make()
    for round_ in range(20):
        break_and_mend(store, 1000 + round_ * 2 * DAY)
    store.close()
    damage(folder / FILE_NAME)
    bad = (folder / FILE_NAME).read_bytes()
    store = make()
    (aside,) = store.moved_aside
    assert aside.parent == folder and aside.read_bytes() == bad
    assert ".damaged-" in aside.name and store.error == ""
    assert store.load_states() == {} and store.list_changes() == []
    state = break_and_mend(store, 1000)
    assert make().load_states() == {"a": state}


def test_a_second_damaged_file_does_not_replace_the_first(
    make: Callable[..., Store], folder: Path
) -> None:
    for _ in range(3):
        make().close()
        damage_head(folder / FILE_NAME)
        make()
    assert len(list(folder.glob("*.damaged-*"))) == 3


def test_a_file_that_is_taken_away_is_made_again(
    make: Callable[..., Store], folder: Path, tmp_path: Path
) -> None:
    store = make()
    state = break_and_mend(store, 1000)
    (folder / FILE_NAME).rename(tmp_path / "taken")
    state = break_and_mend(store, 1000 + 2 * DAY, state)
    assert store.error == "" and not store.moved_aside
    store = make()
    assert store.load_states() == {"a": state} and len(store.list_changes()) == 4


def test_others_read_while_the_watch_writes(make: Callable[..., Store], folder: Path) -> None:
    store = make()
    state = break_and_mend(store, 1000)
    with closing(database.open_for_reading(folder / FILE_NAME)) as reader:
        reader.execute("BEGIN")
        count = "SELECT count(*) FROM changes"
        assert reader.execute(count).fetchone() == (4,)
        state = break_and_mend(store, 1000 + 2 * DAY, state)
        assert store.error == "" and reader.execute(count).fetchone() == (4,)
        reader.execute("COMMIT")
        assert reader.execute(count).fetchone() == (8,)
        with pytest.raises(sqlite3.OperationalError):
            reader.execute("DELETE FROM changes")


def test_a_file_of_the_first_version_is_brought_to_this_one(
    make: Callable[..., Store], folder: Path
) -> None:
    folder.mkdir(mode=0o700)
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as connection:
        database.migrate(connection, to=1)
        assert database.read_version(connection) == 1
        connection.execute(
            "INSERT INTO changes (time, host, kind, code, subject, sentence, remedy, since, run)"
            " VALUES (7, 'a', 'opened', 'NO_SPACE', '', 'full', 'free it', 6, '')"
        )
        connection.execute("INSERT INTO hosts (name, state) VALUES ('a', '{\"boot_id\":\"x\"}')")
    store = make()
    (change,) = store.list_changes()
    assert (change.problem.code, change.since, store.error) == ("NO_SPACE", 6, "")
    assert store.load_states() == {"a": HostState(boot_id="x")}
    assert store.list_untold("robot") == []
    with closing(database.open_for_reading(folder / FILE_NAME)) as connection:
        assert database.read_version(connection) == database.VERSION == len(database.MIGRATIONS)


def test_fields_of_another_version_do_not_stop_the_watch(
    make: Callable[..., Store], folder: Path
) -> None:
    store = make()
    state = fill(store, look(1000, cards=DROPPED), look(1060, cards=DROPPED))
    store.close()
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        (text,) = connection.execute("SELECT state FROM hosts").fetchone()
        more = text.replace('"boot_id"', '"new":1,"boot_id"').replace(
            '"missed"', '"new":1,"missed"'
        )
        assert more.count('"new"') == 2
        connection.execute("UPDATE hosts SET state = ?", (more,))
        connection.execute("UPDATE observations SET body = ?", (zlib.compress(b'{"facts":{}}'),))
        connection.commit()
    store = make()
    assert store.load_states() == {"a": state} and store.load_observations() == {}
    fill(store, look(1120), state=state)
    assert make().load_observations() == {"a": (look(1120), look(1120))}


def test_a_step_that_fails_leaves_the_file_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (a)")
        raise sqlite3.OperationalError("database or disk is full")

    folder.mkdir(mode=0o700)
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as connection:
        database.migrate(connection, to=1)
        monkeypatch.setattr(database, "MIGRATIONS", (database.MIGRATIONS[0], fail))
        with pytest.raises(sqlite3.OperationalError):
            database.migrate(connection, to=2)
        assert database.read_version(connection) == 1
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        assert "half" not in names and "changes" in names


def test_a_file_of_a_newer_version_is_left_alone(make: Callable[..., Store], folder: Path) -> None:
    make().close()
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute(f"PRAGMA user_version = {database.VERSION + 1}")
    with pytest.raises(InvalidInput, match="remedy"):
        Store(folder)
    assert not list(folder.glob("*.damaged-*"))
    with pytest.raises(InvalidInput, match="remedy"):  # and nobody holds it
        Store(folder)


def test_what_is_old_is_forgotten(make: Callable[..., Store]) -> None:
    store = make()
    fill(store, *(look(DAY * number, host="gone", cards=DROPPED) for number in range(3)))
    state = HostState()
    for number in range(10):
        state = break_and_mend(store, DAY * 2 * number, state)
    last = store.list_changes()[-1].time
    assert store.list_untold("robot") == []
    store.prune(DAY * 19, DAY * 12)
    assert store.load_states().keys() == {"a"} == store.load_observations().keys()
    assert min(one.time for one in store.list_changes()) >= DAY * 7
    assert min(one.hour for one in store.list_looks()) >= DAY * 7 - HOUR
    # looks since then prove that time has passed
    fill(store, *(look(DAY * (1000 + number), host="b") for number in range(8)))
    store.prune(DAY * 1007, DAY * 90)
    assert store.load_states().keys() == {"b"}
    assert min(one.time for one in store.list_changes()) >= DAY * 1000
    # numbers go on: a receiver is told what comes, although nothing is left of what was
    store = make()
    break_and_mend(store, last + 2 * DAY)
    assert keys([one for _, one in store.list_untold("robot")]) == [
        "opened CARD_DROPPED 0000:3a:00.0",
        "resolved CARD_DROPPED 0000:3a:00.0",
    ]


@pytest.mark.parametrize("keep_days", [1, 10, 90])
def test_a_clock_far_ahead_makes_no_file_forget_what_is_kept(
    make: Callable[..., Store], keep_days: int
) -> None:
    """Ten days of looks, and then some with a clock ten years ahead, by any number of starts."""
    store = make()
    fill(store, *(look(HOUR * number) for number in range(240)))
    for number in range(5):
        now = 3650 * DAY + number * HOUR
        fill(store, look(now))
        store.prune(now, DAY * keep_days)
        store.prune(now, DAY * keep_days)
    hours = {one.hour for one in store.list_looks()}
    assert len(hours) == min(245, 24 * keep_days)
    # it is right again: what is old by that is forgotten, and no more
    fill(store, *(look(HOUR * number) for number in range(240, 264)))
    store.prune(HOUR * 264, DAY * keep_days)
    kept = {one.hour for one in store.list_looks()}
    assert {HOUR * number for number in range(264 - 24, 264)} <= kept
    assert min(kept) >= HOUR * 264 - DAY * keep_days - HOUR


def test_each_receiver_is_told_what_it_does_not_know(make: Callable[..., Store]) -> None:
    store = make()
    state = break_and_mend(store, 1000)
    assert store.list_untold("robot") == []  # from now on
    state = break_and_mend(store, 1000 + 2 * DAY, state)
    untold = store.list_untold("robot")
    assert len(untold) == 4 and store.list_untold("mail") == []
    store.mark_told("robot", untold[1][0])
    store = make()
    assert store.list_untold("robot") == untold[2:]
    store.mark_told("robot", untold[-1][0])
    assert make().list_untold("robot") == [] == make().list_untold("mail")


def test_receivers_know_what_they_were_told_before_a_file_was_damaged(
    make: Callable[..., Store], folder: Path
) -> None:
    store = make()
    store.list_untold("robot")
    state = break_and_mend(store, 1000)
    store.mark_told("robot", store.list_untold("robot")[-1][0])
    (folder / FILE_NAME).unlink()
    break_and_mend(store, 1000 + 2 * DAY, state)
    assert len(store.list_untold("robot")) == 4
    assert len(make().list_untold("robot")) == 4


def test_changes_beyond_all_measure_do_not_fill_the_memory(
    make: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_CHANGES", 10)
    store = make()
    state = break_and_mend(store, 1000)
    monkeypatch.setattr(store, "_attempt", lambda: None)
    for round_ in range(1, 10):
        state = break_and_mend(store, 1000 + round_ * 2 * DAY, state)
    monkeypatch.undo()
    assert len(store.list_changes()) == 4 + 10
    fill(store, look(100 * DAY), state=state)
    assert len(make().list_changes()) == 4 + 10


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o777])
def test_a_folder_that_others_can_enter_is_refused(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(InvalidInput, match="chmod 700"):
        Store(folder)
    assert not list(folder.iterdir())


def test_a_new_folder_is_for_its_user_alone(make: Callable[..., Store], folder: Path) -> None:
    before = os.umask(0)
    try:
        make()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_somebody_elses_folder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(state_folder.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(InvalidInput, match=f"belongs to user {os.getuid()}"):
        Store(folder)
    assert not list(folder.iterdir())


def test_a_file_in_the_place_of_the_folder_is_refused(folder: Path) -> None:
    folder.write_text("")
    with pytest.raises(InvalidInput, match="not a folder"):
        Store(folder)


def test_two_watches_do_not_share_a_folder(make: Callable[..., Store], folder: Path) -> None:
    make()
    with pytest.raises(InvalidInput, match="another watch"):
        Store(folder)
