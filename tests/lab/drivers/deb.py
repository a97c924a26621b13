"""Driver packages for dpkg."""

from pathlib import Path

from tests.lab.drivers.package import Driver, run, write

SUFFIX = "-dkms"
FILE = "{package}_{version}_amd64.deb"
LOCATION = "/updates/dkms"
FILES: dict[str, str] = {}


def pack(driver: Driver, scratch: Path, environment: dict[str, str]) -> Path:
    """Build the .deb.

    Args:
        driver: which one.
        scratch: a directory of its own; `root` in it holds the files to install.
        environment: of the package tool.

    Returns:
        The path of the package.

    Raises:
        LabError: dpkg-deb failed.
    """
    root = scratch / "root"
    for script in ("control", "preinst", "postinst", "prerm"):
        install = driver.render("install.sh").rstrip()
        write(root / "DEBIAN" / script, driver.render(f"deb/{script}", INSTALL=install))
    for folder in [root, *root.rglob("*")]:
        if folder.is_dir():
            folder.chmod(0o755)
    file = scratch / driver.file
    # an old dpkg can unpack gzip
    command = ("dpkg-deb", "-Zgzip", "--root-owner-group", "--build", str(root), str(file))
    run(*command, environment=environment)
    return file
