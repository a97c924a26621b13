"""A host hardened as guides for servers ask: each setting a switch, most of them on at once."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.lab import hosts
from tests.lab.steps import LabError

#: the host of a fleet that has all of TOGETHER from its beginning
HOST = "c7"
SSHD = "/etc/ssh/sshd_config.d"
SCRIPT = "/etc/mlu-lab/hardened.sh"  # of mounts, which a boot forgets
UNIT = f"""[Unit]
Description=Mounts of a hardened host
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/sh {SCRIPT}
[Install]
WantedBy=sysinit.target
"""


@dataclass(frozen=True)
class Switch:
    """A setting of a host.

    Args:
        file: what says it, as a file of its own.
        text: of that file.
        then: makes it take effect.
    """

    file: str
    text: str
    then: str = ""


def sudoers(text: str) -> Switch:
    return Switch("/etc/sudoers.d/{name}", text, "chmod 440 /etc/sudoers.d/{name}")


def sshd(text: str, before: str = "") -> Switch:
    """Of what several files say, sshd takes what it reads first."""
    return Switch(f"{SSHD}/{before}{{name}}.conf", text, "systemctl reload ssh")


#: all of these at once leave a host that can be provisioned
TOGETHER = {
    "requiretty": sudoers("Defaults requiretty, use_pty"),
    "asks-always": sudoers("Defaults timestamp_timeout=0, lecture=always, insults, passwd_tries=1"),
    "one-session": sshd("MaxSessions 1"),
    "narrow-ssh": sshd(
        "AllowTcpForwarding no\nAllowAgentForwarding no\nX11Forwarding no\nPermitTTY no\n"
        "PermitRootLogin no\nMaxAuthTries 3\nLoginGraceTime 60\nClientAliveInterval 15\n"
        "ClientAliveCountMax 3\nBanner /etc/issue\n"
        "KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org\n"
        "Ciphers aes256-ctr\nMACs hmac-sha2-256-etm@openssh.com\n"
        "Subsystem sftp /bin/false"
    ),
    "noexec": Switch(
        SCRIPT,
        "for place in /tmp /var/tmp; do\n"
        "  mount -t tmpfs -o nosuid,nodev,noexec,mode=1777 tmpfs $place\n"
        "done\n"
        "mount --bind /home /home && mount -o remount,bind,nosuid,nodev,noexec /home\n"
        "mount -o remount,nosuid,nodev,noexec /dev/shm\n"
        "mount -o remount,hidepid=2 /proc\n",
        "sh {file}; systemctl enable -q mlu-lab-hardened",
    ),
    "docker": Switch(
        "/etc/docker/daemon.json",
        '{"no-new-privileges": true, "live-restore": true, "userland-proxy": false}\n',
        "systemctl restart docker",
    ),
    "language": Switch(
        "/etc/environment", "LANG=zh_CN.UTF-8\nLC_ALL=zh_CN.UTF-8\nLANGUAGE=zh_CN\nTMOUT=300\n"
    ),
}
#: each of these alone
ALONE = {
    "two-sessions": sshd("MaxSessions 2", "0-"),
    "no-session": sshd("MaxSessions 0", "0-"),
    "other-algorithms": sshd("KexAlgorithms sntrup761x25519-sha512@openssh.com", "0-"),
}
SWITCHES = TOGETHER | ALONE


def put(host: str, name: str) -> None:
    """Switch one of them on.

    Args:
        host: its name.
        name: a key of SWITCHES.

    Raises:
        LabError: the host refuses.
    """
    switch = SWITCHES[name]
    file = switch.file.format(name=name)
    hosts.run(host, f"mkdir -p $(dirname {file}); cat > {file}", given=f"{switch.text}\n")
    hosts.run(host, switch.then.format(name=name, file=file))


@contextmanager
def switched(host: str, *names: str) -> Iterator[None]:
    """While it lasts, a host has these settings that are one file each."""
    with ExitStack() as stack:
        for name in names:
            file = SWITCHES[name].file.format(name=name)
            then = SWITCHES[name].then.format(name=name, file="/dev/null")
            stack.callback(hosts.run, host, f"rm -f {file}; {'' if 'chmod' in then else then}")
            put(host, name)
        yield


def harden(host: str, user: str) -> None:
    """Make a host a hardened one, for good.

    Args:
        host: its name; it has booted, and nobody is logged in.
        user: who logs in to it; its shell's own file makes noise and takes rights away.

    Raises:
        LabError: a setting does not take effect.
    """
    unit = "/etc/systemd/system/mlu-lab-hardened.service"
    hosts.run(host, f"cat > {unit}", given=UNIT)
    hosts.run(host, "sed -i '/^Subsystem/d' /etc/ssh/sshd_config")
    home = hosts.run(host, f"getent passwd {user} | cut -d: -f6")
    hosts.run(host, f"cat >> {home}/.bashrc", given="umask 077\nmesg n\nset -o noclobber\n")
    for name in TOGETHER:
        put(host, name)
    held = hosts.run(
        host, "sshd -T | grep ^maxs; findmnt -no OPTIONS /tmp; sudo -l; :", check=False
    )
    for sign in ("maxsessions 1", "noexec", "you must have a tty"):
        if sign not in held:
            raise LabError(f"{host} is not hardened, {sign} is missing: {held}")
