from __future__ import annotations

import time
from pathlib import Path

from mlufleet.rollout import hooks


def test_a_hook_knows_its_host_but_none_of_its_secrets(tmp_path: Path) -> None:
    data = {
        "ssh_hostname": "10.0.0.1",
        "release": "r",
        "groups": ("rack1", "web"),
        "_sudo_password": "s3cret",
        "sudo_password_file": "/f",
        "slot": 3,
    }
    given = hooks.build_environment("mlu01", data, "ok")
    assert hooks.run_hook(f"env > {tmp_path}/env", given, 10) is None
    told = (tmp_path / "env").read_text()
    for line in ("HOST=mlu01", "ADDRESS=10.0.0.1", "RELEASE=r", "GROUPS=rack1 web", "STATUS=ok"):
        assert f"MLUFLEET_{line}\n" in told
    assert '"slot": 3' in told and "s3cret" not in told


def test_a_hook_that_fails_is_shown_with_what_it_said() -> None:
    failure = hooks.run_hook("echo the balancer does not answer; exit 3", {}, 10)
    assert failure is not None and failure.code == "HOOK"
    assert "status 3" in failure.sentence and failure.tail == ("the balancer does not answer",)


def test_a_hook_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    began = time.monotonic()
    failure = hooks.run_hook(f"sleep 60 & echo $! > {tmp_path}/pid; sleep 60", {}, 1)
    assert failure is not None and "within 1 s" in failure.sentence
    assert time.monotonic() - began < 20
    child = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/cmdline")
    while time.monotonic() - began < 20 and child.exists() and b"sleep" in child.read_bytes():
        time.sleep(0.1)
    assert not child.exists() or b"sleep" not in child.read_bytes()


def test_a_hook_that_prints_without_end_is_ended_and_its_last_lines_are_kept() -> None:
    failure = hooks.run_hook(
        "yes 0123456789abcdef | head -c 2000000; echo; echo last; exit 3", {}, 60
    )
    assert failure is not None and failure.tail[-1] == "last" and len(failure.tail) <= 20
    failure = hooks.run_hook("cat /dev/zero", {}, 1)
    assert failure is not None and "within 1 s" in failure.sentence


def test_a_hooks_bytes_of_any_kind_are_text() -> None:
    failure = hooks.run_hook(r"printf 'a\000\377\033[2J\r\n'; exit 1", {}, 60)
    assert failure is not None and failure.tail == ("a\\x00\ufffd\\x1b[2J",)
