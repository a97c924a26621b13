"""Debian's Prometheus and Alertmanager: unpacked where they are missing, not installed.

Installed packages would start their services, now and with every boot of a developer's machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.lab.steps import LabError, lock, step

#: program -> its package
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}
#: beside the downloads of other checkouts on this machine; an earlier one is used again
FOLDER = Path(tempfile.gettempdir()) / "mlufleet-monitoring"
#: where Debian's Alertmanager looks for its own templates, whatever it is told
TEMPLATES = Path("/usr/share/prometheus/alertmanager")


@cache
def find(name: str) -> str:
    """Return the path of a program, which is unpacked if it is not on the PATH.

    Args:
        name: one of :data:`PACKAGES`.

    Raises:
        LabError: it is missing and cannot be had here.
    """
    if found := shutil.which(name):
        return found
    package = PACKAGES[name]
    program = FOLDER / package / "usr/bin" / name
    with lock(package, everywhere=True):
        if not program.is_file():
            if not shutil.which("apt-get"):
                raise LabError(f"{package} is not installed; install it, or run this on Debian 12")
            unpack(package)
    if package == "prometheus-alertmanager":
        add_templates(FOLDER / package / TEMPLATES.relative_to("/"))
    return str(program)


def unpack(package: str) -> None:
    """Download a package and unpack it; its scripts do not run.

    Args:
        package: name of the Debian package.

    Raises:
        LabError: it cannot be downloaded or unpacked.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as place, step(f"download {package}"):
        if not try_command("apt-get", "download", "-qq", package, cwd=place):
            with lock("packages", everywhere=True):
                run_command("apt-get", "update", "-qq", cwd=place)
            run_command("apt-get", "download", "-qq", package, cwd=place)
        (file,) = Path(place).glob("*.deb")
        run_command("dpkg-deb", "-x", str(file), "root", cwd=place)
        shutil.rmtree(FOLDER / package, ignore_errors=True)
        (Path(place) / "root").rename(FOLDER / package)


def add_templates(source: Path) -> None:
    """Put Alertmanager's templates where it reads them from; the package would replace them.

    Args:
        source: folder of the unpacked package.

    Raises:
        LabError: this user may not.
    """
    for name in ("default.tmpl", "email.tmpl"):
        if not (TEMPLATES / name).is_file():
            if os.geteuid() != 0:
                raise LabError("prometheus-alertmanager is not installed, and this is not root")
            TEMPLATES.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, TEMPLATES)


def try_command(*words: str, cwd: str) -> bool:
    """Return whether a command that may fail succeeds."""
    done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode == 0


def run_command(*words: str, cwd: str) -> None:
    """Run a command that has to succeed.

    Raises:
        LabError: it failed; the message has its last lines.
    """
    done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"{' '.join(words)} failed:\n{(done.stdout + done.stderr)[-1500:]}")
