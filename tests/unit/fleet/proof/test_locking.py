"""`mlufleet release lock` refuses what is wrong, all at once, and says what is unproved."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleet.release import files, lockfile
from fleet.release.lockfile import NOT_PROVED, Lock
from fleet.release.target import ReleaseTarget
from mlufleet.cli.main import main


def mlufleet(*words: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def lock(site: Path, *changes: tuple[str, str]) -> Result:
    path = site / "small.yml"
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)
    return mlufleet("release", "lock", path, "--store", site / "store", "--quiet")


def find_line(site: Path, text: str) -> int:
    lines = (site / "small.yml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


WRONG = {
    "smoke.workdir": ("workdir: /home/share/model_mlu,", "workdir: /home/share/mlu,"),
    "smoke.command": ("command: [python, ask.py]", "command: [python, demo.py]"),
    "smoke.expect": ("expect: yes!", 'expect: "7/7"'),
    "patches.0.count": ("    find: old\n", "    find: old\n    count: 2\n"),
    "patches.0.file": ("file: /home/share/model_mlu/a.py", "file: /home/share/model_mlu/b.py"),
    "migration.tool": ("tool: /torch/tool.py", "tool: /torch/tools.py"),
    "packages.pip.0.requirements": (
        "pip:\n    - {install: [numpy]}",
        "pip:\n    - {requirements: /home/share/model_mlu/requirements.txt}",
    ),
}


WRONG_ALONE = {
    "sources.0.bundle": ("tag: v1}", "tag: v9}"),
    "image.reference": ('reference: "registry.example/torch:v1"', 'reference: "torch:v2"'),
}


@pytest.mark.parametrize("field", [*WRONG, *WRONG_ALONE])
def test_a_wrong_release_is_refused_with_file_line_and_field(site: Path, field: str) -> None:
    change = (WRONG | WRONG_ALONE)[field]
    done = lock(site, change)
    changed = change[1].strip("\n").splitlines()[-1].strip()
    assert done.exit_code == 3
    assert f"{site}/small.yml:{find_line(site, changed)}: {field}: " in done.output
    assert not lockfile.lock_path(site / "small.yml").exists()


def test_all_findings_are_reported_at_once(site: Path) -> None:
    names = ("smoke.command", "smoke.expect", "patches.0.count", "migration.tool")
    done = lock(site, *(WRONG[name] for name in names))
    assert done.exit_code == 3 and all(f": {name}: " in done.output for name in names)


def test_an_empty_wheelhouse_hides_no_other_finding(site: Path) -> None:
    for path in (site / "store/wheels").iterdir():
        path.unlink()
    done = lock(site, WRONG["smoke.workdir"])
    assert done.exit_code == 3
    fields = ("smoke.workdir", "packages.wheelhouse", "packages.pip.0")
    assert all(f": {field}: " in done.output for field in fields)


@pytest.fixture
def unproved(site: Path) -> Path:
    """The site, with a release that patches a file of the image."""
    done = lock(
        site,
        (
            "packages:\n  wheelhouse",
            "  - {file: /bin/sh, find: a, replace: b}\npackages:\n  wheelhouse",
        ),
    )
    assert done.exit_code == 0, done.output
    assert "patches.1: " in done.output
    return site


def write_inventory(site: Path) -> Path:
    path = site / "fleet.py"
    path.write_text(
        f"fleet = [('mlu1', {{'release': '{site}/small.yml', 'store': '{site}/store',"
        " 'cards': 2, 'ssh_hostname': '192.0.2.1'})]\n"
    )
    return path


def test_check_refuses_an_expectation_that_an_earlier_version_locked(
    site: Path, wanted: ReleaseTarget
) -> None:
    path = site / "small.yml"
    path.write_text(path.read_text().replace("expect: yes!", 'expect: "7/7"'))
    release = files.load_release(path)
    older = wanted.lock.model_copy(update={"release": release.digest, "unproved": None})
    lockfile.lock_path(path).write_text(older.model_dump_json())
    checked = mlufleet("inventory", "check", write_inventory(site))
    assert checked.exit_code == 3 and "small: smoke.expect: '7/7'" in checked.output


def test_show_and_check_tell_what_is_unproved(unproved: Path) -> None:
    shown = mlufleet("release", "show", unproved / "small.yml")
    assert "unproved patches.1: " in shown.output
    checked = mlufleet("inventory", "check", write_inventory(unproved))
    assert checked.exit_code == 0, checked.output
    assert "small: unproved patches.1: " in checked.output


def test_a_lock_of_an_earlier_version_says_that_nothing_is_proved(
    site: Path, wanted: ReleaseTarget
) -> None:
    path = lockfile.lock_path(site / "small.yml")
    older = {k: v for k, v in json.loads(path.read_text()).items() if k != "unproved"}
    path.write_text(json.dumps(older))
    assert lockfile.load(site / "small.yml").describe_unproved() == [NOT_PROVED]
    assert NOT_PROVED in mlufleet("release", "show", site / "small.yml").output


def test_a_proved_lock_says_nothing(wanted: ReleaseTarget) -> None:
    proved: Lock = wanted.lock.model_copy(update={"unproved": ()})
    assert proved.describe_unproved() == []


def test_a_lock_reads_no_more_files_of_its_sources_than_it_needs(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    run = subprocess.run

    def count(words: list[str], **options: object) -> object:
        started.append(words)
        return run(words, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", count)
    assert lock(site).exit_code == 0
    # the patched file and the script of the smoke test
    assert sum("cat-file" in words for words in started) <= 3


def test_variants_that_are_not_selected_are_named_as_not_compared(site: Path) -> None:
    variants = "name: small\nvariant: ask\nvariants: {ask: {}, train: {summary: other}}\n"
    done = lock(site, ("name: small\n", variants))
    assert done.exit_code == 0 and "variant: ask (not compared: train)" in done.output
