"""The machine around the disk: power, firmware, the console, and the states it is put back into."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.lab import engine, hosts, paths
from tests.lab.steps import LabError
from tests.lab.vm import disk

NAME = "vm"
STATE = disk.PLACE / "state.qcow2"  # what this host has written, and the states that were saved
MONITOR, PID = disk.PLACE / "monitor", disk.PLACE / "pid"
KEY, CERTIFICATE = disk.PLACE / "modules.key", disk.PLACE / "modules.pem"
CONSOLE, PORT = disk.PLACE / "console.log", disk.PLACE / "port"
#: Debian's UEFI with Secure Boot; its variables as on a board that nobody has set up, and with the
#: keys that Debian's boot loader is signed by
OVMF = Path("/usr/share/OVMF")
CODE, EMPTY, KEYS = (
    OVMF / f"OVMF_{name}.fd" for name in ("CODE_4M.secboot", "VARS_4M", "VARS_4M.ms")
)
VARIABLES = disk.PLACE / "variables.qcow2"
TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "ssh": "openssh-client",
    str(CODE): "ovmf",
    "openssl": "openssl",
}
#: whoever enrols the site's key: any number does
OWNER = "b5cc0a8a-8a4f-4b5c-9f4e-6d3f1f6f9c11"
OPTIONS = (
    "-F",
    "none",
    "-i",
    str(paths.SSH_KEY),
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "LogLevel=ERROR",
    "-o",
    "ConnectTimeout=20",
)
#: seconds for a boot under emulation, on a machine that does other work as well
BOOT = 420
#: the emulated processor is one chain of work, and the limits of the host's own programs run out
#: where it gets a small part of a real one: it weighs as much as all the lab's containers together
NICE = "-10"


def running() -> bool:
    """Whether the machine has power."""
    try:
        pid = int(PID.read_text())
        return b"qemu-system" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False


def blank() -> None:
    """Give the machine the disk as it was built; what was written and saved is gone."""
    power_off()
    engine.install(*TOOLS, packages=TOOLS)
    _call("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(disk.DISK), str(STATE))
    _call("qemu-img", "create", "-q", "-f", "qcow2", str(VARIABLES), str(EMPTY.stat().st_size))
    set_up(secure=False)


def set_up(secure: bool) -> None:
    """Cut the power and set the firmware up; the site's signing key is enrolled, as by mokutil.

    Args:
        secure: whether Secure Boot is on from the next boot on.

    Raises:
        LabError: a tool is missing or fails.
    """
    power_off()
    if not CERTIFICATE.exists():
        make_key(KEY, CERTIFICATE, "site's kernel modules")
    raw = VARIABLES.with_suffix(".fd")
    variables, more = (KEYS, ["--secure-boot"]) if secure else (EMPTY, [])
    _call(
        sys.executable,
        "-m",
        "virt.firmware.vars",
        "-i",
        str(variables),
        "-o",
        str(raw),
        "--add-mok",
        OWNER,
        str(CERTIFICATE),
        *more,
    )
    # into what is there: states that were saved keep the variables of their time
    _call("qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", str(raw), str(VARIABLES))


def make_key(private: Path, certificate: Path, name: str) -> None:
    """Make a key for kernel modules, and a certificate in its name.

    Raises:
        LabError: openssl is missing or fails.
    """
    _call(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "3650",
        "-subj",
        f"/CN={name}/",
        "-addext",
        "extendedKeyUsage=codeSigning",
        "-keyout",
        str(private),
        "-out",
        str(certificate),
    )


def power_on(state: str = "", wait: bool = True) -> None:
    """Give the machine power.

    Args:
        state: a saved one to go on from; without one it boots.
        wait: whether to return only when it lets us in.
    """
    if not running():
        _start(state)
    if wait:
        answering(BOOT)


def _start(state: str) -> None:
    CONSOLE.unlink(missing_ok=True)
    forward = f"hostfwd=tcp:127.0.0.1:{port()}-:22"
    # restricted: the host reaches nobody, so what it lacks has to come from the controller
    _call(
        *("nice", "-n", NICE),
        "qemu-system-x86_64",
        "-M",
        "q35,smm=on",
        "-accel",
        "tcg,thread=multi",
        # what "max" has beyond it is emulated at a higher price
        "-cpu",
        "Nehalem",
        "-m",
        "1536",
        # a second one costs a fifth more of the machine's time for the same work
        "-smp",
        "1",
        "-display",
        "none",
        "-serial",
        f"file:{CONSOLE}",
        # Secure Boot: only the firmware itself may write its variables
        "-global",
        "driver=cfi.pflash01,property=secure,value=on",
        "-drive",
        f"if=pflash,unit=0,format=raw,readonly=on,file={CODE}",
        "-drive",
        f"if=pflash,unit=1,format=qcow2,file={VARIABLES}",
        "-drive",
        f"file={disk.LOADER},if=none,id=loader,format=raw,read-only=on",
        "-device",
        "virtio-blk-pci,drive=loader,bootindex=1",
        "-drive",
        f"file={STATE},if=none,id=disk,format=qcow2,cache=unsafe",
        "-device",
        "virtio-blk-pci,drive=disk,bootindex=2",
        "-netdev",
        f"user,id=net,restrict=on,{forward}",
        "-device",
        "virtio-net-pci,netdev=net",
        "-monitor",
        f"unix:{MONITOR},server,nowait",
        "-pidfile",
        str(PID),
        "-daemonize",
        *(["-loadvm", state] if state else []),
    )
    # a kernel that weighs sessions against each other looks at this one's number instead
    with contextlib.suppress(OSError):
        Path(f"/proc/{PID.read_text().strip()}/autogroup").write_text(NICE)


def power_off() -> None:
    """Cut the power: nothing on the host is told, and it stays off."""
    # qemu itself ends in order: its books of the disk must not be half written
    with contextlib.suppress(LabError, OSError):
        monitor("quit", timeout=20)
    end = time.monotonic() + 20
    while running():
        if time.monotonic() > end:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(PID.read_text()), signal.SIGKILL)
        time.sleep(0.1)


def save(state: str) -> None:
    """Keep the machine as it is now, with its memory."""
    monitor(f"savevm {state}")


def saved() -> set[str]:
    """Names of the states that are kept."""
    if not STATE.exists():
        return set()
    listed = _call("qemu-img", "snapshot", "-U", "-l", str(STATE)).splitlines()[2:]
    return {line.split()[1] for line in listed}


def restore(state: str) -> None:
    """Put the machine back into a state that was saved; its clock is set."""
    if running():
        monitor(f"loadvm {state}")
    else:
        _start(state)
    answering(120)
    run(f"date -s @{int(time.time())}")


def monitor(command: str, timeout: float = 180) -> str:
    """Say something to qemu. Returns what it answers.

    Raises:
        LabError: it refuses, or does not answer.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(timeout)
        line.connect(str(MONITOR))
        said = b""
        for words in (None, command):
            if words:
                line.sendall(words.encode() + b"\n")
                said = b""
            while not said.endswith(b"(qemu) "):
                got = line.recv(4096)
                if not got:
                    raise LabError(f"qemu ended at {command}")
                said += got
    answer = said.decode(errors="replace").split("\n", 1)[-1].removesuffix("(qemu) ").strip()
    if "Error" in answer:
        raise LabError(f"{command}: {answer}")
    return answer


def run(script: str, *, check: bool = True, timeout: float = 120, given: str = "") -> str:
    """Run a shell script as root on the host. Returns what it printed, stripped.

    Raises:
        LabError: it failed and check is on, or it did not end in time.
    """
    command = ["ssh", "-p", str(port()), *OPTIONS, "root@127.0.0.1", script]
    return hosts.ended(NAME, command, script, check=check, timeout=timeout, given=given)


def put(file: Path, place: str) -> None:
    """Copy a file of this machine to a place on the host.

    Raises:
        LabError: it could not be copied.
    """
    _call("scp", "-q", "-P", str(port()), *OPTIONS, str(file), f"root@127.0.0.1:{place}")


def boot() -> str:
    """The identity of the host's boot."""
    return run("cat /proc/sys/kernel/random/boot_id")


def answering(timeout: float, other: str = "") -> None:
    """Wait until the host has booted and lets us in.

    Args:
        timeout: seconds until it is given up.
        other: a boot that does not count.
    """
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with contextlib.suppress(LabError):
            said = run(
                "cat /proc/sys/kernel/random/boot_id; systemctl is-system-running || true",
                timeout=60,
            ).split()
            if said[0] != other and said[-1] in ("running", "degraded"):
                return
        time.sleep(1)
    tail = CONSOLE.read_text(errors="replace")[-1500:] if CONSOLE.exists() else ""
    raise LabError(f"{NAME} has not booted within {timeout:.0f} s:\n{tail}")


def port() -> int:
    """The port of 127.0.0.1 that leads to its SSH; the same for as long as the lab lives."""
    if not PORT.exists():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            PORT.write_text(str(free.getsockname()[1]))
    return int(PORT.read_text())


def remove() -> None:
    """Switch it off for good; its disk and its states go."""
    power_off()
    shutil.rmtree(disk.PLACE, ignore_errors=True)


def _call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"{command[0]} failed: {(done.stdout + done.stderr).strip()[-1000:]}")
    return done.stdout
