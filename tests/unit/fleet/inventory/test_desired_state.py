"""A run is held to what somebody has looked at before: all else is refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import ExitStatus, InvalidInput
from fleet.inventory.desired_state import check_digest, combine_digests, compute_host_digest
from fleet.release import lockfile
from fleet.release.target import HostTarget, ReleaseTarget
from mlufleet.watch.look_messages import Ready, decode_message
from tests.unit import PROJECT
from tests.waiting import PATIENCE_S

DATA: dict[str, Any] = {"release": "small.yml", "ssh_hostname": "10.0.0.1", "smoke": "auto"}


def digest(part: ReleaseTarget, name: str = "a", **data: Any) -> str:
    target = HostTarget((part,), part.store)
    return compute_host_digest(name, {**DATA, **data}, target)


def test_whatever_a_host_is_to_be_has_a_digest_of_its_own(locked: ReleaseTarget) -> None:
    other_release = locked.release.model_copy(update={"name": "other"})
    other_lock = locked.lock.model_copy(update={"commits": {"model": "f" * 40}})
    found = [
        digest(locked),
        digest(locked, "b"),
        digest(locked, ssh_hostname="10.0.0.2"),
        digest(locked, ssh_port=23),
        digest(locked, smoke="always"),
        digest(replace(locked, release=other_release)),
        digest(replace(locked, lock=other_lock)),
        digest(replace(locked, cards=(0, 1), key="small")),
        digest(replace(locked, api_key="a-key-of-the-servers")),
    ]
    assert len(set(found)) == len(found)
    same = digest(locked, groups=["rack1"], remediate="repair", any_other="data")
    assert same == found[0]
    assert combine_digests({"a": "1"}) == "1" != combine_digests({"a": "1", "b": "1"})


def test_what_is_expected_is_that_and_nothing_else() -> None:
    check_digest({"a": "1"}, "")
    check_digest({"a": "1"}, "1")
    for digests in ({"a": "2"}, {"a": "1", "b": "1"}, {}):
        with pytest.raises(InvalidInput, match="1 is expected"):
            check_digest(digests, "1")


@pytest.fixture
def folder(site: Path, wanted: ReleaseTarget) -> Path:
    for name in ("config.py", "deploy.py", "files", "inventories"):
        (site / name).symlink_to(PROJECT / name)
    return site


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A host that can be connected to, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def was_connected_to(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except (BlockingIOError, TimeoutError):
        return False
    return True


def run(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "SSH_AUTH_SOCK": "", **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def test_what_was_changed_on_disk_is_refused_before_the_first_connection(
    folder: Path, server: socket.socket
) -> None:
    fields = {"ssh_hostname": "127.0.0.1", "ssh_port": server.getsockname()[1]}
    data = {**fields, "release": str(folder / "small.yml"), "store": str(folder / "store")}
    (folder / "hosts.py").write_text(f"some = [('a', {data!r})]\n")
    known = run(folder, "-m", "mlufleet", "inventory", "digest", "hosts.py").stdout.strip()
    look = run(folder, "-m", "mlufleet.watch.look_process", "hosts.py")
    ready = decode_message(look.stdout.encode())
    assert isinstance(ready, Ready) and ready.digests == {"a": known}
    lock_file = lockfile.lock_path(folder / "small.yml")
    text = lock_file.read_text()
    commit = next(iter(lockfile.load(folder / "small.yml").commits.values()))
    lock_file.write_text(text.replace(commit, "f" * 40))
    for words in (("deploy", "hosts.py"), ("host", "reboot", "hosts.py", "a")):
        done = run(folder, "-m", "mlufleet", *words, f"--expect-digest={known}")
        assert done.returncode == ExitStatus.INVALID
        assert f"{known} is expected" in done.stderr.splitlines()[-1]
        assert not was_connected_to(server)
    lock_file.write_text(text)
    # pyinfra reads the inventory once more after the validation: that is held to it as well
    words = ("-m", "pyinfra", "-y", "hosts.py", "deploy.py")
    again = run(folder, *words, MLUFLEET_EXPECT_DIGEST="0" * 16)
    assert again.returncode and f"{known}, and {'0' * 16} is expected" in again.stderr
    assert not was_connected_to(server)
    server.settimeout(1)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlufleet", "deploy", "hosts.py", f"--expect-digest={known}"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "SSH_AUTH_SOCK": ""},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        while not was_connected_to(server):
            assert process.poll() is None, (folder / "output").read_text()
    finally:
        process.kill()
        process.wait()
