"""The unit of the watch under a real systemd: it begins, is reloaded, mends a host, and ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.faults.big import HOST, deploy_light
from tests.lab import engine, machine, paths
from tests.lab import hosts as lab
from tests.runs import RELEASES
from tests.waiting import PATIENCE_S, until

CONTROLLER = f"{lab.PREFIX}controller"
SITE, UNIT = "/srv/site", "mlufleet-watch"
#: of a host of the lab: it is to be a machine with systemd only
SERVICES = (
    "ssh.service",
    "ssh.socket",
    "docker.service",
    "docker.socket",
    "mlu-lab-kernel.service",
)
BOOT = f"for unit in {' '.join(SERVICES)}; do ln -sf /dev/null /etc/systemd/system/$unit; done; "
DROP_IN = f"/etc/systemd/system/{UNIT}.service.d"
ENVIRONMENT = f"[Service]\nEnvironment=PYTHONPATH={paths.SOURCE}\n"
#: what the watch needs of this machine
FOLDERS = {str(Path(path).resolve()) for path in (sys.base_prefix, sys.prefix, paths.SOURCE)}


@pytest.fixture(scope="module")
def controller() -> Iterator[None]:
    """A machine with systemd, this Python and a site whose host has the small release."""
    if any(Path("/usr").is_relative_to(folder) for folder in FOLDERS):
        pytest.skip("this Python is a part of the system, which another one cannot have beside it")
    deploy_light()
    known = yaml.safe_load(paths.INVENTORY.read_text())
    data = {**known["defaults"], **known["hosts"][HOST], "remediate": "restart"}
    hosts = [(HOST, {**data, "release": f"{RELEASES}/light.yml"})]
    folders = [f"--volume={folder}:{folder}:ro" for folder in sorted(FOLDERS)]
    lab_folder = f"--volume={paths.LAB}:{SITE}/.lab:ro"
    command = (*machine.OPTIONS, "--network", "host", *folders, lab_folder, "mlufleet-lab/host:deb")
    engine.docker("rm", "--force", CONTROLLER)
    engine.docker(
        "run", "-d", "--name", CONTROLLER, *command, "sh", "-c", f"{BOOT} exec /sbin/init"
    )
    try:
        until(lambda: run("systemctl is-system-running").stdout.strip() in ("running", "degraded"))
        sources = " ".join(str(paths.SOURCE / name) for name in ("config.py", "deploy.py", "files"))
        told(f"cp -r {sources} {SITE}")
        told(f"mkdir -p {DROP_IN}; cat > {DROP_IN}/source.conf", ENVIRONMENT)
        told(f"cat > {SITE}/hosts.py", f"some = {hosts!r}\n")
        yield
    finally:
        engine.docker("rm", "--force", "--volumes", CONTROLLER)


def run(script: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = ["docker", "exec", "-i", "-w", SITE, CONTROLLER, "sh", "-c", script]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=PATIENCE_S)


def told(script: str, given: str = "") -> str:
    """What a script prints, which has to succeed."""
    done = run(script, given)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def mlufleet(words: str) -> str:
    return f"HOME=/root PYTHONPATH={paths.SOURCE} {sys.executable} -m mlufleet {words}"


def test_the_service_begins_mends_a_host_and_ends(controller: None) -> None:
    told(mlufleet("watch hosts.py --every 10s --listen 127.0.0.1:0 --install"))
    told(f"systemctl enable --now {UNIT}")  # it has said that it is ready
    told(f"systemctl reload {UNIT}")
    lab.run(HOST, "docker kill light")
    # two looks, and a run that takes a lock and writes its journal and report
    until(lambda: "remediation: restart done" in told(f"journalctl -u {UNIT} --output cat"))
    assert lab.run(HOST, "docker inspect --format '{{.State.Running}}' light").strip() == "true"
    assert run("touch x").returncode == 0 and told("ls runs/*/report.json")
    pid = told(f"systemctl show -p MainPID --value {UNIT}").strip()
    assert run(f"nsenter -m -t {pid} touch /srv/x").returncode != 0
    told(f"systemctl stop {UNIT}")
    shown = told(f"systemctl show -p Result,ExecMainStatus,NRestarts {UNIT}").split()
    assert set(shown) == {"Result=success", "ExecMainStatus=0", "NRestarts=0"}
