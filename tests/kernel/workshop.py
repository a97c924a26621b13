"""The disk of the host as a container: its dpkg, dkms, compiler and headers, at full speed.

The kernel is this machine's, so no module is loaded: for what happens before that.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from operations.host.scripts import script_text
from tests.kernel import host
from tests.kernel.host import PACKAGE
from tests.lab import engine, hosts, paths
from tests.lab.vm import disk

NAME = f"{hosts.PREFIX}workshop"
ARTIFACTS = "/var/lib/mlufleet/artifacts"
#: says that the kernel of the disk runs
UNAME = """mv /bin/uname /bin/uname.real && cat > /bin/uname <<'UNAME' && chmod 755 /bin/uname
#!/bin/sh
[ "${1:-}" = -r ] && echo @KERNEL@ || exec /bin/uname.real "$@"
UNAME
sed -i 's/^ID=.*/ID=ubuntu/' /etc/os-release"""


@contextmanager
def opened() -> Iterator[None]:
    """A container of its own, with both driver packages where a run puts them."""
    engine.docker("run", "-d", "--network", "none", "--name", NAME, disk.IMAGE, "sleep", "infinity")
    try:
        run(f"mkdir -p {ARTIFACTS}; {UNAME.replace('@KERNEL@', disk.kernel())}")
        for version in ("5.10.10", "5.10.22"):
            engine.docker("cp", str(paths.STORE / file(version)), f"{NAME}:{ARTIFACTS}/")
        yield
    finally:
        engine.docker("rm", "--force", NAME)


def header() -> str:
    """One of the kernel's headers that the driver needs."""
    common = disk.kernel().replace("cloud-amd64", "common")
    return f"/usr/src/linux-headers-{common}/include/linux/miscdevice.h"


def file(version: str) -> str:
    return f"{PACKAGE}_{version}_amd64.deb"


def run(script: str) -> str:
    """A shell script in there. Returns what it printed, stripped."""
    return engine.docker("exec", NAME, "sh", "-c", script)


def install(version: str) -> subprocess.Popen[str]:
    """The tool's own steps, as they run on a host."""
    tried, installed = (script_text(f"{step}-driver") for step in ("try", "install"))
    return step(
        f"(\n{tried}\n) || exit 1\n{installed}",
        PACKAGE,
        version,
        f"{ARTIFACTS}/{file(version)}",
        "60",
    )


def install_headers() -> subprocess.Popen[str]:
    """The same for headers, with what a release's folder holds."""
    engine.docker("cp", f"{disk.HEADERS}/.", f"{NAME}:{ARTIFACTS}/headers/")
    files = [f"{ARTIFACTS}/headers/{file.name}" for file in sorted(disk.HEADERS.iterdir())]
    return step(script_text("install-headers"), disk.kernel(), *files)


def step(text: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["docker", "exec", NAME, "sh", "-c", text, "step", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ends(step: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit status and what it printed."""
    output, _ = step.communicate(timeout=600)
    print(output)
    return step.returncode, output


def status() -> str:
    asked = f"dpkg-query -W -f '${{Status}} ${{Version}}' {PACKAGE} 2>/dev/null || true"
    return run(asked)


def module() -> str:
    """Version of the module that is installed for the kernel, as it says itself."""
    return run(f"strings -n 8 {host.module()} 2>/dev/null | sed -n 's/^Driver Version: v//p'")
