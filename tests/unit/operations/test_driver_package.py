"""What is done around the vendor's package: the site's options, and what a compiler said."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from operations.host.scripts import script_text

PACKAGE = "options cambricon-drv virtcon_en=1\n#options cambricon-drv check_en=0x3\n"
MAKE_LOG = """\
DKMS make.log for cambricon-mlu-driver-ubuntu20.04-5.10.22 for kernel 6.1.0-55-cloud-amd64
  CC [M]  /var/lib/dkms/cambricon-mlu-driver-ubuntu20.04/5.10.22/build/cambricon-drv.o
/var/lib/dkms/x/build/cambricon-drv.c:6:10: fatal error: linux/miscdevice.h: No such file or directory
    6 | #include <linux/miscdevice.h>
compilation terminated.
make[1]: *** [scripts/Makefile.build:250: cambricon-drv.o] Error 1
"""  # noqa: E501


def shell(tmp_path: Path, script: str) -> str:
    """Run a script that uses the shared ones, with its folders below the test's own."""
    text = script_text("lib/driver-package").replace("/etc/modprobe.d", str(tmp_path))
    text = text.replace("state=/var/lib/mlufleet\n", f"state={tmp_path}/state\n")
    text = text.replace("/sys/module/cambricon_drv", str(tmp_path / "not-loaded"))
    (tmp_path / "state").mkdir(exist_ok=True)
    done = subprocess.run(["sh", "-c", f"set -u\n{text}{script}"], capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


def install(tmp_path: Path, before: str, after: str = PACKAGE) -> str:
    options = tmp_path / "cambricon-drv.conf"
    options.write_text(before)
    (tmp_path / "after").write_text(after)
    return shell(tmp_path, f"keep_options; cp {tmp_path}/after {options}; give_options")


@pytest.mark.parametrize("own", ["options cambricon-drv check_en=0\n", "blacklist other\n"])
def test_options_of_the_site_go_on_in_a_file_of_their_own_that_is_read_last(
    tmp_path: Path, own: str
) -> None:
    said = install(tmp_path, PACKAGE + own)
    site = tmp_path / "cambricon-drv.site.conf"
    assert site.read_text() == own
    assert site.name > "cambricon-drv.conf", "modprobe reads them by name; the last one wins"
    (copy,) = (tmp_path / "state/kept").iterdir()
    assert copy.read_text() == PACKAGE + own
    assert said.startswith("kept what was at ") and str(copy) in said and str(site) in said
    assert install(tmp_path, PACKAGE + own) == "", "what goes on already is not told again"
    install(tmp_path, PACKAGE + "options cambricon-drv launch_turbo=1\n")
    assert site.read_text() == own + "options cambricon-drv launch_turbo=1\n"


def test_the_packages_own_options_are_not_taken_for_the_sites(tmp_path: Path) -> None:
    assert install(tmp_path, PACKAGE) == ""
    assert install(tmp_path, "# a remark\n\n" + PACKAGE) == ""
    assert not (tmp_path / "cambricon-drv.site.conf").exists()


def test_what_an_installation_that_was_cut_had_copied_is_still_the_sites(tmp_path: Path) -> None:
    own = "options cambricon-drv check_en=0\n"
    (tmp_path / "cambricon-drv.conf").write_text(PACKAGE + own)
    shell(tmp_path, "keep_options")  # and the power goes, after the package wrote its file
    install(tmp_path, PACKAGE)
    assert (tmp_path / "cambricon-drv.site.conf").read_text() == own


def test_a_build_that_failed_is_told_by_the_compilers_own_line(tmp_path: Path) -> None:
    log = tmp_path / "cambricon-mlu-driver-ubuntu20.04/5.10.22/build/make.log"
    log.parent.mkdir(parents=True)
    log.write_text(MAKE_LOG)
    said = shell(tmp_path, f"build_errors {tmp_path}").splitlines()
    assert "fatal error: linux/miscdevice.h: No such file or directory" in said[0]
    assert not any("#include" in line or "CC [M]" in line for line in said)


@pytest.mark.parametrize(
    ("books", "file", "force"), [(False, False, False), (True, True, False), (True, False, True)]
)
def test_what_dkms_has_in_its_books_and_the_kernel_has_not_is_installed_again(
    tmp_path: Path, books: bool, file: bool, force: bool
) -> None:
    kernel = "5.4.0-42-generic"
    tree = tmp_path / "dkms/cambricon-mlu/5.10.10"
    modules = tmp_path / f"modules/{kernel}/extra"
    for folder in (tree, modules, tmp_path / "bin"):
        folder.mkdir(parents=True)
    if books:
        (tree / kernel / "x86_64/module").mkdir(parents=True)
    if file:
        (modules / "cambricon-drv.ko.xz").touch()
    dkms = tmp_path / "bin/dkms"
    dkms.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/log\n')
    dkms.chmod(0o755)
    script = script_text("build-driver").replace("/var/lib/dkms/", f"{tmp_path}/dkms/")
    script = script.replace("/lib/modules/", f"{tmp_path}/modules/")
    subprocess.run(
        ["sh", "-c", script, "build", "5.10.10", kernel],
        check=True,
        env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"},
    )
    (asked,) = (tmp_path / "log").read_text().splitlines()
    assert asked == f"install -m cambricon-mlu -v 5.10.10 -k {kernel}" + " --force" * force


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ("Key was rejected by service", "SECURE_BOOT"),
        ("Required key not available", "SECURE_BOOT"),
        ("Cannot allocate memory", "MODULE_NOT_LOADED"),
        ("", "MODULE_NOT_LOADED"),
    ],
)
def test_a_module_that_is_refused_for_its_signature_has_a_code_of_its_own(
    tmp_path: Path, says: str, code: str
) -> None:
    for name, does in (
        ("modprobe", f"echo '{says}' >&2; exit 1"),
        ("dmesg", ":"),
        ("udevadm", ":"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    script = script_text("load-driver").replace("/etc/modules", f"{tmp_path}/modules")
    script = script.replace("/sys/module", f"{tmp_path}/sys")
    (tmp_path / "modules-load.d").mkdir()
    done = subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert done.returncode == 1 and f"@@code {code}" in done.stdout.splitlines()
