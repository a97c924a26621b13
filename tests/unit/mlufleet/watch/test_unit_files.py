"""systemd's units for the watch, as its own tools judge them."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.language import LANGUAGE_VARIABLE
from mlufleet.watch import unit_files, unit_user
from mlufleet.watch.look_child import END_LIMIT_S
from mlufleet.watch.service import MEND_END_LIMIT_S
from mlufleet.watch.unit_files import UnitSettings, quote_word, render_units
from mlufleet.watch.unit_install import install_units
from tests.waiting import PATIENCE_S

#: systemd's measure of what a service could do, from 0 (nothing) to 10
MAX_EXPOSURE = 3.0


def units(folder: Path, *, once: bool = False) -> dict[str, str]:
    inventory, state = folder / "our fleet 100%.py", folder / "state"
    inventory.write_text("")
    return render_units(UnitSettings(inventory, [f"--state={state}"], state, 300, once))


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
@pytest.mark.parametrize("once", [False, True])
def test_systemd_takes_them_and_they_may_do_little(tmp_path: Path, once: bool) -> None:
    for name, text in units(tmp_path, once=once).items():
        (tmp_path / name).write_text(text)
    for name in units(tmp_path, once=once):
        done = run("systemd-analyze", "verify", tmp_path / name)
        # this machine's own units are none of this test's business
        assert not [line for line in done.stderr.splitlines() if "mlufleet" in line], done.stderr
    service = tmp_path / "mlufleet-watch.service"
    done = run("systemd-analyze", "security", "--offline=true", service)
    if found := re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout):
        assert float(found[1]) <= MAX_EXPOSURE
    else:
        assert "--offline" in done.stderr  # older than systemd 251


def test_the_service_speaks_the_language_that_it_was_installed_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LANGUAGE_VARIABLE, "zh_CN.UTF-8")
    assert "\nEnvironment=MLUFLEET_LANG=zh_CN\n" in units(tmp_path)["mlufleet-watch.service"]
    monkeypatch.setenv(LANGUAGE_VARIABLE, "en")
    assert "Environment=" not in units(tmp_path)["mlufleet-watch.service"]


def test_words_are_those_of_systemd(tmp_path: Path) -> None:
    service = units(tmp_path)["mlufleet-watch.service"]
    assert f'watch "{tmp_path}/our fleet 100%%.py" --state={tmp_path}/state' in service
    assert f"ReadWritePaths={tmp_path}/state " in service
    assert [quote_word(word) for word in ("a", "a b", 'a"b', "$a", "a\\b")] == [
        *("a", '"a b"', '"a\\"b"', '"$$a"', '"a\\\\b"')
    ]


def test_a_watch_that_mends_may_write_where_runs_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = UnitSettings(Path("/srv/hosts.py"), [], Path("/srv/watch"), 300, False, mends=True)
    service = render_units(settings)["mlufleet-watch.service"]
    (writable,) = re.findall("ReadWritePaths=(.*)", service)
    assert str(tmp_path) in writable.split()
    (narrow,) = re.findall("ReadWritePaths=(.*)", units(tmp_path)["mlufleet-watch.service"])
    assert str(tmp_path) not in narrow.split()
    (limit,) = re.findall("TimeoutStopSec=(.*)", service)
    assert int(limit) > MEND_END_LIMIT_S + END_LIMIT_S


def test_no_path_begins_a_line_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "a\nExecStartPre=b"
    for settings in (
        UnitSettings(folder / "hosts.py", [], tmp_path, 300, False),
        UnitSettings(tmp_path / "hosts.py", [f"--state={folder}"], folder, 300, True),
    ):
        with pytest.raises(InvalidInput, match="control character"):
            render_units(settings)


def test_a_folder_of_temporary_files_stays_the_shared_one_if_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = UnitSettings(Path("/srv/hosts.py"), [], Path("/srv/watch"), 300, False)
    monkeypatch.setattr(unit_files.sys, "executable", "/usr/bin/python3")
    monkeypatch.chdir("/")
    assert "PrivateTmp=yes" in render_units(settings)["mlufleet-watch.service"]
    settings = UnitSettings(Path("/srv/hosts.py"), [], Path("/var/tmp/watch"), 300, False)
    assert "PrivateTmp=no" in render_units(settings)["mlufleet-watch.service"]


def test_what_was_there_is_kept_as_a_copy(tmp_path: Path) -> None:
    units = {"a.service": "one", "b.timer": "two"}
    path = tmp_path / "a.service"
    assert [(one.is_new, one.copy) for one in install_units(units, tmp_path)] == [(True, None)] * 2
    assert [(one.is_new, one.copy) for one in install_units(units, tmp_path)] == [(False, None)] * 2
    for text in ("somebody's own", "and another"):
        path.write_text(text)
        first, second = install_units(units, tmp_path)
        assert first.copy and first.copy.read_text() == text and first.copy.suffix != ".service"
        assert first.is_new and not second.is_new and second.copy is None
        assert path.read_text() == "one" and path.stat().st_mode & 0o777 == 0o644
    assert len(list(tmp_path.iterdir())) == 4
    with pytest.raises(InvalidInput, match=r"--print"):
        install_units(units, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_root_may_write_a_folder_of_a_user_for_runs_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(unit_files.getpass, "getuser", lambda: "root")
    for uid, mends, allowed in ((0, True, False), (7, True, True), (7, False, False)):
        monkeypatch.setattr(unit_files, "find_owner", lambda folder, uid=uid: uid)
        settings = UnitSettings(Path("/srv/hosts.py"), [], Path("/srv/w"), 300, False, mends)
        service = render_units(settings)["mlufleet-watch.service"]
        assert ("CAP_DAC_OVERRIDE" in service) is allowed
    # quarantine.yml is in the folder of the site, which may be another one
    monkeypatch.setattr(unit_files, "find_owner", lambda folder: 7 * (folder != tmp_path))
    settings = UnitSettings(Path("/srv/hosts.py"), [], Path("/srv/w"), 300, False, mends=True)
    assert "CAP_DAC_OVERRIDE" in render_units(settings)["mlufleet-watch.service"]


def test_with_sudo_the_service_is_that_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = pwd.getpwnam("daemon")
    monkeypatch.setattr(unit_files.getpass, "getuser", lambda: "root")
    for uid, name, expected in (
        (0, "daemon", "daemon"),
        (0, "root", "root"),  # root itself, or a login as root: there is nobody else
        (0, "", "root"),
        (0, "nobody-of-that-name", "root"),
        (caller.pw_uid, "daemon", "root"),  # sudo to somebody else was meant so
    ):
        monkeypatch.setattr(unit_user.os, "geteuid", lambda uid=uid: uid)
        monkeypatch.setenv("SUDO_USER", name)
        service = units(tmp_path)["mlufleet-watch.service"]
        assert f"\nUser={expected}\n" in service
        is_callers = f"-{caller.pw_dir}/.cache/mlufleet" in service
        assert is_callers is (expected == "daemon")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")
def test_what_is_made_for_the_service_is_the_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "daemon")
    caller = unit_user.find_sudo_user()
    assert caller
    folder = tmp_path / "site"
    folder.mkdir()
    os.chown(folder, caller.pw_uid, caller.pw_gid)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    with unit_user.acting_as(caller):
        (folder / "watch").mkdir()
    assert (folder / "watch").stat().st_uid == caller.pw_uid and os.geteuid() == 0
    settings = unit_user.process_settings(caller)
    said = subprocess.run(
        ["sh", "-c", "id -u; echo $HOME$SUDO_USER"],
        capture_output=True,
        text=True,
        cwd="/",
        **settings,
    )
    assert said.stdout.split() == [str(caller.pw_uid), caller.pw_dir]


def test_memory_grows_with_the_fleet(tmp_path: Path) -> None:
    limits = []
    for count in (0, 20_000):
        settings = UnitSettings(tmp_path / "hosts.py", [], tmp_path, 300, False, host_count=count)
        service = render_units(settings)["mlufleet-watch.service"]
        (limit,) = re.findall(r"MemoryMax=(\d+)M", service)
        limits.append(int(limit))
    assert limits[0] >= 2048 and limits[1] > 2 * limits[0]
