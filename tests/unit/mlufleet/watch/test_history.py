"""`mlufleet history`: since when, for how long and how often something was wrong."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from fleet.errors import ExitStatus, InvalidInput
from mlufleet.cli.history import history
from mlufleet.watch import database
from mlufleet.watch.history import load_history, summarize
from mlufleet.watch.observation import Observation
from mlufleet.watch.problems import HostState
from mlufleet.watch.store import FILE_NAME, Store
from mlufleet.watch.tracking import track
from tests.unit.mlufleet.watch.looks import CARDS, look, off

DROPPED = {**CARDS, "0000:3a:00.0": "dropped"}
DRIFT = {"weights": ["place weights tiny"]}
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
#: looks begin two days ago
BEGIN = time.time() - 2 * DAY


def record(folder: Path, looks: Sequence[Observation]) -> None:
    store = Store(folder)
    states = store.load_states()
    for one in looks:
        state, changes = track(states.get(one.host, HostState()), one)
        states[one.host] = state
        store.record(one, state, changes)
    store.close()


def every_minute(host: str, *fields: dict[str, Any], begin: float = BEGIN) -> list[Observation]:
    return [look(begin + MINUTE * number, host=host, **each) for number, each in enumerate(fields)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What four hosts went through: mlu01 nothing, mlu02 a card and reboots, mlu03 drift."""
    good: dict[str, Any] = {}
    card, drift = {"cards": DROPPED}, {"drift": DRIFT}
    boots = [{"boot_id": f"boot-{number}", **card} for number in (2, 2, 3, 3)]
    record(tmp_path / "watch", every_minute("mlu01", good, good))
    record(tmp_path / "watch", every_minute("mlu02", good, card, card, *boots))
    record(tmp_path / "watch", every_minute("mlu03", *(drift, drift, good, good) * 2, good))
    record(tmp_path / "watch", [off(BEGIN + MINUTE * number, host="mlu10") for number in range(3)])
    return tmp_path / "watch"


def run(*arguments: str, width: int = 80) -> tuple[int, str]:
    result = CliRunner().invoke(history, arguments, env={"COLUMNS": str(width)})
    if isinstance(result.exception, InvalidInput):
        return ExitStatus.INVALID, str(result.exception)
    assert result.exception is None, result.exception
    return result.exit_code, result.stdout


def test_each_problem_has_its_times_and_its_action(folder: Path) -> None:
    status, text = run("--state", str(folder), "--json")
    document = json.loads(text)
    found = {(one["host"], one["code"]): one for one in document["problems"]}
    assert status == 0 and list(found) == [
        ("mlu02", "CARD_DROPPED"),
        ("mlu02", "REBOOTED"),
        ("mlu03", "DRIFT"),
        ("mlu10", "UNREACHABLE"),
    ]
    card = found["mlu02", "CARD_DROPPED"]
    assert (card["state"], card["subject"]) == ("open", "0000:3a:00.0")
    assert (card["times"], card["action"]) == (1, "POWER_CYCLE")
    assert card["first_seen"] == pytest.approx(BEGIN + MINUTE)
    assert card["last_seen"] == pytest.approx(BEGIN + 6 * MINUTE)
    assert card["seconds"] == pytest.approx(5 * MINUTE)
    boots = found["mlu02", "REBOOTED"]
    assert (boots["state"], boots["times"], boots["seconds"]) == ("event", 2, 0)
    drift = found["mlu03", "DRIFT"]
    assert (drift["state"], drift["times"], drift["action"]) == ("resolved", 2, "RESTART")
    assert drift["first_seen"] == pytest.approx(BEGIN)
    assert drift["last_seen"] == pytest.approx(BEGIN + 7 * MINUTE)
    assert drift["seconds"] == pytest.approx(6 * MINUTE)
    assert document["hosts"]["mlu03"]["health"] == "ok"
    assert document["hosts"]["mlu10"]["looks"] == {"unknown": 1, "unreachable": 2}
    kinds = [one["kind"] for one in document["changes"] if one["host"] == "mlu02"]
    assert kinds == ["health", "opened", "health", "rebooted", "rebooted"]


def test_a_table_fits_eighty_columns_and_says_what_to_do(folder: Path) -> None:
    status, text = run("--state", str(folder))
    table = [line for line in text.splitlines() if re.match("host|mlu", line)]
    assert status == 0 and len(table) == 5 and max(map(len, table)) <= 80
    assert "CARD_DROPPED: POWER_CYCLE. Power-cycle" in text
    assert "mlu01" not in text
    _, wide = run("--state", str(folder), width=160)
    assert "action" in wide and "CARD_DROPPED 0000:3a:00.0" in wide


def test_hosts_are_named_as_elsewhere_and_have_their_changes(folder: Path) -> None:
    status, text = run("mlu0[2-3]", "--state", str(folder))
    assert status == 0 and "mlu10" not in text
    assert text.count("rebooted: REBOOTED") == 2
    assert "% of 9 looks found it ok" in text
    status, text = run("mlu99", "--state", str(folder))
    assert status == ExitStatus.INVALID and "mlu99" in text


@pytest.mark.parametrize("code", ["CARD_DROPPED", "card-dropped"])
def test_one_code_is_looked_for(folder: Path, code: str) -> None:
    _, text = run("--state", str(folder), "--code", code, "--json")
    document = json.loads(text)
    assert [one["host"] for one in document["problems"]] == ["mlu02"]
    assert {one["code"] for one in document["changes"]} == {"CARD_DROPPED"}


def test_what_is_open_is_told_whenever_it_began(folder: Path) -> None:
    _, text = run("--state", str(folder), "--since", "1h", "--json")
    document = json.loads(text)
    assert [one["code"] for one in document["problems"]] == ["CARD_DROPPED", "UNREACHABLE"]
    assert document["problems"][0]["first_seen"] == pytest.approx(BEGIN + MINUTE)
    assert document["changes"] == [] and document["hosts"]["mlu01"]["looks"] == {}


def test_nothing_is_said_to_be_nothing(tmp_path: Path) -> None:
    record(tmp_path / "watch", every_minute("mlu01", {}, {}))
    status, text = run("--state", str(tmp_path / "watch"))
    assert status == 0 and text.startswith("no problem of 1 host since")
    assert "one look" not in text
    record(tmp_path / "watch", [off(BEGIN + 2 * MINUTE, host="mlu01")])
    status, text = run("--state", str(tmp_path / "watch"))
    assert status == 0 and "seen by one look, not yet by a second: on 1 host(s)" in text


@pytest.mark.parametrize(
    ("cycle", "times"),
    [(({"drift": DRIFT}, {}), 6), (({"drift": DRIFT}, {"drift": DRIFT}, {}, {}), 6)],
)
def test_what_comes_and_goes_is_counted_also_when_it_is_told_no_more(
    tmp_path: Path, cycle: tuple[dict[str, Any], ...], times: int
) -> None:
    record(tmp_path / "watch", every_minute("mlu01", *cycle * times))
    (one,) = summarize(load_history(tmp_path / "watch", 0))
    assert (one.state, one.times) == ("flapping", times)
    assert one.first_seen == pytest.approx(BEGIN)


def test_a_problem_that_began_before_the_period_counts(tmp_path: Path) -> None:
    drift: dict[str, Any] = {"drift": DRIFT}
    record(tmp_path / "watch", every_minute("mlu01", drift, drift, {}, {}, begin=1000))
    (one,) = summarize(load_history(tmp_path / "watch", 1000 + 2.5 * MINUTE))
    assert (one.state, one.times, one.first_seen, one.seconds) == ("resolved", 1, 1000, 180)


def test_a_history_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    status, text = run("--state", str(tmp_path / "none"))
    assert status == ExitStatus.INVALID
    assert str(tmp_path / "none" / FILE_NAME) in text and "--state" in text
    assert not (tmp_path / "none").exists()
    (tmp_path / FILE_NAME).touch()  # a watch was killed before it had tables
    status, text = run("--state", str(tmp_path))
    assert status == ExitStatus.INVALID and "no history in it yet" in text


def test_a_file_that_cannot_be_read_is_an_error_with_a_remedy(folder: Path) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute(f"PRAGMA user_version = {database.VERSION + 1}")
    status, text = run("--state", str(folder))
    assert status == ExitStatus.INVALID and "version of mlu-fleet" in text
    (folder / FILE_NAME).write_bytes(b"no database" * 1000)
    status, text = run("--state", str(folder))
    assert status == ExitStatus.INVALID and "restart the watch" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0d", "--since '0d': too short; remedy: from 1s to 36500d"),
        ("36501d", "--since '36501d': too long"),
        *((text, "not a duration") for text in ("", "7", "-7d", "1.5h", "7w", "７d", "all")),
        *((text, "not a time") for text in ("2026-13-01", "2026-11-1x", "2026-11-20 at 9")),
        ("9999-12-31", "is in the future"),
    ],
)
def test_a_period_that_is_none_is_refused(folder: Path, text: str, said: str) -> None:
    status, output = run("--state", str(folder), f"--since={text}")
    assert status == ExitStatus.INVALID and said in output


def test_a_period_has_a_length_or_a_begin(folder: Path) -> None:
    begin = {"1970-01-02": DAY, "2001-09-09T01:46:40Z": 1e9, "2001-09-09 03:46:40+02:00": 1e9}
    for text in ("7d", " 7 D ", *begin):
        status, output = run("--state", str(folder), f"--since={text}", "--json")
        since = json.loads(output)["since"]
        assert status == 0 and since == begin.get(
            text, pytest.approx(time.time() - 7 * DAY, abs=60)
        )


@pytest.mark.parametrize("arguments", [["--since", "yesterday"], ["--code", "CARD_DROPT"]])
def test_wrong_options_are_named(folder: Path, arguments: list[str]) -> None:
    status, text = run("--state", str(folder), *arguments)
    assert status == ExitStatus.INVALID and arguments[1].upper() in text.upper()


def test_it_is_read_while_the_watch_writes(folder: Path) -> None:
    store = Store(folder)
    state = store.load_states()["mlu01"]
    for one in every_minute("mlu01", {"drift": DRIFT}, {"drift": DRIFT}, begin=time.time()):
        state, changes = track(state, one)
        store.record(one, state, changes)
    found = summarize(load_history(folder, 0), "DRIFT")
    assert [(one.host, one.state) for one in found] == [
        ("mlu03", "resolved"),
        ("mlu01", "open"),
    ] or {(one.host, one.state) for one in found} == {("mlu01", "open"), ("mlu03", "resolved")}
    store.close()


def test_a_problem_has_one_line_and_none_is_wider_than_the_terminal(
    folder: Path, speak: Callable[[str], None]
) -> None:
    for name in ("en", "zh_CN"):
        speak(name)
        _status, narrow = run("--state", str(folder))
        _status, wide = run("--state", str(folder), "--wide")
        head, *rows = [line for line in narrow.splitlines() if re.match("host|主机|mlu", line)]
        assert max(map(cell_len, (head, *rows))) <= 80
        assert any("CARD_DROPPED 0000:3a:00.0" in row for row in rows), rows
        assert len(rows) == sum(line.startswith("mlu") for line in wide.splitlines())
        begin = time.strftime("%Y-%m-%d %H:%M", time.gmtime(BEGIN))
        assert begin in wide and begin[len("2026-") :] in "".join(rows)
