"""What --limit and --exclude say, in our own commands and in pyinfra's."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import InvalidInput
from fleet.inventory.host_selection import InventoryNames
from fleet.release.target import ReleaseTarget
from fleet.text import sanitize
from mlufleet.cli.main import main
from mlufleet.journal import events, journal
from mlufleet.rollout.session import Session
from mlufleet.run import deploy_process
from tests.unit import PROJECT
from tests.unit.fleet.inventory.test_groups import debug_inventory

ROOT = PROJECT
PLAIN = [f"mlu{n}" for n in range(1, 21)]
PADDED = [f"gpu{n:02}" for n in range(1, 13)]
GROUPS = {
    "rack1": PLAIN[:4],
    "rack2": PLAIN[4:8],
    "mlu-all": PLAIN,
    "gpu-and-more": [*PADDED, "mlu1"],
}
KNOWN = InventoryNames([*PLAIN, *PADDED, "x.y"], GROUPS)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("mlu1", "mlu1"),
        ("mlu[8-12]", "mlu8 mlu9 mlu10 mlu11 mlu12"),
        ("mlu[10-12]", "mlu10 mlu11 mlu12"),
        ("mlu[2,4-5]", "mlu2 mlu4 mlu5"),
        ("mlu[1-9:4]", "mlu1 mlu5 mlu9"),
        ("mlu[1]", "mlu1"),
        ("gpu[01-03]", "gpu01 gpu02 gpu03"),
        ("gpu0[1-3]", "gpu01 gpu02 gpu03"),
        ("rack1", "mlu1 mlu2 mlu3 mlu4"),
        ("rack[1-2]", "mlu1 mlu2 mlu3 mlu4 mlu5 mlu6 mlu7 mlu8"),
        ("rack2,gpu12", "mlu5 mlu6 mlu7 mlu8 gpu12"),
        ("mlu1, mlu[2,3] ,x.y", "mlu1 mlu2 mlu3 x.y"),
        ("gpu1?", "gpu10 gpu11 gpu12"),
        ("*.y", "x.y"),
        ("mlu[1-2]?", " ".join([*PLAIN[9:]])),
        ("rack*", "mlu1 mlu2 mlu3 mlu4 mlu5 mlu6 mlu7 mlu8"),
        ("mlu*", " ".join(PLAIN)),
        ("all", " ".join([*PLAIN, *PADDED, "x.y"])),
        ("*", " ".join([*PLAIN, *PADDED, "x.y"])),
    ],
)
def test_who_is_meant(said: str, names: str) -> None:
    assert KNOWN.select_hosts([said]) == set(names.split())


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "an item is empty"),
        (" ", "an item is empty"),
        ("mlu1,", "an item is empty"),
        ("mlu1,,mlu2", "an item is empty"),
        ("typo", "no such host or group: typo"),
        ("mlu1,typo", "no such host or group: typo"),
        ("mlu[19-22]", "no such host or group: mlu21, mlu22; nearest: "),
        ("mlu[1-30]", "mlu21, mlu22, mlu23, mlu24, mlu25 and 5 more"),
        ("mlu[01-03]", "no such host or group: mlu01, mlu02, mlu03; nearest: mlu1"),
        ("gpu[1-3]", "no such host or group: gpu1, gpu2, gpu3; nearest: gpu01"),
        ("MLU1", "no such host or group: MLU1; nearest: mlu1"),
        ("Rack1", "nearest: rack1"),
        ("rack3", "nearest: rack"),
        ("mlu[12]", "[12] is ambiguous: write mlu12, or mlu[1,2]"),
        ("mlu[!1-3]", "write [01-40]"),
        ("mlu[1:3]", "write [01-40]"),
        ("mlu[3-1]", "1 comes before 3"),
        ("mlu[1-", "unbalanced or nested brackets"),
        ("mlu[1-99999]", "more than 10000"),
        ("mlu1 mlu2", "no such host or group: mlu1 mlu2"),
        ("mlu1:mlu2", "no such host or group: mlu1:mlu2"),
        ("!mlu1", "to leave hosts out, use --exclude"),
        ("all,!mlu1", "to leave hosts out, use --exclude"),
        ("@retry", "is not a name"),
        ("mlu99*", "no such host or group: mlu99*"),
        ("ｍｌｕ1", "no such host or group"),
        ("mlu1\u200b", "no such host or group"),
        ("gpu*", "gpu* is ambiguous: it matches hosts, and the group gpu-and-more"),
    ],
)
def test_what_names_nobody_or_two_things_is_refused(said: str, why: str) -> None:
    with pytest.raises(InvalidInput) as error:
        KNOWN.select_hosts(["mlu1", said])
    assert str(error.value).startswith(f"--limit {sanitize.escape_line(said)}: ")
    assert why in str(error.value)


def test_a_name_of_a_host_and_of_a_group_is_refused_unless_they_are_one() -> None:
    known = InventoryNames(["a", "b", "c"], {"a": ["a"], "b": ["b", "c"]})
    assert known.select_hosts(["a"]) == {"a"}
    with pytest.raises(InvalidInput, match="b is ambiguous: a host, and a group of 2"):
        known.select_hosts(["b"])


def test_names_with_brackets_and_commas_of_pyinfras_own_inventories_are_names() -> None:
    assert InventoryNames(["@x/a,b", "m[1-2]", "m1"], {}).select_hosts(["@x/a,b", "m[1-2]"]) == {
        "@x/a,b",
        "m[1-2]",
    }


@given(st.lists(st.text("mlu01289[]-,:*?!@x ", max_size=12), min_size=1, max_size=3))
def test_nobody_is_meant_by_accident(said: list[str]) -> None:
    """Whatever is said: each part names hosts that are there, or all of it is refused."""
    try:
        found = KNOWN.select_hosts(said)
    except InvalidInput:
        return
    assert found and found <= set(KNOWN.hosts)
    assert all(KNOWN.select_hosts([text]) for text in said)


# in commands

BOOK = """\
hosts = [(f"mlu{{n}}", {{"release": "{site}/small.yml", "store": "{site}/store"}})
         for n in range(1, 13)]
rack1 = hosts[:2]
"""


@pytest.fixture
def book(site: Path, wanted: ReleaseTarget) -> str:
    (site / "book.py").write_text(BOOK.format(site=site))
    return str(site / "book.py")


@pytest.fixture
def validation_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that goes on after its validation fails: it can start nothing."""

    def validate(
        run_id: str, arguments: list[str], output: IO[bytes] | None, expected: str
    ) -> object:
        with pytest.raises(SystemExit) as ended:
            deploy_process.main(1, arguments[0], tuple(arguments[1:]))
        return ended.value.code

    # this process has threads that were started before
    monkeypatch.setattr("gevent.monkey.patch_all", lambda: None)
    monkeypatch.setattr("mlufleet.run.launcher._run_deploy_process", validate)
    monkeypatch.setattr("pyinfra_cli.main.main", None)
    monkeypatch.setattr("subprocess.Popen", None)


@pytest.mark.parametrize(
    "command", ["deploy", "doctor", "lock-status", "unlock", "validate", "rollout", "rollback"]
)
@pytest.mark.parametrize(
    "options", [["--limit", "mlu1", "--limit=typo"], ["--exclude", "typo"], ["--limit="]]
)
@pytest.mark.usefixtures("validation_only")
def test_every_command_refuses_a_limit_that_names_nobody(
    book: str, command: str, options: list[str]
) -> None:
    done = CliRunner().invoke(main, [command, book, *options])
    assert done.exit_code == 3, done.output
    assert "an item is empty" in done.output or "no such host or group: typo" in done.output


@pytest.mark.usefixtures("validation_only")
def test_locks_are_broken_only_of_hosts_that_are_named(book: str) -> None:
    done = CliRunner().invoke(main, ["host", "break-lock", book, "--exclude", "mlu2"])
    assert done.exit_code == 3 and "--limit all" in done.output, done.output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["golden", "BOOK", "rack1"], "rack1: expected the name of one host"),
        (["golden", "BOOK", "mlu[1-2]"], "expected the name of one host"),
        (["golden", "BOOK", "mlu1", "--limit", "mlu2"], "remove --limit"),
        (["golden", "BOOK", "mlu11", "--exclude=mlu2"], "remove --limit"),
        (["golden", "BOOK", "mlu99"], "no such host or group: mlu99; nearest: mlu9"),
        (["deploy", "BOOK", "mlu1"], "--limit mlu1"),
        (["doctor", "BOOK", "-l", "mlu1"], "No such option '-l'"),
        (["deploy", "BOOK", "--limits", "mlu1"], "Did you mean '--limit'?"),
        (["deploy", "BOOK", "--limit"], "requires an argument"),
    ],
)
@pytest.mark.usefixtures("validation_only")
def test_what_else_could_reach_more_hosts_than_meant(book: str, words: list[str], why: str) -> None:
    done = CliRunner().invoke(main, [word.replace("BOOK", book) for word in words])
    assert done.exit_code == 3 and why in done.output


def test_a_rollout_takes_ranges_in_the_order_of_the_inventory(
    book: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    session = Session(book, ("mlu[8-12]", "rack1"), (), ("mlu9,mlu1",))
    assert [host.name for host in session.hosts] == ["mlu2", "mlu8", "mlu10", "mlu11", "mlu12"]


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--limit", "mlu[8-12]", "--exclude", "mlu[9-11]"], 0, ["mlu8", "mlu12"]),
        (["--limit", "mlu1", "--limit", "typo"], 1, ["no such host or group: typo"]),
    ],
)
def test_pyinfras_own_command_means_the_same(
    book: str, options: list[str], status: int, said: list[str], tmp_path: Path
) -> None:
    """In a folder that has nothing but the project's config.py."""
    (tmp_path / "config.py").write_text((ROOT / "config.py").read_text())
    done = debug_inventory(book, *options, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == status, done.stdout + done.stderr
    assert all(word in done.stdout + done.stderr for word in said)
    assert "mlu10" not in done.stdout


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    book = journal.Journal(journal.RUNS / "20260314-091502-1")
    names = [f"mlu{n}" for n in range(1, 13)]
    book.append(events.HostsNamed(names=names, groups={name: ["rack1"] for name in names[:2]}))
    book.append(events.RunEnded())
    return "20260314-091502-1"


@pytest.mark.parametrize("command", ["status", "drift"])
@pytest.mark.parametrize(
    ("said", "names"),
    [("mlu[8-10]", ["mlu8", "mlu9", "mlu10"]), ("rack1,mlu3", ["mlu1", "mlu2", "mlu3"])],
)
def test_what_a_run_has_come_to_is_asked_of_the_same(
    run: str, command: str, said: str, names: list[str]
) -> None:
    done = CliRunner().invoke(main, [command, run, "--limit", said])
    assert done.exit_code == 0
    told = [line.split(":")[0] for line in done.output.splitlines() if line.startswith("mlu")]
    assert sorted(told) == sorted(names)


@pytest.mark.parametrize("command", ["status", "drift"])
def test_a_run_without_such_a_host_is_no_answer(run: str, command: str) -> None:
    done = CliRunner().invoke(main, [command, run, "--limit", "mlu1,mlu13"])
    assert done.exit_code == 3 and "no such host or group: mlu13" in done.output
