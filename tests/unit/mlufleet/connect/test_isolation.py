"""One host of each bad kind among good ones: each fails alone, and every command ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleet.release.target import ReleaseTarget
from tests.unit import PROJECT, sshd
from tests.waiting import PATIENCE_S

#: as root, and without a sudo of the machine's
SUDO = """#!/bin/sh
while case "${1-}" in -*) true ;; *) false ;; esac do shift; done
exec "$@"
"""
SLOW = "#!/bin/sh\nexec sleep 300\n"
ID = "#!/bin/sh\necho 0\n"
#: the project's own, with less patience
CONFIG = f"""\
from pathlib import Path

from mlufleet.connect import settings
from operations.host import probe, sudo

settings.LOGIN_TIMEOUT_S, settings.RETRY_DELAYS_S = 30, (0.1, 0.1)
probe.PROBE_TIMEOUT_S, probe.PROBE_GRACE_S = 25, 1
sudo.SUDO_TIMEOUT_S, sudo.ANSWER_GRACE_S = 2, 1
exec(Path({str(PROJECT / "config.py")!r}).read_text())
"""
BAD = {
    "closed": "UNREACHABLE",
    "silent": "UNREACHABLE",
    "flood": "UNREACHABLE",
    "nameless": "UNREACHABLE",
    "changed": "HOST_KEY_CHANGED",
    "unknown": "HOST_KEY_UNKNOWN",
    "stranger": "AUTH",
    "closes": "CONNECTION_LOST",
    "hung": "PROBE_FAILED",
    "endless": "PROBE_FAILED",
    "nologin": "PROBE_FAILED",
    "slow-sudo": "SUDO",
}
GOOD = ("good1", "good2", "crowded")


@dataclass
class Site:
    folder: Path

    def call(self, name: str) -> subprocess.CompletedProcess[str]:
        """A command as in a fresh clone, without a terminal; it has to end by itself.

        Each has a folder of its own for its run: they are given at the same time.
        """
        folder, words = self.folder / name, COMMANDS[name]
        folder.mkdir()
        for link in ("config.py", "deploy.py", "files", "hosts.py"):
            (folder / link).symlink_to(self.folder / link)
        env = {**os.environ, "PYTHONPATH": str(PROJECT), "SSH_AUTH_SOCK": ""}
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder,
            env=env,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_S,
        )
        print(words, done.returncode, done.stdout, done.stderr)
        return done

    def hosts(self, name: str) -> dict[str, Any]:
        """What the report of a command says of each host."""
        report = json.loads((self.folder / name / "runs/latest/report.json").read_text())
        return dict(report["hosts"])


@pytest.fixture
def bad_site(site: Path, wanted: ReleaseTarget, tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in ("deploy.py", "files"):
        (folder / name).symlink_to(PROJECT / name)
    (folder / "config.py").write_text(CONFIG)
    tools = {}
    for kind, text in {"quick": SUDO, "slow": SLOW}.items():
        (folder / kind).mkdir()
        for name, script in {"sudo": text, "id": ID}.items():
            (folder / kind / name).write_text(script)
            (folder / kind / name).chmod(0o755)
        tools[kind] = folder / kind
    (folder / "password").write_text("secret\n")
    serve = {name: sshd.ssh(name, tools["quick"]) for name in (*GOOD[:2], *BAD)}
    serve |= {
        "silent": sshd.silent,
        "flood": sshd.flood,
        "crowded": sshd.full(2, tools["quick"]),
        "slow-sudo": sshd.ssh("slow-sudo", tools["slow"]),
    }
    with ExitStack() as stack:
        ports = {name: stack.enter_context(sshd.listening(how)) for name, how in serve.items()}
        hosts = sshd.host_data(folder, site, ports, ssh_strict_host_key_checking="yes")
        hosts["nameless"]["ssh_hostname"] = "nothing.invalid"
        hosts["slow-sudo"]["sudo_password_file"] = str(folder / "password")
        (folder / "hosts.py").write_text(f"some = {list(hosts.items())!r}\n")
        yield Site(folder)


COMMANDS = {
    "doctor": ("mlufleet", "doctor", "hosts.py"),
    "rollout": ("mlufleet", "rollout", "hosts.py", "--max-fail", "100%"),
}


def test_each_bad_host_fails_alone(bad_site: Site) -> None:
    # at the same time: most of what they do is to wait for the hosts that do not answer
    with ThreadPoolExecutor() as pool:
        ended = dict(zip(COMMANDS, pool.map(bad_site.call, COMMANDS), strict=True))
    for command, done in ended.items():
        assert done.returncode in (1, 2), command
        found = bad_site.hosts(command)
        codes = {name: (host["failure"] or {}).get("code") for name, host in found.items()}
        assert {name: codes[name] for name in BAD} == BAD, command
        for name in GOOD:
            assert found[name]["versions"], f"{command}: {name} was not looked at: {found[name]}"
        assert "Traceback" not in done.stdout + done.stderr, command
