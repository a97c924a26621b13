"""Driver packages for rpm."""

from pathlib import Path

from tests.lab.drivers.package import Driver, run, write

SUFFIX = ""
FILE = "{package}-{version}-{release}.x86_64.rpm"
LOCATION = "/extra"
FILES = {"90-mlu200-dracut.conf": "etc/dracut.conf.d/90-mlu200-dracut.conf"}


def pack(driver: Driver, scratch: Path, environment: dict[str, str]) -> Path:
    """Build the .rpm.

    Args:
        driver: which one.
        scratch: a directory of its own; `root` in it holds the files to install.
        environment: of the package tool.

    Returns:
        The path of the package.

    Raises:
        LabError: rpmbuild failed.
    """
    spec = scratch / "driver.spec"
    install = driver.render("install.sh").rstrip()
    staged = str(scratch / "root")
    write(spec, driver.render("rpm/driver.spec", INSTALL=install, STAGED=staged))
    command = ("rpmbuild", "-bb", "--quiet", "--target", "x86_64", str(spec))
    run(*command, "--define", f"_topdir {scratch}", environment=environment)
    return scratch / "RPMS" / "x86_64" / driver.file
