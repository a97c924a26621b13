"""Debian's Slurm on a lab host, in a folder of its own: controller, node and munge on one machine.

The packages are unpacked, not installed: nothing of theirs starts by itself, or is left elsewhere.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import engine, hosts, paths
from tests.lab.steps import LabError, lock, step
from tests.runs import wait_on
from tests.waiting import until

PACKAGES = (
    *("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "munge"),
    *("libmunge2", "libhwloc15", "libnuma1"),
)
CHECK = paths.SOURCE / "files/slurm/check-node.sh"
ROOT = "/opt/slurm"
#: as docs/slurm.md has it; the rest is about this one machine
CONFIGURATION = """\
ClusterName=lab
SlurmctldHost={node}
SlurmUser=root
AuthType=auth/munge
PluginDir=/opt/slurm/usr/lib/x86_64-linux-gnu/slurm-wlm
StateSaveLocation=/opt/slurm/state
SlurmdSpoolDir=/opt/slurm/spool
SlurmctldPidFile=/opt/slurm/slurmctld.pid
SlurmdPidFile=/opt/slurm/slurmd.pid
SlurmctldLogFile=/opt/slurm/slurmctld.log
SlurmdLogFile=/opt/slurm/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
Prolog=/opt/slurm/check-node.sh
PrologFlags=Alloc
SchedulerParameters=nohold_on_prolog_fail
NodeName={node} CPUs=1 State=UNKNOWN
PartitionName=lab Nodes=ALL Default=YES State=UP
"""
HEALTH_CHECK = "HealthCheckProgram=/opt/slurm/check-node.sh\nHealthCheckInterval=1\n"
ENVIRONMENT = f"""\
libraries={ROOT}/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$libraries:$libraries/slurm-wlm SLURM_CONF={ROOT}/slurm.conf
export PATH={ROOT}/usr/bin:{ROOT}/usr/sbin:$PATH
"""
#: where a prolog finds it; it needs the libraries of its folder
SCONTROL = f'#!/bin/sh\n{ENVIRONMENT}exec {ROOT}/usr/bin/scontrol "$@"\n'
START = f"""\
mkdir -p {ROOT}/state {ROOT}/spool {ROOT}/munge /run/munge /opt/slurm/bin
chmod 755 /run/munge && chmod 700 {ROOT}/munge && chmod 755 {ROOT}/bin/scontrol
mungekey --create --keyfile {ROOT}/munge/key
munged --key-file {ROOT}/munge/key --log-file {ROOT}/munge/log --pid-file {ROOT}/munge/pid \
  --seed-file {ROOT}/munge/seed
slurmctld-wlm
slurmd-wlm -d {ROOT}/usr/sbin/slurmstepd-wlm
"""
STOP = f"""\
for file in slurmd.pid slurmctld.pid munge/pid; do
  pid=$(cat {ROOT}/$file) || continue
  kill "$pid"; n=0
  while kill -0 "$pid" && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
done 2>/dev/null
rm -rf {ROOT} /run/munge
"""


class Slurm:
    """Slurm on a lab host.

    Attributes:
        host: the host.
    """

    def __init__(self, host: str) -> None:
        self.host = host

    def run(self, script: str) -> str:
        """Run a script with Slurm's commands on the host."""
        return hosts.run(self.host, ENVIRONMENT + script)

    def submit(self) -> str:
        """Submit a job that leaves a file, and return its number."""
        job = f": > {ROOT}/ran.$SLURM_JOB_ID"
        return self.run(f"sbatch --parsable --output /dev/null --wrap '{job}'")

    def wait_for_job(self, job: str) -> None:
        """Wait until a job has run."""
        wait_on(self.host, f"[ -f {ROOT}/ran.{job} ]")

    def has_run(self, job: str) -> bool:
        """Whether a job has run."""
        return hosts.run(self.host, f"ls {ROOT}").split().count(f"ran.{job}") == 1

    def drain_reason(self) -> str:
        """Why the node is drained; "" if it is not."""
        node = self.run("scontrol --oneliner show node")
        if "DRAIN" not in node.partition(" State=")[2].partition(" ")[0]:
            return ""
        return node.partition(" Reason=")[2].rpartition(" [")[0]

    def wait_for_drain(self) -> str:
        """Wait until the node is drained, and return the reason."""
        until(self.drain_reason)
        return self.drain_reason()

    def resume(self, job: str = "") -> None:
        """Let the node take jobs again, and a job that was requeued start now."""
        node = "$(hostname)"
        self.run(f"scontrol update nodename={node} state=resume")
        if job:  # Slurm would wait two minutes
            self.run(f"scontrol update jobid={job} StartTime=now")

    def check_health(self) -> None:
        """Have Slurm check the node's health, every second."""
        configuration = CONFIGURATION + HEALTH_CHECK
        self.configure(configuration)
        self.run("scontrol reconfigure")

    def configure(self, text: str) -> None:
        """Write slurm.conf."""
        node = hosts.run(self.host, "hostname")
        hosts.run(self.host, f"cat > {ROOT}/slurm.conf", given=text.format(node=node))


@contextmanager
def running(host: str) -> Iterator[Slurm]:
    """Slurm on a lab host, whose only node is idle; nothing of it is left.

    Args:
        host: its name.
    """
    slurm = Slurm(host)
    hosts.run(host, STOP, check=False)
    engine.docker("exec", "-i", hosts.PREFIX + host, "tar", "-C", "/", "-x", given=_archive())
    try:
        slurm.configure(CONFIGURATION)
        hosts.run(host, f"mkdir -p {ROOT}/bin; cat > {ROOT}/bin/scontrol", given=SCONTROL)
        hosts.run(host, f"cat > {ROOT}/check-node.sh", given=CHECK.read_text())
        slurm.run(f"chmod 755 {ROOT}/check-node.sh; set -e; {START}")
        until(lambda: "State=IDLE " in slurm.run("scontrol --oneliner show node"))
        yield slurm
    finally:
        hosts.run(host, STOP, check=False)


def _archive() -> bytes:
    """The files of the packages, in their folder; downloaded once."""
    folder = paths.BUILD / "slurm"
    archive = folder / "slurm.tar"
    # apt takes one at a time
    with lock("packages", everywhere=True):
        if not archive.is_file():
            (folder / "root/opt/slurm").mkdir(parents=True, exist_ok=True)
            with step(f"download {', '.join(PACKAGES)}"):
                _call("apt-get", "update", "-qq", folder=folder)
                _call("apt-get", "download", "-qq", *PACKAGES, folder=folder)
            for package in folder.glob("*.deb"):
                _call("dpkg-deb", "-x", package.name, "root/opt/slurm", folder=folder)
            _call("tar", "-C", "root", "-cf", "slurm.part", "opt/slurm/usr", folder=folder)
            (folder / "slurm.part").rename(archive)
        return archive.read_bytes()


def _call(*words: str, folder: Path) -> None:
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise LabError(f"{' '.join(words[:3])} failed:\n{done.stdout[-500:]}{done.stderr[-1000:]}")
