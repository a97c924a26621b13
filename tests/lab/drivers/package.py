"""One driver package: its names, and the files that it installs on a host."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.lab.steps import LabError

TEMPLATES = Path(__file__).parent / "templates"
# the versions there are, and how each one's monitor fills the column that differs between them
VERSIONS = {
    "5.10.10": {"MODE_TITLE": "SR-IOV", "MODE": "N/A", "SLICE": "VF"},
    "5.10.22": {"MODE_TITLE": "Mode", "MODE": "FULL", "SLICE": "MI"},
}


class Family(Protocol):
    """A package format: deb or rpm."""

    SUFFIX: str  # of the package's name, after the module's
    FILE: str  # the vendor's file name, with {package}, {version} and {release}
    LOCATION: str  # where dkms puts modules, below /lib/modules/<kernel>
    FILES: dict[str, str]  # template -> path on the host, besides those of every family

    def pack(self, driver: "Driver", scratch: Path, environment: dict[str, str]) -> Path: ...


@dataclass(frozen=True)
class Driver:
    """A driver for one operating system (which is part of its name) in one version."""

    system: str
    family: Family
    version: str
    release: str = "1"  # of an rpm

    @property
    def module(self) -> str:
        """What dkms calls it."""
        return f"cambricon-mlu-driver-{self.system}"

    @property
    def package(self) -> str:
        """What dpkg or rpm calls it."""
        return self.module + self.family.SUFFIX

    @property
    def file(self) -> str:
        """What the vendor calls the file."""
        return self.family.FILE.format(
            package=self.package, version=self.version, release=self.release
        )

    def render(self, template: str, **more: str) -> str:
        """A template with its @NAMES@ filled in.

        Args:
            template: its path below templates/.
            more: values besides the driver's own.

        Returns:
            The text.

        Raises:
            KeyError: the template has a name that nobody gave a value.
        """
        values = {
            "MODULE": self.module,
            "PACKAGE": self.package,
            "VERSION": self.version,
            "RELEASE": self.release,
            "LOCATION": self.family.LOCATION,
            **VERSIONS[self.version],
            **more,
        }
        text = (TEMPLATES / template).read_text()
        return re.sub("@([A-Z_]+)@", lambda found: values[found[1]], text)

    def stage(self, root: Path) -> None:
        """Lay out what the package installs.

        Args:
            root: the directory that stands for the host's root; made here.
        """
        source = f"usr/src/{self.module}-{self.version}"
        files = {
            "cnmon": "usr/bin/cnmon",
            "99-cambricon-drv.rules": "etc/udev/rules.d/99-cambricon-drv.rules",
            **self.family.FILES,
            **{
                f"source/{file.name}": f"{source}/{file.name}"
                for file in (TEMPLATES / "source").iterdir()
            },
        }
        for template, place in files.items():
            write(root / place, self.render(template))
        (root / "usr/bin/cnmon").chmod(0o777)  # as the vendor's, which anybody may overwrite


def write(path: Path, text: str) -> None:
    """Write a file with the mode it needs: a script can be run, and nothing hangs on the umask.

    Args:
        path: of the file; directories above it are made.
        text: of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755 if text.startswith("#!") else 0o644)


def run(*command: str, environment: dict[str, str]) -> None:
    """Run a package tool.

    Args:
        command: and its arguments.
        environment: all of its environment.

    Raises:
        LabError: it failed; the message has the end of its output.
    """
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise LabError(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-1500:]}")
