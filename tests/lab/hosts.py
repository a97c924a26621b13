"""What tests do to the hosts of the lab: not over SSH, as a hand at the server would."""

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tests.lab import engine
from tests.lab.steps import LabError
from tests.waiting import PATIENCE_S

PREFIX = os.environ.get("LAB_PREFIX", "mlulab-")  # another one is another lab on this machine
# what a host writes by itself while nobody asks it to change: scratch, logs, books of the system
RESTLESS = ("/run", "/tmp", "/var/tmp", "/var/log", "/var/lib/systemd", "/var/lib/sudo")

# not by its unit: the journal looks that up by the process, and sshd's may have ended by then
SSHD_SAYS = "journalctl --quiet --identifier sshd --output cat"


#: a shell that joins the control groups whose files are named up to `--`, and becomes what follows
JOIN = ("sh", "-c", 'while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; exec "$@"', "sh")
#: on a host as a hand at the server is: with its files, names, network and processes, and with the
#: capabilities that machine.OPTIONS leave
ENTER = (
    *("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    *("HOME=/root", "container=docker", "setpriv", "--bounding-set", "-sys_resource"),
    *("nsenter", "--mount", "--uts", "--ipc", "--net", "--pid", "--target"),
)


@dataclass(frozen=True)
class FirstProcess:
    """The first process of a host, as this machine knows it.

    Attributes:
        number: of the process.
        start: of it, in clock ticks since this machine's boot.
        groups: files that take processes into its control groups.
    """

    number: int
    start: str
    groups: tuple[str, ...]


_first_processes: dict[str, FirstProcess] = {}


@dataclass(frozen=True)
class Found:
    """A host as the engine knows it: its kind, image id, state, and SSH port of 127.0.0.1."""

    kind: str
    image: str
    state: str
    port: int


def found() -> dict[str, Found]:
    """The hosts that there are, by name, in the order of their ports."""
    hosts = {
        name.removeprefix(PREFIX): host for name, host in everywhere(f"name=^/?{PREFIX}").items()
    }
    return dict(sorted(hosts.items(), key=lambda item: item[1].port))


def everywhere(*filters: str) -> dict[str, Found]:
    """The hosts of all labs on this machine, by the names of their containers.

    Args:
        filters: of `docker ps`, which the hosts pass.
    """
    chosen = [word for one in ("label=mlulab.kind", *filters) for word in ("--filter", one)]
    ids = engine.docker("ps", "-aq", "--no-trunc", *chosen).split()
    return {
        one["Name"].removeprefix("/"): Found(
            kind=one["Config"]["Labels"]["mlulab.kind"],
            image=one["Image"],
            state=one["State"]["Status"],
            port=int(one["HostConfig"]["PortBindings"]["22/tcp"][0]["HostPort"]),
        )
        for one in inspect(ids)
    }


def inspect(ids: list[str]) -> list[dict[str, Any]]:
    """What the engine knows of containers, but of those that have gone meanwhile."""
    try:
        said = engine.docker("inspect", "--type", "container", *ids) if ids else "[]"
    except LabError:
        if len(ids) == 1:
            return []
        # another lab has removed one of its hosts
        return [one for each in ids for one in inspect([each])]
    containers: list[dict[str, Any]] = json.loads(said)
    return containers


def address(host: str) -> str:
    """Where a host is on the engine's own network.

    Args:
        host: its name.

    Returns:
        Its IPv4 address.
    """
    shown = "{{.NetworkSettings.IPAddress}}"
    return engine.docker("inspect", "-f", shown, PREFIX + host)


def enter(host: str, *command: str) -> list[str]:
    """What runs a command as root on a host.

    Entering takes 4 ms of CPU, `docker exec` 100 ms, and a lane does it thousands of times.

    Args:
        host: its name.
        command: runs with the standard streams of what is returned.

    Returns:
        A command for this machine; `docker exec` where the host's processes are not this
        machine's or belong to somebody else, and for a host that is off, to say so.
    """
    if process := _find_first_process(host):
        return [*JOIN, *process.groups, "--", *ENTER, str(process.number), *command]
    return ["docker", "exec", "-i", PREFIX + host, *command]


def _find_first_process(host: str) -> FirstProcess | None:
    """Return a host's first process; None if it cannot be entered."""
    process = _first_processes.pop(host, None)
    if process is None or _start_of(process.number) != process.start:
        process = None if os.geteuid() else _inspect_first_process(host)
    if process:
        _first_processes[host] = process
    return process


def _inspect_first_process(host: str) -> FirstProcess | None:
    with suppress(LabError, OSError):
        shown = engine.docker("inspect", "-f", "{{.State.Pid}} {{.Id}}", PREFIX + host)
        number, container = int(shown.split()[0]), shown.split()[1]
        lines = Path(f"/proc/{number}/cgroup").read_text().splitlines() if number else []
        # an engine on another machine has other processes
        if any(container in line for line in lines):
            return FirstProcess(number, _start_of(number), tuple(_list_groups(lines)))
    return None


def _list_groups(lines: list[str]) -> Iterator[str]:
    """Yield the files that take processes into control groups, as /proc/PID/cgroup names these."""
    root = Path("/sys/fs/cgroup")
    for line in lines:
        _number, controllers, path = line.split(":", 2)
        mounts = (root / controllers.removeprefix("name="), root / "unified", root)
        files = (mount / path.lstrip("/") / "cgroup.procs" for mount in mounts)
        yield from map(str, islice(filter(Path.exists, files), 1))


def _start_of(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def run(
    host: str,
    script: str,
    *,
    check: bool = True,
    timeout: float = PATIENCE_S,
    given: str | None = None,
) -> str:
    """Run a shell script as root on a host.

    Args:
        host: its name, as in the inventory.
        script: for sh.
        check: whether a failure is an error.
        timeout: seconds until it is given up.
        given: what its standard input reads.

    Returns:
        Its standard output, stripped; with its standard error after it when check is off.

    Raises:
        LabError: it failed and check is on, or it did not end in time.
    """
    command = enter(host, "sh", "-c", script)
    return ended(host, command, script, check=check, timeout=timeout, given=given)


def ended(
    host: str, command: list[str], script: str, *, check: bool, timeout: float, given: str | None
) -> str:
    """What a command that runs a script on a host came to, as :func:`run` has it."""
    try:
        done = subprocess.run(
            command, input=given or "", capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired as expired:
        raise LabError(f"{host}: no end within {timeout:.0f} s: {script}") from expired
    if not check:
        return (done.stdout + done.stderr).strip()
    if done.returncode:
        said = (done.stdout[-1500:] + done.stderr[-1500:]).strip()
        raise LabError(f"{host}: {script} exited {done.returncode}:\n{said}")
    return done.stdout.strip()


def heard(host: str) -> str:
    """A place in the log of a host's sshd: what it says from now on comes after it.

    Lines are not counted from the beginning, as the journal forgets its oldest files meanwhile.
    """
    return run(host, f"{SSHD_SAYS} --lines 0 --show-cursor | sed -n 's/^-- cursor: //p'")


def heard_since(host: str, place: str, begins: str = "") -> list[str]:
    """What a host's sshd has said since such a place, a line an item.

    Args:
        host: its name.
        place: as :func:`heard` gave it.
        begins: what the lines that are asked for begin with.
    """
    lines = run(host, f"{SSHD_SAYS} --after-cursor '{place}'").splitlines()
    return [line for line in lines if line.startswith(begins)]


def boot(host: str) -> str:
    """The identity of a host's boot: its first process's start, which differs after a reboot."""
    return run(host, "sed 's/.*) //' /proc/1/stat | cut -d' ' -f20")


def settled(host: str, timeout: float = PATIENCE_S) -> None:
    """Wait until a host has booted.

    Args:
        host: its name.
        timeout: seconds until it is given up.

    Raises:
        LabError: it has not booted in time; the message has what systemd says.
    """
    end = time.monotonic() + timeout
    state = ""
    while time.monotonic() < end:
        state = run(host, "systemctl is-system-running", check=False)
        if state in ("running", "degraded"):
            return
        time.sleep(0.5)
    units = run(host, "systemctl list-jobs --no-pager", check=False)
    raise LabError(f"{host} has not booted within {timeout:.0f} s: {state}\n{units}")


def reboot(host: str, timeout: float = PATIENCE_S) -> None:
    """Reboot a host and wait until it is back.

    Args:
        host: its name.
        timeout: seconds until it is given up.

    Raises:
        LabError: it is not back in time, or never went down.
    """
    before = boot(host)
    run(host, "systemctl reboot", check=False)
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        time.sleep(0.5)
        now = run(host, "sed 's/.*) //' /proc/1/stat | cut -d' ' -f20", check=False)
        if now.isdecimal() and now != before:
            settled(host, end - time.monotonic())
            return
    raise LabError(f"{host} has not rebooted within {timeout:.0f} s")


def power_off(host: str) -> None:
    """Cut a host's power: nothing on it is told, and it stays off."""
    engine.docker("kill", PREFIX + host)


def power_on(host: str) -> None:
    """Give a host its power back and wait until it has booted."""
    engine.docker("start", PREFIX + host)
    settled(host)


def stays_off(host: str, off: bool) -> None:
    """Whether a host that goes down for a reboot does not come back by itself."""
    engine.docker("update", "--restart", "no" if off else "always", PREFIX + host)


def listing(host: str) -> str:
    """Every file of a host's disk with all that a write would change, and its engine's contents.

    Args:
        host: its name.

    Returns:
        A line a file (path, type, mode, owner, size, inode, time of the last change), sorted, then
        the images and containers; to be compared, or to see in a diff what was written.
    """
    skipped = " -o ".join(f"-path {path}" for path in RESTLESS)
    return run(
        host,
        rf"find / -xdev \( {skipped} \) -prune -o -printf '%p %y %m %U:%G %s %i %C@ %l\n' |"
        " LC_ALL=C sort; docker image ls -a --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}';"
        " docker ps -a --no-trunc --format '{{.ID}} {{.Image}} {{.State}}'",
    )


def files(host: str) -> str:
    """A digest of a host's listing: equal before and after means that nothing was written.

    Args:
        host: its name.

    Returns:
        64 hexadecimal digits.
    """
    return hashlib.sha256(listing(host).encode()).hexdigest()


#: what any use of a package manager, docker, sudo or a log changes, and no removal could put back:
#: logs and caches, the package managers' own databases (the packages themselves are compared), the
#: backups of user databases, and the databases of an engine that was there before
USED = (
    *RESTLESS,
    "/var/cache",
    "/var/lib/apt",
    "/var/lib/dnf",
    "/var/lib/dpkg/status-old",
    "/root/.rpmdb",
    "/etc/group-",
    "/etc/gshadow-",
    "/var/lib/containerd",
    "/var/lib/docker",
)


def contents(host: str) -> str:
    """Every file of a host's disk with its bytes, rights and owner, and its packages.

    Args:
        host: its name.

    Returns:
        A line a file without :data:`USED`, then one a package, to be compared.
    """
    skipped = " -o ".join(f"-path {path}" for path in USED)
    return run(
        host,
        rf"find / -xdev \( {skipped} \) -prune -o -printf '%p %y %m %U:%G %l\n' | LC_ALL=C sort;"
        rf" find / -xdev \( {skipped} \) -prune -o -type f -print0 | LC_ALL=C sort -z |"
        " xargs -0 sha256sum; { dpkg-query -W -f '${binary:Package} ${Version} ${Status}\\n';"
        " rpm -qa; } 2>/dev/null | LC_ALL=C sort",
    )
