"""Which kernel boots next, and which kernels have a driver, as the probe's script reads it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fleet.release.target import ReleaseTarget
from operations import driver
from operations.host.scripts import read_script
from tests.unit.conftest import DRIVEN, probe
from tests.unit.operations.stage_helpers import plan_words

OLD, MID, NEW = "5.4.0-42-generic", "5.15.0-9-generic", "6.5.0-1-generic"
#: as update-grub writes it: the newest first, then all of them in a menu of their own
MENU = """\
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="@DEFAULT@"
fi
function gfxmode {
	set gfxpayload="${1}"
}
menuentry 'Ubuntu' --class os $menuentry_id_option 'gnulinux-simple-77' {
	linux	/boot/vmlinuz-6.5.0-1-generic root=UUID=77 ro
	initrd	/boot/initrd.img-6.5.0-1-generic
}
submenu 'Advanced options for Ubuntu' $menuentry_id_option 'gnulinux-advanced-77' {
	menuentry 'Ubuntu, with Linux 6.5.0-1-generic' $menuentry_id_option 'gnulinux-6.5.0-1-generic-advanced-77' {
		linux	/boot/vmlinuz-6.5.0-1-generic root=UUID=77 ro
	}
	menuentry 'Ubuntu, with Linux 6.5.0-1-generic (recovery mode)' $menuentry_id_option 'r65' {
		linux	/boot/vmlinuz-6.5.0-1-generic root=UUID=77 ro recovery
	}
	menuentry 'Ubuntu, with Linux 5.15.0-9-generic' --class os $menuentry_id_option 'gnulinux-5.15' {
		linux	/boot/vmlinuz-5.15.0-9-generic root=UUID=77 ro
	}
	menuentry 'Ubuntu, with Linux 5.4.0-42-generic' $menuentry_id_option 'gnulinux-5.4-advanced-77' {
		linuxefi	/vmlinuz-5.4.0-42-generic root=UUID=77 ro
	}
}
menuentry "Memory test" {
	linux16	/boot/memtest86+.bin
}
"""  # noqa: E501
SUB = "Advanced options for Ubuntu>Ubuntu, with Linux "


def run(root: Path, script: str, path: Path | None = None) -> str:
    """Functions of the probe, with the host's folders below the test's own."""
    body = read_script("lib/kernels")
    for folder in ("/boot", "/lib/modules", "/var/lib/dkms", "/etc/default"):
        body = body.replace(folder + "/", f"{root}{folder}/")
    say = 'say() { first=$1; shift; printf %s "$first"; for f; do printf "|%s" "$f"; done; echo; }'
    words = ["sh", "-c", f"ID= KEY=\n{say}\n{body}\n{script}"]
    where = f"{path}:/usr/bin:/bin" if path else "/usr/bin:/bin"
    done = subprocess.run(words, capture_output=True, text=True, env={"PATH": where, "LC_ALL": "C"})
    assert done.stderr == "", done.stderr
    return done.stdout.strip()


def coming(root: Path, path: Path | None = None) -> tuple[str, str]:
    """The kernel that boots next, and why that is not certain."""
    kernel, _, why = run(root, 'next_kernel; echo "$next|$guessed"', path).partition("|")
    return kernel, why


def write(path: Path, content: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with three kernels."""
    place = tmp_path
    for kernel in (OLD, MID, NEW):
        write(place / f"boot/vmlinuz-{kernel}")
        (place / f"lib/modules/{kernel}").mkdir(parents=True)
    return place


@pytest.mark.parametrize(
    ("default", "kernel"),
    [
        ("0", NEW),
        ("", NEW),
        ("1>2", MID),
        ("1>3", OLD),
        ("gnulinux-advanced-77>gnulinux-5.4-advanced-77", OLD),
        (f"{SUB}{MID}", MID),
        ("Advanced options for Ubuntu>3", OLD),
        ("Ubuntu", NEW),
        ("gnulinux-simple-77", NEW),
        ("no such entry", NEW),  # GRUB takes the first then
    ],
)
def test_the_kernel_that_boots_next_is_the_one_that_grub_takes(
    root: Path, default: str, kernel: str
) -> None:
    write(root / "boot/grub/grub.cfg", MENU.replace("@DEFAULT@", default))
    assert coming(root) == (kernel, "")
    write(root / "boot/grub/grub.cfg", MENU.replace("@DEFAULT@", "${saved_entry}"))
    write(root / "boot/grub/grubenv", f"# GRUB Environment Block\nsaved_entry={default}\n####")
    assert coming(root) == (kernel, "")


def test_what_is_to_boot_once_comes_before_what_is_saved(root: Path) -> None:
    write(root / "boot/grub/grub.cfg", MENU.replace("@DEFAULT@", "${saved_entry}"))
    write(root / "boot/grub/grubenv", f"saved_entry={SUB}{NEW}\nnext_entry=1>3\n")
    assert coming(root) == (OLD, "")


@pytest.mark.parametrize("default", ["1", "2", "1>9"])
def test_where_grub_takes_no_kernel_of_the_host_that_is_said(root: Path, default: str) -> None:
    write(root / "boot/grub/grub.cfg", MENU.replace("@DEFAULT@", default))
    kernel, why = coming(root)
    assert kernel == NEW and "the newest in /boot" in why and "grub.cfg" in why


def test_a_default_in_custom_cfg_is_the_last_word(root: Path) -> None:
    write(root / "boot/grub/grub.cfg", MENU.replace("@DEFAULT@", "0"))
    write(root / "boot/grub/custom.cfg", 'set default="1>2"\n')
    assert coming(root) == (MID, "")


@pytest.mark.parametrize(
    "leftover",
    [
        "vmlinuz-old",
        "vmlinuz-9.9.9.dpkg-bak",
        "vmlinuz-0-rescue-0123abcd",
        "vmlinuz-9.9.9kdump",
        f"vmlinuz-{NEW}.old",
        "vmlinuz-9.9.9",
        "vmlinuz",
    ],
)
def test_what_has_no_modules_is_no_kernel_that_boots(root: Path, leftover: str) -> None:
    write(root / "boot" / leftover)
    assert coming(root)[0] == NEW


def test_a_signed_copy_is_the_same_kernel(tmp_path: Path) -> None:
    for kernel in (OLD, f"{OLD}.efi.signed"):
        write(tmp_path / f"boot/vmlinuz-{kernel}")
    (tmp_path / f"lib/modules/{OLD}").mkdir(parents=True)
    assert coming(tmp_path) == (OLD, ""), "the only one is certain"


def test_a_host_without_kernels_of_its_own_says_none(tmp_path: Path) -> None:
    assert coming(tmp_path) == ("", "")
    write(tmp_path / f"boot/vmlinuz-{OLD}")
    assert coming(tmp_path) == ("", "")


@pytest.mark.parametrize(
    ("default", "kernel", "certain"),
    [(f'"{SUB}{OLD}"', OLD, True), ("0", NEW, False), ("saved", MID, True)],
)
def test_without_a_menu_what_grub_is_told_counts(
    root: Path, default: str, kernel: str, certain: bool
) -> None:
    write(root / "etc/default/grub", f"GRUB_TIMEOUT=3\nGRUB_DEFAULT={default}\n")
    write(root / "boot/grub/grubenv", f"saved_entry=gnulinux-{MID}-advanced-77\n")
    found, why = coming(root)
    assert found == kernel and (why == "") == certain


def test_on_rpm_systems_grubby_knows(root: Path) -> None:
    says = f'[ "$*" = --default-kernel ] && echo /boot/vmlinuz-{MID}'
    tool = write(root / "bin/grubby", f"#!/bin/sh\n{says}\n")
    tool.chmod(0o755)
    assert coming(root, tool.parent) == (MID, "")
    tool.write_text("#!/bin/sh\necho /boot/vmlinuz-0-rescue-77\n")
    kernel, why = coming(root, tool.parent)
    assert kernel == NEW and why
    # an entry of the boot loader's own files that is to boot once
    write(root / "boot/loader/entries/77-old.conf", f"title Old\nlinux /vmlinuz-{OLD}\n")
    write(root / "boot/grub2/grub.cfg", "blscfg\n")
    for name in ("77-old", "Old"):
        write(root / "boot/grub2/grubenv", f"next_entry={name}\n")
        assert coming(root, tool.parent) == (OLD, "")


def test_a_grubby_that_finds_no_menu_of_its_own_leaves_it_to_the_menu(root: Path) -> None:
    tool = write(root / "bin/grubby", "#!/bin/sh\nexit 1\n")
    tool.chmod(0o755)
    write(root / "boot/grub2/grub.cfg", MENU.replace("@DEFAULT@", "1>2"))
    assert coming(root, tool.parent) == (MID, "")


def test_a_kernel_in_a_pool_is_named_in_quotes(root: Path) -> None:
    menu = MENU.replace("@DEFAULT@", "1>2").replace("/boot/vmlinuz-", '"/BOOT/ubuntu_1@/vmlinuz-')
    write(root / "boot/grub/grub.cfg", menu.replace(" root=UUID", '" root=UUID'))
    assert coming(root) == (MID, "")


def module(root: Path, kernel: str, version: str, *files: str) -> None:
    """DKMS' books for one kernel, and files of the driver below /lib/modules."""
    (root / f"var/lib/dkms/cambricon-mlu/{version}/{kernel}/x86_64/module").mkdir(parents=True)
    (root / f"lib/modules/{kernel}").mkdir(parents=True, exist_ok=True)
    for file in files:
        write(root / "lib/modules" / file)


def built(root: Path) -> set[str]:
    return set(run(root, "modules").split("\n")) - {""}


@pytest.mark.parametrize(
    "file",
    [
        "updates/dkms/cambricon-drv.ko",
        "extra/cambricon-drv.ko.xz",
        "extra/cambricon-drv.ko.zst",
        "updates/cambricon_drv.ko.gz",
        "kernel/drivers/misc/cambricon-drv.ko",
    ],
)
def test_a_kernel_has_a_driver_where_its_file_is(tmp_path: Path, file: str) -> None:
    module(tmp_path, OLD, "5.10.10", f"{OLD}/{file}")
    assert built(tmp_path) == {f"module-for|{OLD}|5.10.10|"}


def test_books_without_the_file_are_no_driver(tmp_path: Path) -> None:
    module(tmp_path, OLD, "5.10.10")
    write(tmp_path / f"lib/modules/{OLD}/extra/other.ko")
    assert built(tmp_path) == set()
    (tmp_path / f"lib/modules/{OLD}/extra/cambricon-drv.ko").symlink_to("/gone")
    assert built(tmp_path) == set(), "a link to what is gone is no file"


@pytest.mark.parametrize("below", ["", "cambricon/"])
def test_a_kernel_that_loads_the_module_of_another_has_it(tmp_path: Path, below: str) -> None:
    module(tmp_path, OLD, "5.10.10", f"{OLD}/extra/cambricon-drv.ko.xz")
    weak = tmp_path / f"lib/modules/{MID}/weak-updates/{below}cambricon-drv.ko.xz"
    weak.parent.mkdir(parents=True)
    weak.symlink_to(tmp_path / f"lib/modules/{OLD}/extra/cambricon-drv.ko.xz")
    both = {f"module-for|{kernel}|5.10.10|" for kernel in (OLD, MID)}
    assert built(tmp_path) == both
    (tmp_path / f"lib/modules/{OLD}/extra/cambricon-drv.ko.xz").rename(tmp_path / "moved")
    assert built(tmp_path) == set(), "the link leads nowhere now"
    weak.unlink()
    (tmp_path / "moved").rename(weak)
    assert built(tmp_path) == {f"module-for|{MID}|5.10.10|"}, "a copy is as good as a link"


def test_of_two_built_versions_the_one_that_dkms_installed_counts(tmp_path: Path) -> None:
    for version in ("5.10.10", "5.10.22"):
        module(tmp_path, OLD, version, f"{OLD}/updates/dkms/cambricon-drv.ko")
    books = tmp_path / "var/lib/dkms/cambricon-mlu"
    os.symlink(f"5.10.10/{OLD}/x86_64", books / f"kernel-{OLD}-x86_64")
    assert built(tmp_path) == {f"module-for|{OLD}|5.10.10|"}


def test_a_guess_is_told_as_one(wanted: ReleaseTarget) -> None:
    coming = f"next|{MID}|it is the newest in /boot, and grub.cfg does not say which"
    (todo,) = plan_words(driver, wanted, probe(*DRIVEN, coming))  # type: ignore[misc]
    assert todo.endswith(
        "which boots next as far as is known: it is the newest in /boot, "
        "and grub.cfg does not say which"
    )
