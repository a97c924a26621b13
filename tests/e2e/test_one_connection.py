"""What a run costs a host that is right: counted by the host's sshd and by the kernel."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab import engine
from tests.lab import hosts as lab
from tests.runs import Done, pyinfra
from tests.waiting import PATIENCE_S, until

#: bytes of one look in the log: two commands of sudo, each with three lines of PAM
MAX_LOGGED_LOOK_BYTES = 1200
SUDO_SAYS = "journalctl --quiet --identifier sudo --output cat"
DROP_IN = "/etc/ssh/sshd_config.d/counted.conf"


def processes(host: str, what: str) -> list[str]:
    """Ids, on the lab's machine, of a host's processes whose command line begins so."""
    told = engine.docker("top", lab.PREFIX + host, "-eo", "pid,args")
    lines = [line.split(None, 1) for line in told.splitlines()[1:]]
    return [pid for pid, words in lines if words.startswith(what)]


@contextmanager
def traced(host: str, file: Path) -> Iterator[None]:
    """Writes down each program that starts under a host's sshd."""
    engine.install("strace", packages={"strace": "strace"})
    (sshd,) = processes(host, "sshd: /usr/sbin/sshd")
    words = ["strace", "-f", "-qq", "-s", "32", "-e", "trace=execve", "-o", str(file), "-p", sshd]
    tracer = subprocess.Popen(words)
    try:
        status = Path(f"/proc/{sshd}/status")
        until(lambda: f"TracerPid:\t{tracer.pid}" in status.read_text())
        yield
    finally:
        tracer.terminate()
        tracer.wait(PATIENCE_S)


@contextmanager
def told(host: str) -> Iterator[None]:
    """The host's sshd writes down each connection and request; and gives sessions as most do."""
    reload = "systemctl reload ssh"
    lab.run(host, f"printf 'LogLevel DEBUG1\\nMaxSessions 10\\n' > {DROP_IN} && {reload}")
    try:
        yield
    finally:
        lab.run(host, f"rm {DROP_IN} && {reload}")


def requests(lines: list[str]) -> list[str]:
    """What was asked on the sessions: exec, subsystem, shell …"""
    asked = r"server_input_channel_req: .* request (\S+) reply"
    return re.findall(asked, "\n".join(lines))


# sudo asks for no password of u1604's root; what c7's operator answers it has a session of its own
@pytest.mark.parametrize(("host", "commands"), [("u1604", 1), ("c7", 2)])
def test_a_host_that_is_right_costs_one_connection_and_one_command(
    provisioned: Done, host: str, commands: int, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    # docker may have been restarted since the smoke test
    assert pyinfra("-y", "--limit", host, "--data", "smoke=record").status == 0
    with told(host):
        place = lab.heard(host)
        with traced(host, trace):
            done = pyinfra("-y", "--limit", host)
        lines = lab.heard_since(host, place)
    logged = lab.run(host, f"{SUDO_SAYS} --after-cursor '{place}'")
    assert ("COMMAND=" in logged) is (commands == 2), logged
    assert len(logged) < MAX_LOGGED_LOOK_BYTES
    assert done.status == 0 and done.statuses() == {host: "ok"}
    for once in ("Accepted publickey", "Connection from"):
        assert len([line for line in lines if line.startswith(once)]) == 1
    assert requests(lines) == ["exec"] * commands
    # sshd gives the command to the login shell, as the user's entry names it
    begins = r'execve\("/bin/bash", \["bash", "-c", "sh -c .*= 0$'
    started = re.findall(begins, trace.read_text(), re.M)
    assert len(started) == commands, started
    # for images and for the container; the daemon's version is known since the verdict was placed
    clients = re.findall(r'execve\("/usr/lib/mlu-lab/real/docker", .*= 0$', trace.read_text(), re.M)
    assert len(clients) == 2, clients
