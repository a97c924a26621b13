"""The Docker engine that carries the lab: installed and started where it is not there yet."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.lab.steps import LabError, lock, step

PACKAGES = {"docker": "docker.io", "dockerd": "docker.io", "iptables": "iptables"}
LOG = Path("/var/log/mlufleet-lab-dockerd.log")
# the client of Debian has no buildx, and the engine's own builder is enough for one Dockerfile
ENVIRONMENT = {**os.environ, "DOCKER_BUILDKIT": "0"}


def docker(*arguments: str, timeout: float = 600, given: bytes | None = None) -> str:
    """Run the docker client.

    Args:
        arguments: of the docker command.
        timeout: seconds until it is given up.
        given: what its standard input reads; nothing when None.

    Returns:
        Its standard output, stripped.

    Raises:
        LabError: it failed or did not end in time; the message has its last lines.
    """
    command = ["docker", *arguments]
    try:
        done = subprocess.run(
            command, input=given or b"", capture_output=True, timeout=timeout, env=ENVIRONMENT
        )
    except subprocess.TimeoutExpired as expired:
        words = " ".join(arguments[:3])
        raise LabError(f"docker {words} did not end within {timeout:.0f} s") from expired
    if done.returncode:
        said = (done.stdout[-1500:] + done.stderr[-1500:]).decode(errors="replace").strip()
        raise LabError(f"docker {' '.join(arguments[:3])} failed ({done.returncode}):\n{said}")
    return done.stdout.decode(errors="replace").strip()


def answers() -> bool:
    """Whether an engine answers the client on this machine."""
    if not shutil.which("docker"):
        return False
    asked = ["docker", "info", "--format", "{{.ServerVersion}}"]
    try:
        done = subprocess.run(asked, capture_output=True, timeout=20, env=ENVIRONMENT)
    except subprocess.TimeoutExpired:
        return False
    # an old client prints the error of a missing engine and exits 0
    return done.returncode == 0 and bool(done.stdout.strip())


def install(*tools: str, packages: dict[str, str] = PACKAGES) -> None:
    """Install the Debian packages of the tools that are not on the PATH.

    Args:
        tools: names of commands, or paths of files that are none.
        packages: the package that brings each of them.

    Raises:
        LabError: one is missing and cannot be installed.
    """
    missing = sorted({packages[tool] for tool in tools if not shutil.which(tool, os.F_OK)})
    if not missing:
        return
    wanted = " ".join(missing)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise LabError(f"{wanted} is not installed; install it, or run this as root on Debian 12")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    # tests that need no lab may run while one is built, and apt takes one at a time
    with lock("packages", everywhere=True), step(f"install {wanted}"):
        for tried in (["apt-get", "update", "-qq"], command):
            done = subprocess.run(tried, capture_output=True, text=True, env=environment)
            if done.returncode:
                said = (done.stdout + done.stderr)[-1500:]
                raise LabError(f"{' '.join(tried)} failed:\n{said}")


def ensure() -> None:
    """Make a Docker engine answer on this machine.

    Raises:
        LabError: there is none and it cannot be installed or started here.
    """
    if answers():
        return
    with lock("engine", everywhere=True):
        if answers():  # another builder was faster
            return
        install(*PACKAGES)
        if answers():
            return
        if os.geteuid() != 0:
            raise LabError("no Docker engine answers; start it, or run this as root")
        with step("start the Docker engine"):
            start()


def start(patience: float = 60) -> None:
    """Start dockerd in a session of its own, so that it outlives this command.

    Args:
        patience: seconds until it must answer.

    Raises:
        LabError: it ended or stayed silent; the message has the end of its log.
    """
    with open(LOG, "ab") as log:
        daemon = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    end = time.monotonic() + patience
    while daemon.poll() is None and time.monotonic() < end:
        if answers():
            return
        time.sleep(0.5)
    said = LOG.read_text(errors="replace")[-1500:]
    raise LabError(f"dockerd does not answer, see {LOG}:\n{said}")
