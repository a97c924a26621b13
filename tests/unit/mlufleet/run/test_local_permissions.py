"""Other users of the controller and of a host: what they can write, plant and read."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from fleet.release.target import ReleaseTarget
from mlufleet.run import local_permissions
from mlufleet.run.launcher import validate_inventory
from operations.host.scripts import script_text
from tests.waiting import PATIENCE_S

ROOT = os.getuid() == 0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o755)
    for name in ("config.py", "deploy.py", "hosts.py", "group_data/all.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True, mode=0o755)
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_project_of_ones_own_is_nothing_to_warn_of(place: Path) -> None:
    (place / "group_data/all.py").chmod(0o664)  # a group of one's own is usual
    assert local_permissions.permission_warnings("hosts.py") == []


@pytest.mark.parametrize(
    "name", ["config.py", "deploy.py", "hosts.py", "group_data/all.py", "group_data", "."]
)
def test_what_everybody_can_write_is_told_before_it_is_followed(place: Path, name: str) -> None:
    (place / name).chmod(0o777)
    (warning,) = local_permissions.permission_warnings("hosts.py")
    assert name in warning or name == "."
    assert "every user of this machine can write" in warning and "chmod o-w" in warning


def test_a_shared_folder_with_a_sticky_bit_is_as_tmp_is(place: Path) -> None:
    place.chmod(0o1777)
    assert local_permissions.permission_warnings("hosts.py") == []


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_what_belongs_to_somebody_else_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(place / "deploy.py", 4711, 4711)
    assert "belongs to user 4711" in local_permissions.permission_warnings("hosts.py")[0]
    monkeypatch.setenv("SUDO_UID", "4711")  # it is the one who gave the command
    assert local_permissions.permission_warnings("hosts.py") == []


def test_a_password_that_others_can_read_is_told_before_the_first_connection(
    site: Path, wanted: ReleaseTarget, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {
        "release": str(site / "small.yml"),
        "store": str(site / "store"),
        "sudo_password_file": str(site / "password"),
    }
    (site / "hosts.py").write_text(f"all = [('a', {data!r})]\n")
    (site / "password").touch(mode=0o600)
    (site / "password").chmod(0o600)
    validate_inventory(str(site / "hosts.py"))
    assert "this password" not in capsys.readouterr().err
    (site / "password").chmod(0o644)
    validate_inventory(str(site / "hosts.py"))
    assert f"chmod 600 {site / 'password'}" in capsys.readouterr().err


def ran(script: str, *arguments: str, state: Path, given: str) -> subprocess.CompletedProcess[str]:
    text = script_text(script).replace("/var/lib/mlufleet", str(state))
    return subprocess.run(
        ["sh", "-c", text, script, *arguments],
        input=given,
        text=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.skipif(not ROOT, reason="it gives files to root")
@pytest.mark.parametrize("to", ["file", "folder"])
def test_a_link_planted_in_a_work_folder_of_a_host_is_replaced_not_followed(
    tmp_path: Path, to: str
) -> None:
    state, work, victim = tmp_path / "state", tmp_path / "work", tmp_path / "victim"
    (state / "incoming").mkdir(parents=True)
    work.mkdir()
    if to == "folder":
        victim.mkdir()
    else:
        victim.write_text("mine")
    sha = hashlib.sha256(b"new").hexdigest()
    (state / "incoming/x.part").write_bytes(b"new")
    (work / f"a.{os.uname().nodename}.mlufleet-part").symlink_to(victim)
    done = ran("place-files", "end", "x", state=state, given=f"{sha} x.part {work}/a\n")
    assert done.returncode == 0, done.stderr
    assert (work / "a").read_bytes() == b"new" and not (work / "a").is_symlink()

    (work / "a.mlufleet-part").symlink_to(victim)
    newer = hashlib.sha256(b"newer").hexdigest()
    done = ran(
        "edit-file", f"{work}/a", newer, state=state, given=base64.b64encode(b"newer").decode()
    )
    assert done.returncode == 0, done.stderr
    assert (work / "a").read_bytes() == b"newer"
    left = list(victim.iterdir()) if victim.is_dir() else victim.read_text()
    assert left in ([], "mine")


def test_what_arrived_is_no_link_to_a_file_that_is_still_its_owners(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "own").write_bytes(b"new")
    (tmp_path / "incoming/x.part").symlink_to(tmp_path / "own")
    given = f"{hashlib.sha256(b'new').hexdigest()} x.part {tmp_path}/a\n"
    done = ran("place-files", "end", "x", state=tmp_path, given=given)
    assert done.returncode == 1 and "did not arrive" in done.stderr
    assert not (tmp_path / "a").exists()
    begun = ran("place-files", "begin", "x", state=tmp_path, given=given)
    assert begun.stdout == "want x.part 0\n" and (tmp_path / "own").read_bytes() == b"new"


def test_what_models_answered_and_releases_hold_is_roots_on_a_host(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        done = ran("lock", "acquire", "r1", "me@here", "why", "20", state=tmp_path, given="")
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    for name in ("releases", "smoke", "kept"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "lease",
    ["", "x", "-5", "9" * 20, "a[$(touch FORGED)]", "$(touch FORGED)", "1+1", "0x10", "20\textra"],
)
def test_a_forged_lease_is_no_arithmetic_and_runs_nothing(tmp_path: Path, lease: str) -> None:
    lease = lease.replace("FORGED", str(tmp_path / "forged"))
    (tmp_path / "lock").write_text(f"other\tme\tnow\t{lease}\twhy\n")
    text = script_text("lock").replace("/var/lib/mlufleet", str(tmp_path))
    text = text[: text.index("case $how in")] + 'echo "$(($(lease) + 0))"\n'
    for shell in ("sh", "bash"):
        done = subprocess.run(
            [shell, "-c", text, "lock", "x", "y"], text=True, capture_output=True, timeout=30
        )
        assert done.returncode == 0 and done.stdout.strip().isdigit(), done.stderr
    assert not (tmp_path / "forged").exists()
