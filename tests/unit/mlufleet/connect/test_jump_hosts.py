"""Hosts behind jump hosts: every hop's key is a known one, nobody is asked, nothing is written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paramiko
import pytest

from mlufleet.connect.jump_hosts import add_strict_options
from tests.unit import PROJECT, sshd
from tests.waiting import PATIENCE_S

#: connects to each host as the project's config.py has pyinfra do, and says what it means
CONNECT = """\
import json, sys
from pyinfra_cli import cli
from pyinfra.api import Config, Inventory, State
from mlufleet.connect import errors, settings
settings.configure_unattended()
settings.RETRY_DELAYS_S = (0.2, 0.2, 0.2, 0.2, 0.2)
hosts = json.load(open(sys.argv[1]))
state = State(Inventory((list(hosts.items()), {})), Config())
found = {}
for host in state.inventory:
    try:
        host.connect(raise_exceptions=True, show_errors=False)
    except Exception as error:
        failure = errors.classify_connect_error(error, (str(error),))
        found[host.name] = [failure.code, failure.sentence]
    else:
        found[host.name] = ["", host.connector.client.get_transport().remote_version]
        host.connector.client.close()
print(json.dumps(found))
"""
CONFIG = """\
Host jump
  HostName 127.0.0.1
  Port {jump}
Host second
  HostName 127.0.0.1
  Port {second}
  ProxyJump jump
Host changed
  HostName 127.0.0.1
  Port {changed}
Host unknown
  HostName 127.0.0.1
  Port {unknown}
Host round
  HostName 127.0.0.1
  ProxyJump round
Host direct
  ProxyJump none
Host by-jump
  ProxyJump jump
Host by-two
  ProxyJump second
Host by-list
  ProxyJump jump,second
Host by-changed
  ProxyJump changed
Host by-unknown
  ProxyJump unknown
Host by-round
  ProxyJump round
Host by-dead
  ProxyJump 127.0.0.1:1
Host by-stranger
  ProxyJump nobody@jump
Host to-nowhere
  ProxyJump jump
Host by-command
  ProxyCommand ssh -F {config} -W %h:%p jump
Host by-command-changed
  ProxyCommand ssh -F {config} -W %h:%p changed
Host by-command-unknown
  ProxyCommand ssh -F {config} -W %h:%p unknown
Host by-command-dead
  ProxyCommand false
Host by-command*
  Port {host}
Host by-* to-* direct
  HostName 127.0.0.1
Host *
  User root
  IdentityFile {key}
  UserKnownHostsFile {known}
  StrictHostKeyChecking no
"""
NAMES = (
    "direct",
    "by-jump",
    "by-two",
    "by-list",
    "by-changed",
    "by-unknown",
    "by-round",
    "by-dead",
    "by-stranger",
    "to-nowhere",
    "by-command",
    "by-command-changed",
    "by-command-unknown",
    "by-command-dead",
)


def found_of(folder: Path, hosts: dict[str, Any]) -> dict[str, list[str]]:
    (folder / "hosts.json").write_text(json.dumps(hosts))
    done = subprocess.run(
        [sys.executable, "-c", CONNECT, str(folder / "hosts.json")],
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "SSH_AUTH_SOCK": "", "HOME": str(folder)},
        cwd=folder,
    )
    print(done.stdout, done.stderr)
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.skipif(not shutil.which("ssh"), reason="there is no ssh here")
def test_every_hop_shows_a_key_that_is_known(tmp_path: Path) -> None:
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(tmp_path / "key"))
    kinds = ("host", "jump", "second", "changed", "unknown")
    with ExitStack() as stack:
        ports = {
            kind: stack.enter_context(sshd.listening(sshd.ssh(kind, tmp_path))) for kind in kinds
        }
        known = sshd.known(tmp_path / "known", [ports[k] for k in kinds if k != "unknown"])
        config = tmp_path / "config"
        config.write_text(CONFIG.format(**ports, config=config, key=tmp_path / "key", known=known))
        before = known.read_bytes()
        common = {"ssh_config_file": str(config), "ssh_strict_host_key_checking": "yes"}
        hosts = {name: {**common, "ssh_port": ports["host"]} for name in NAMES}
        hosts["to-nowhere"]["ssh_port"] = 1
        found = found_of(tmp_path, hosts)
    codes = {name: code for name, (code, _) in found.items()}
    reached = {"direct", "by-jump", "by-two", "by-list", "by-command"}
    assert {name for name, code in codes.items() if not code} == reached
    for name, code in {
        "by-changed": "HOST_KEY_CHANGED",
        "by-unknown": "HOST_KEY_UNKNOWN",
        "by-round": "UNREACHABLE",
        "by-dead": "UNREACHABLE",
        "by-stranger": "AUTH",
        "to-nowhere": "UNREACHABLE",
        "by-command-changed": "HOST_KEY_CHANGED",
        "by-command-unknown": "HOST_KEY_UNKNOWN",
        "by-command-dead": "UNREACHABLE",
    }.items():
        assert codes[name] == code, found[name]
    for name, jump in {
        "by-changed": "changed",
        "by-unknown": "unknown",
        "by-round": "round",
        "by-dead": "127.0.0.1",
        "by-stranger": "jump",
        "to-nowhere": "jump",
    }.items():
        assert f"jump host {jump}" in found[name][1], found[name]
    assert known.read_bytes() == before, "a key was added"
    assert not (tmp_path / ".ssh").exists()


def test_a_jump_host_that_is_full_is_tried_again(tmp_path: Path) -> None:
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(tmp_path / "key"))
    with (
        sshd.listening(sshd.ssh("good", tmp_path)) as port,
        sshd.listening(sshd.full(3, tmp_path)) as jump,
    ):
        known = sshd.known(tmp_path / "known", [port, jump])
        config = tmp_path / "config"
        config.write_text(
            f"Host a\n  HostName 127.0.0.1\n  Port {port}\n"
            f"  ProxyJump root@127.0.0.1:{jump}\n"
            f"Host *\n  User root\n  IdentityFile {tmp_path / 'key'}\n"
            f"  UserKnownHostsFile {known}\n"
        )
        data = {"ssh_config_file": str(config), "ssh_strict_host_key_checking": "yes"}
        assert found_of(tmp_path, {"a": data})["a"][0] == ""


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("ssh -W %h:%p jump", "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes "),
        ("/usr/bin/ssh -o StrictHostKeyChecking=no jump nc a 22", "/usr/bin/ssh -o BatchMode=yes "),
        ("nc -x proxy:1080 %h %p", "nc -x proxy:1080 %h %p"),
    ],
)
def test_an_ssh_that_is_a_proxy_command_takes_no_unknown_key(line: str, first: str) -> None:
    assert add_strict_options(line).startswith(first)
    assert add_strict_options(line).endswith(line.partition(" ")[2])
