"""One host of each bad kind among good ones: each fails alone, in every command that connects."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import engine, paths
from tests.lab import hosts as lab
from tests.runs import SITE, Done

#: a container with the bad sshds, and the host whose image it is of
HOST, LIKE = "bad", "u1604"
#: ForceCommand of an sshd -> the code of whoever looks at what is behind it
FORCED = {
    "hung": ("exec sleep 90", "PROBE_FAILED"),
    "endless": ("while sleep 0.02; do echo all else is logged and told; done", "PROBE_FAILED"),
    "nologin": ("exec /usr/sbin/nologin", "PROBE_FAILED"),
    "closes": ("kill -9 $PPID", "CONNECTION_LOST"),
    "slow-sudo": ('PATH=/run/bad/tools:$PATH exec sh -c "$SSH_ORIGINAL_COMMAND"', "SUDO"),
}
SSHD = """\
Port {port}
HostKey {key}
PidFile /run/bad/{kind}.pid
PermitRootLogin yes
MaxStartups 2:100:2
{more}
"""
PORTS = {kind: 2200 + n for n, kind in enumerate((*FORCED, "changed", "unknown", "stranger"))}
JUMP = 2299
BAD = {kind: code for kind, (_, code) in FORCED.items()} | {
    "changed": "HOST_KEY_CHANGED",
    "unknown": "HOST_KEY_UNKNOWN",
    "stranger": "AUTH",
    "closed": "UNREACHABLE",
    "silent": "UNREACHABLE",
    "nameless": "UNREACHABLE",
    "jump-changed": "HOST_KEY_CHANGED",
}
#: the project's own, with less patience
CONFIG = f"""\
from pathlib import Path

from mlufleet.connect import settings
from operations.host import connection, probe, sudo

settings.LOGIN_TIMEOUT_S = 40
settings.RETRY_DELAYS_S = (0.2, 0.4, 0.8, 1.6, 3.2)
probe.PROBE_TIMEOUT_S, probe.PROBE_GRACE_S = 15, 1
connection.SCRIPT_GRACE_S = 1
sudo.SUDO_TIMEOUT_S, sudo.ANSWER_GRACE_S = 3, 2
exec(Path({str(paths.SOURCE / "config.py")!r}).read_text())
"""
KEY = "/etc/ssh/ssh_host_ed25519_key"
STAMPS = "/var/lib/mlufleet/stamps"


@dataclass(frozen=True)
class Fleet:
    """Good hosts and bad ones. :param folder: where commands are given, with runs of its own"""

    folder: Path
    good: tuple[str, ...]

    def call(self, name: str, *words: str) -> Done:
        """A command that has to end by itself, without a terminal, in a folder of its own."""
        folder = self.folder / name
        folder.mkdir()
        for link in ("config.py", "hosts.py", "deploy.py", "group_data", ".lab"):
            (folder / link).symlink_to(f"../{link}")
        env = {**os.environ, "PYTHONPATH": str(paths.SOURCE), "SSH_AUTH_SOCK": ""}
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder,
            env=env,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
        )
        print(name, done.returncode, done.stdout, done.stderr)
        report = folder / "runs/latest/report.json"
        told = json.loads(report.read_text()) if report.is_file() else {"hosts": {}}
        return Done(done.returncode, done.stdout + done.stderr, told)


def sshds() -> str:
    """Starts them, in the container."""
    public = Path(f"{paths.SSH_KEY}.pub").read_text().strip()
    conf = {kind: f"ForceCommand {command}" for kind, (command, _) in FORCED.items()}
    conf |= {"stranger": "AllowUsers somebody", "unknown": "", "changed": "", "jump": ""}
    lines = [
        "mkdir -p /run/bad/tools /run/sshd /root/.ssh && ssh-keygen -A",
        f"echo '{public}' > /root/.ssh/authorized_keys",
        "ssh-keygen -q -t ed25519 -N '' -f /run/bad/key",
        "printf '#!/bin/sh\\nexec sleep 60\\n' > /run/bad/tools/sudo",
        "chmod 755 /run/bad /run/bad/tools /run/bad/tools/sudo",
    ]
    for kind, more in conf.items():
        text = SSHD.format(
            kind=kind,
            port=PORTS.get(kind, JUMP),
            more=more,
            key="/run/bad/key" if kind == "changed" else KEY,
        )
        lines.append(f"cat > /run/bad/{kind} <<'END'\n{text}END\n/usr/sbin/sshd -f /run/bad/{kind}")
    return "\n".join(lines)


@pytest.fixture
def place(provisioned: Done) -> Iterator[str]:
    """Address of a container with sshds that are bad, each in its own way."""
    name = lab.PREFIX + HOST
    subprocess.run(["docker", "rm", "-f", name], capture_output=True)
    engine.docker("run", "-d", "--init", "--name", name, lab.found()[LIKE].image, "sleep", "900")
    try:
        lab.run(HOST, sshds())
        yield lab.address(HOST)
    finally:
        engine.docker("rm", "-f", name)


@pytest.fixture
def fleet(place: str, tmp_path: Path) -> Iterator[Fleet]:
    document = yaml.safe_load((SITE / ".lab/inventory.yml").read_text())
    good: dict[str, dict[str, Any]] = document["hosts"]
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    shown = lab.run(HOST, f"cut -d' ' -f1,2 {KEY}.pub")
    known = tmp_path / "known"
    ports = [p for kind, p in PORTS.items() if kind != "unknown"]
    known.write_text(
        paths.KNOWN_HOSTS.read_text() + "".join(f"[{place}]:{p} {shown}\n" for p in [*ports, JUMP])
    )
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host full\n  HostName {place}\n  Port {JUMP}\n"
        f"Host changed\n  HostName {place}\n  Port {PORTS['changed']}\n"
        f"Host {place}\n  ProxyJump full\n"
        "Host by-changed\n  ProxyJump changed\n"
        f"Host *\n  User root\n  IdentityFile {paths.SSH_KEY}\n  UserKnownHostsFile {known}\n"
    )
    entries: dict[str, dict[str, Any]] = {
        kind: {"ssh_hostname": place, "ssh_port": port, "ssh_user": "root"}
        for kind, port in PORTS.items()
    }
    entries["slow-sudo"]["sudo_password_file"] = str(password)
    entries["closed"] = {"ssh_hostname": "127.0.0.1", "ssh_port": 1}
    entries["nameless"] = {"ssh_hostname": "nothing.invalid"}
    data = {"ssh_config_file": str(config)}
    for kind in FORCED:  # all through one jump host that lets in two at once
        entries[kind]["data"] = data
    entries["jump-changed"] = {"ssh_hostname": "by-changed", "data": data}
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        entries["silent"] = {"ssh_hostname": "127.0.0.1", "ssh_port": listener.getsockname()[1]}
        document["defaults"]["ssh_known_hosts_file"] = str(known)
        document["hosts"] = {**entries, **good}
        (tmp_path / "fleet.yml").write_text(yaml.safe_dump(document))
        (tmp_path / "hosts.py").write_text(
            "from pathlib import Path\nfrom fleet.inventory import read\n"
            f"some = read(Path({str(tmp_path / 'fleet.yml')!r}))\n"
        )
        (tmp_path / "config.py").write_text(CONFIG)
        (tmp_path / "deploy.py").symlink_to(paths.SOURCE / "deploy.py")
        (tmp_path / "group_data").symlink_to(paths.SOURCE / "inventories/group_data")
        (tmp_path / ".lab").symlink_to(SITE / ".lab")
        yield Fleet(tmp_path, tuple(good))


INV = "hosts.py"
LOOKS = {
    "doctor": ("mlufleet", "doctor", INV),
    "dry": ("mlufleet", "deploy", INV, "--dry"),
    "deploy": ("mlufleet", "deploy", INV),
    "pyinfra-dry": ("pyinfra", "--dry", INV, "deploy.py"),
    "pyinfra": ("pyinfra", "-y", INV, "deploy.py"),
    "rollout": ("mlufleet", "rollout", INV, "--max-fail", "100%"),
    "validate": ("mlufleet", "validate", INV, "--data", "validation=2"),
}


def test_every_command_sees_the_good_hosts_beside_the_bad_ones(fleet: Fleet) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(LOOKS, pool.map(lambda n: fleet.call(n, *LOOKS[n]), LOOKS), strict=True))
    for name, done in found.items():
        codes = {
            host: (said["failure"] or {}).get("code") for host, said in done.report["hosts"].items()
        }
        assert codes == {**BAD, **dict.fromkeys(fleet.good)}, name
        assert set(done.statuses()[host] for host in fleet.good) == {"ok"}, name
        assert "Traceback" not in done.output, name
        assert done.status == (1 if name.startswith("pyinfra") else 2), name
    asked = fleet.call("lock-status", "mlufleet", "lock-status", INV)
    assert asked.status == 2
    assert all(f"{host}: free" in asked.output for host in fleet.good)
    # what was given up has left nothing
    assert lab.run(HOST, "ls -A /dev/shm | grep mlufleet", check=False) == ""


@pytest.fixture
def no_way_back(fleet: Fleet) -> Iterator[None]:
    """The good hosts have passed on no release, whatever other tests have had on them."""
    for host in fleet.good:
        lab.run(host, f"mkdir -p {STAMPS}-aside && mv {STAMPS}/good* {STAMPS}-aside/")
    yield
    for host in fleet.good:
        lab.run(host, f"mv {STAMPS}-aside/good* {STAMPS}/ && rmdir {STAMPS}-aside")


@pytest.mark.long
@pytest.mark.usefixtures("no_way_back")
def test_commands_that_act_on_each_host_do_it_beside_the_bad_ones(fleet: Fleet) -> None:
    undone = fleet.call("rollback", "mlufleet", "rollback", INV, "--max-fail", "100%")
    codes = {host: said["failure"]["code"] for host, said in undone.report["hosts"].items()}
    assert codes == {**BAD, **dict.fromkeys(fleet.good, "NO_ROLLBACK_TARGET")}
    unlocked = fleet.call("unlock", "mlufleet", "unlock", INV, "--limit", "all")
    assert unlocked.status == 2 and "Traceback" not in unlocked.output
    for host in fleet.good:
        assert re.search(rf"\[{host}\] +Success", unlocked.output)
    taken = fleet.call("golden", "mlufleet", "golden", INV, "closed")
    assert taken.status == 4
