from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from fleet.errors import InvalidInput
from fleet.release.target import ReleaseTarget
from mlufleet.connect import open_files, private_keys
from mlufleet.run import launcher
from tests.unit.mlufleet.cli.test_main import native

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="there is no ssh-keygen")


def made(path: Path, secret: str = "", kind: str = "ed25519", form: str = "RFC4716") -> Path:
    words = ["ssh-keygen", "-q", "-t", kind, "-m", form, "-N", secret, "-f", str(path)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    socket = f"/tmp/mlufleet-agent-{os.getpid()}"  # a socket's path is short
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", socket], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()  # it listens
    monkeypatch.setenv("SSH_AUTH_SOCK", socket)
    yield
    process.kill()
    process.wait()
    process.stdout.close()
    Path(socket).unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "")
    private_keys.load.cache_clear()


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key_without_a_passphrase_is_loaded(tmp_path: Path, kind: str) -> None:
    assert private_keys.load(str(made(tmp_path / "key", kind=kind))).can_sign()


def test_a_passphrase_that_is_given_opens_it(tmp_path: Path) -> None:
    key = made(tmp_path / "key", "secret phrase")
    assert private_keys.load(str(key), "secret phrase").can_sign()
    with pytest.raises(InvalidInput, match="ssh_key_password"):
        private_keys.load(str(key), "wrong")


@pytest.mark.parametrize(("kind", "form"), [("ed25519", "RFC4716"), ("rsa", "PEM")])
def test_a_key_with_a_passphrase_comes_from_the_agent_or_is_named(
    tmp_path: Path, agent: None, kind: str, form: str
) -> None:
    plain, key = made(tmp_path / "plain", kind=kind, form=form), tmp_path / "key"
    shutil.copy(plain, key)
    shutil.copy(f"{plain}.pub", f"{key}.pub")
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-m", form, "-N", "secret phrase", "-f", str(key)],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    with pytest.raises(InvalidInput, match="ssh-add"):
        private_keys.load(str(key))
    subprocess.run(["ssh-add", "-q", str(plain)], check=True, stdin=subprocess.DEVNULL)
    assert private_keys.load(str(key)).sign_ssh_data(b"data", None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("ssh-ed25519 AAAA me@here\n", "public key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen"),
        ("-----BEGIN DSA PRIVATE KEY-----\nAA\n", "DSA"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNza\n", "truncated"),
        ("-----BEGIN CERTIFICATE-----\nAA\n", "not a private key"),
        ("", "not a private key"),
        ("\udcff\udcfe", "not a private key"),
        (None, "no file"),
    ],
)
def test_what_is_no_key_is_named_before_the_first_connection(
    site: Path, wanted: ReleaseTarget, tmp_path: Path, content: str | None, said: str
) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content.encode(errors="surrogateescape"))
    inventory = native(
        site, release=str(site / "small.yml"), store=str(site / "store"), ssh_key=str(key)
    )
    with pytest.raises(InvalidInput) as error:
        launcher.validate_inventory(inventory)
    assert f"{inventory}: a: " in str(error.value) and said in str(error.value)


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        private_keys.load(str(tmp_path))


@pytest.mark.parametrize(
    ("soft", "hard", "hosts", "set_to"),
    [
        (1024, 524288, 3, None),
        (1024, 524288, 5000, 10160),
        (1024, -1, 5000, 10160),
        (256, 4096, 100, 360),
        (-1, -1, 5000, None),
    ],
)
def test_the_limit_of_open_files_is_raised_to_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, hosts: int, set_to: int | None
) -> None:
    said: list[tuple[int, int]] = []
    stub = SimpleNamespace(
        RLIMIT_NOFILE=7,
        RLIM_INFINITY=-1,
        getrlimit=lambda which: (soft, hard),
        setrlimit=lambda which, limits: said.append(limits),
    )
    monkeypatch.setattr(open_files, "resource", stub)
    open_files.raise_limit(range(hosts))
    assert said == ([] if set_to is None else [(set_to, hard)])


def test_a_hard_limit_that_is_too_low_is_told_before_anything_starts(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_files.resource, "getrlimit", lambda which: (40, 40))
    inventory = native(site, release=str(site / "small.yml"), store=str(site / "store"))
    with pytest.raises(InvalidInput, match=r"1 hosts need up to 162 open files .*`ulimit -Hn`"):
        launcher.validate_inventory(inventory)
