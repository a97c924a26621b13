"""Making one host: a container that boots like a server, and the files that tell it who it is."""

import contextlib
import io
import secrets
import socket
import subprocess
import tarfile
import time
from pathlib import Path

from tests.lab import engine, hardened, hosts, paths
from tests.lab.fleet import FIRST_PORT, Host, Kind
from tests.lab.steps import LabError
from tests.waiting import PATIENCE_S

# as good as --privileged on machines that lack CAP_SYS_RESOURCE themselves; the engine inside
# needs the cgroups, and systemd its own /run. A parent of their own keeps the word "docker" out of
# the cgroups of what runs on a host outside of its containers.
OPTIONS = (
    *("--restart", "always", "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--security-opt", "systempaths=unconfined", "--device-cgroup-rule", "a *:* rwm"),
    *("--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "-v", "/var/lib/docker"),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "-e", "container=docker"),
    *("--stop-signal", "SIGRTMIN+3", "--cgroup-parent", "/mlulab"),
)
#: file of a control group -> what makes all hosts, with the containers on them, weigh as eight
#: processes; by default they weigh together as much as a single one that runs beside them
CPU_WEIGHTS = {"/sys/fs/cgroup/cpu/{}/cpu.shares": 8 * 1024, "/sys/fs/cgroup/{}/cpu.weight": 800}
#: what the engine says of a port that it has not given back; once that took more than half a minute
PORT_IN_USE = "port is already allocated"
BANNER = "echo '*** Authorized users only. All activity is logged. ***'\n"


def create(host: Host, image: str, port: int) -> None:
    """Create a host and wait until it has booted and lets its user in.

    Args:
        host: what to create.
        image: reference of the host image.
        port: of 127.0.0.1 that leads to its SSH.

    Raises:
        LabError: it cannot be created or does not boot.
    """
    name = hosts.PREFIX + host.name
    engine.docker(
        "create",
        *OPTIONS,
        "--name",
        name,
        "--hostname",
        host.name,
        "--label",
        f"mlulab.kind={host.kind.name}",
        "-p",
        f"127.0.0.1:{port}:22",
        image,
    )
    engine.docker("cp", "-", f"{name}:/", given=archive(host.kind))
    start(name)
    weigh_hosts()
    hosts.settled(host.name)
    admit(host)


def start(container: str) -> None:
    """Start a container, if need be once the engine has given back the port of the one before it.

    It does so some time after that was removed, if it was busy.

    Args:
        container: its name.

    Raises:
        LabError: it cannot be started, or its port is in use.
    """
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            engine.docker("start", container)
            return
        except LabError as error:
            if PORT_IN_USE not in str(error) or time.monotonic() > end:
                raise
        time.sleep(1)


def weigh_hosts() -> None:
    """Give the hosts of all labs their share of the processor, where the kernel lets us."""
    for pattern, weight in CPU_WEIGHTS.items():
        for group in ("mlulab", "docker"):
            file = Path(pattern.format(group))
            if file.exists():
                with contextlib.suppress(OSError):
                    file.write_text(str(weight))


def archive(kind: Kind) -> bytes:
    """The files that make a host the one of its kind, as a tar."""
    files = {**kind.identity, "etc/mlu-lab/cards": "".join(f"{card}\n" for card in kind.cards)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def admit(host: Host) -> None:
    """Let the host's user in by the lab's key; a user that is not root gets a password for sudo.

    Args:
        host: which has booted.

    Raises:
        LabError: the host refuses.
    """
    key = paths.SSH_KEY.with_suffix(".pub").read_text()
    user, home = host.kind.user, "/root"
    if user != "root":
        home = f"/home/{user}"
        # sudo's path is the one of its system: without /usr/local
        sudo = f"Defaults secure_path=/sbin:/bin:/usr/sbin:/usr/bin\n{user} ALL=(ALL) ALL\n"
        hosts.run(host.name, f"id {user} 2>/dev/null || useradd -N -m -s /bin/bash {user}")
        hosts.run(host.name, "cat > /etc/sudoers.d/lab; chmod 440 /etc/sudoers.d/lab", given=sudo)
        hosts.run(host.name, "chpasswd", given=f"{user}:{password(host.name)}\n")
        rc = f"cat - {home}/.bashrc > /tmp/rc; cat /tmp/rc > {home}/.bashrc; rm /tmp/rc"
        hosts.run(host.name, rc, given=BANNER)
    if host.name == hardened.HOST:
        hardened.harden(host.name, user)
    hosts.run(
        host.name,
        f"umask 077; mkdir -p {home}/.ssh; cat > {home}/.ssh/authorized_keys; "
        f"chown -R {user} {home}/.ssh",
        given=key,
    )


def admits(name: str) -> bool:
    """Whether a host is whole: its user has the lab's key, which is the last thing it gets.

    Args:
        name: of the host.
    """
    key = paths.SSH_KEY.with_suffix(".pub").read_text().strip()
    given = "cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys"
    return key in hosts.run(name, given, check=False)


def wake(name: str) -> None:
    """Start a host that is there but down.

    Args:
        name: of the host.

    Raises:
        LabError: it does not boot.
    """
    engine.docker("start", hosts.PREFIX + name)
    hosts.settled(name)


def password_file(name: str) -> Path:
    """Where the sudo password of a host's user lies."""
    return paths.SSH / f"{name}.password"


def password(name: str) -> str:
    """The sudo password of a host's user, made when there is none.

    Args:
        name: of the host.
    """
    file = password_file(name)
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(12) + "\n")
    return file.read_text().strip()


def remove(name: str) -> None:
    """Remove a host with its disk, if it is there."""
    engine.docker("rm", "--force", "--volumes", hosts.PREFIX + name)


def key_pair() -> None:
    """Make the key that the lab logs in with, if there is none.

    Raises:
        LabError: ssh-keygen fails.
    """
    if paths.SSH_KEY.exists():
        return
    engine.install("ssh-keygen", packages={"ssh-keygen": "openssh-client"})
    paths.SSH.mkdir(parents=True, exist_ok=True)
    paths.SSH.chmod(0o700)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab"]
    done = subprocess.run([*command, "-f", str(paths.SSH_KEY)], capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"ssh-keygen failed: {done.stderr.strip()}")


def free_ports(count: int, taken: set[int]) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, from the lab's first port up.

    Args:
        count: of ports.
        taken: ports that belong to hosts already.

    Returns:
        The ports, ascending.

    Raises:
        LabError: there are not enough.
    """
    ports: list[int] = []
    for port in range(FIRST_PORT, FIRST_PORT + 20000):
        if len(ports) == count:
            return ports
        with socket.socket() as tried:
            if port not in taken and tried.connect_ex(("127.0.0.1", port)):
                ports.append(port)
    raise LabError(f"no {count} free ports above {FIRST_PORT}")
