"""A driver that works survives a package tool that fails, whenever it fails."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from operations.host.scripts import script_text

NAME, A, B = "cambricon-mlu-driver-centos7", "5.10.10", "5.10.22"
KERNEL = "3.10.0-1.el7"
#: an rpm database of lines "VERSION", and a yum that does what a test says
RPM = """
db=@ROOT@/db
case "$*" in
  *--checksig*) cat @ROOT@/checksig 2>/dev/null || echo "$2: sha1 md5 OK" ;;
  *--test*) cat @ROOT@/needs 2>/dev/null && exit 1; exit 0 ;;
  "-qa") cat $db ;;
  "-q --qf %{VERSION}\\n "*) [ -s $db ] && cat $db || { echo "package x is not installed"; exit 1; } ;;
  "-q --qf %{NAME}-"*) sed 's/.*/@NAME@-&-1/' $db ;;
  "-qp --qf %{NAME} %{VERSION} "*) echo "@NAME@ $(sed 's/^file //' "$4")" ;;
  "-ql "*) echo @ROOT@/usr/bin/cnmon ;;
  "--erase --noscripts "*) v=${3#@NAME@-}; v=${v%-1}; grep -vxF "$v" $db > $db.n; mv $db.n $db ;;
  "--erase "*) : > $db; rm -rf @ROOT@/var/lib/dkms/@NAME@ @ROOT@/lib/modules/@KERNEL@/extra @ROOT@/usr ;;
  "--upgrade "*) for file; do :; done; v=$(sed 's/^file //' "$file"); echo "$v" > $db; @ROOT@/bin/made "$v" ;;
esac
""".replace("@NAME@", NAME).replace("@KERNEL@", KERNEL)  # noqa: E501
#: what the package's own scripts leave: its predecessor's books go, its own come
MADE = """
rm -rf @ROOT@/var/lib/dkms/@NAME@
place=@ROOT@/lib/modules/@KERNEL@/extra
mkdir -p "@ROOT@/var/lib/dkms/@NAME@/$1/@KERNEL@/x86_64/module" $place @ROOT@/usr/bin
echo "$1" > $place/cambricon-drv.ko
echo "cnmon $1" > @ROOT@/usr/bin/cnmon
""".replace("@NAME@", NAME).replace("@KERNEL@", KERNEL)
DKMS = """
[ "$1" = status ] && [ -d "@ROOT@/var/lib/dkms/$3/$5" ] && echo "$3, $5: installed"
exit 0
"""
#: ways for yum to fail: before it does anything, and after it has done half or all
BEFORE = "echo 'Error: repository dead is out of reach'; exit 1"
HALF = f"rm -rf @ROOT@/var/lib/dkms/{NAME} @ROOT@/lib/modules/{KERNEL}/extra; {BEFORE}"
LIES = f"echo {B} > @ROOT@/db; rm -rf @ROOT@/var/lib/dkms/{NAME}; exit 0"
RIGHT = f"echo {B} > @ROOT@/db; @ROOT@/bin/made {B}"


@dataclass
class Host:
    root: Path

    def tool(self, name: str, does: str) -> None:
        file = self.root / "bin" / name
        file.unlink(missing_ok=True)  # it may be a link to this machine's own
        file.write_text("#!/bin/sh\n" + does.replace("@ROOT@", str(self.root)) + "\n")
        file.chmod(0o755)

    def run(
        self,
        step: str,
        version: str = B,
        *more: str,
        before: str = ":",
        file: str = "rpm",
    ) -> tuple[int, list[str]]:
        text = script_text(step)
        for folder in (
            "/var/lib/dkms",
            "/lib/modules/",
            "/etc/",
            "/var/lib/mlufleet",
            "/sys/module",
        ):
            text = text.replace(folder, f"{self.root}{folder}")
        package = self.root / f"artifacts/{NAME}-{version}.{file}"
        package.write_text(f"file {version}\n")
        (self.root / "var/lib/mlufleet").mkdir(parents=True, exist_ok=True)
        # nothing of this machine is found
        text = re.sub(r'PATH="\$PATH:[^"]*"', 'PATH="$PATH"', text)
        text = text.replace("package_locks() {\n", "package_locks() { return\n", 1)
        text = before.replace("@ROOT@", str(self.root)) + "\n" + text
        done = subprocess.run(
            ["/bin/sh", "-c", text, step, NAME, version, str(package), "5", *more],
            env={"PATH": str(self.root / "bin")},
            capture_output=True,
            text=True,
        )
        print(done.stdout, done.stderr)
        return done.returncode, done.stdout.splitlines()

    @property
    def asked(self) -> str:
        log = self.root / "log"
        return log.read_text() if log.exists() else ""

    @property
    def versions(self) -> list[str]:
        return (self.root / "db").read_text().split()

    @property
    def works(self) -> str:
        """Version of the module that is there, when dkms agrees and its tool is there as well."""
        module = self.root / f"lib/modules/{KERNEL}/extra/cambricon-drv.ko"
        version = module.read_text().strip() if module.exists() else ""
        agreed = (self.root / f"var/lib/dkms/{NAME}/{version}/{KERNEL}").is_dir()
        tool = self.root / "usr/bin/cnmon"
        return version if agreed and tool.read_text() == f"cnmon {version}\n" else ""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host of CentOS whose driver A works; nothing else of this machine is on its PATH."""
    host = Host(tmp_path)
    for folder in ("bin", "artifacts", "etc", f"lib/modules/{KERNEL}", "sys/module/cambricon_drv"):
        (tmp_path / folder).mkdir(parents=True)
    for name in (
        "cat",
        "cksum",
        "cmp",
        "cp",
        "date",
        "find",
        "grep",
        "head",
        "ls",
        "mkdir",
        "mv",
        "rm",
        "sed",
        "sort",
        "tail",
        "tar",
        "tee",
        "tr",
        "wc",
        "uname",
        "basename",
        "stat",
        "awk",
        "sleep",
    ):
        place = next(p for p in (Path("/usr/bin") / name, Path("/bin") / name) if p.exists())
        (tmp_path / "bin" / name).symlink_to(place)
    host.tool("made", MADE)
    host.tool("rpm", f'echo "rpm $*" >> @ROOT@/log\n{RPM}')
    host.tool("dkms", DKMS)
    for name in ("depmod", "cpio", "rpm2cpio"):
        host.tool(name, "cat > /dev/null" if name == "cpio" else "")
    host.tool("docker", 'echo "docker $*" >> @ROOT@/log')
    host.tool("yum", f'echo "yum $*" >> @ROOT@/log\n{RIGHT}')
    (tmp_path / "db").write_text(f"{A}\n")
    subprocess.run([tmp_path / "bin/made", A], check=True)
    assert host.works == A
    return host


def yum(host: Host, does: str) -> None:
    host.tool("yum", f'echo "yum $*" >> @ROOT@/log\n{does}')


def keep(host: Host, version: str = A) -> None:
    """The old package's file is still here."""
    (host.root / f"artifacts/{NAME}-{version}.rpm").write_text(f"file {version}\n")


def test_a_yum_that_fails_before_it_does_anything_leaves_all_as_it_was(host: Host) -> None:
    keep(host)
    yum(host, BEFORE)
    status, said = host.run("install-driver")
    assert status == 1 and (host.versions, host.works) == ([A], A)
    assert "--erase" not in host.asked and "--upgrade --oldpackage" not in host.asked
    assert said[-1] == f"driver {A} stays as it was: Error: repository dead is out of reach"


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("does", [HALF, LIES])
def test_a_driver_that_was_half_replaced_comes_back(host: Host, does: str, kept: bool) -> None:
    if kept:
        keep(host)
    yum(host, does)
    status, said = host.run("install-driver", B, "c0ffee")
    assert (status, host.works) == (1, A)
    assert "docker start c0ffee" in host.asked, "its containers run on"
    if kept:
        assert host.versions == [A] and said[-1].startswith(f"driver {A} is back")
    else:
        assert said[-1].startswith(f"the files of driver {A} are back") and "not kept" in said[-1]
    assert not (host.root / "var/lib/mlufleet/before").exists()


def test_a_driver_that_installs_needs_none_of_that(host: Host) -> None:
    status, _ = host.run("install-driver", B, "c0ffee")
    assert (status, host.versions, host.works) == (0, [B], B)
    assert "docker" not in host.asked and not (host.root / "var/lib/mlufleet/before").exists()


@pytest.mark.parametrize(("needs", "alone"), [("", True), ("dkms >= 1.95 is needed by x", False)])
def test_repositories_are_asked_only_for_what_is_missing(
    host: Host, needs: str, alone: bool
) -> None:
    if needs:
        (host.root / "needs").write_text(needs)
    host.run("install-driver")
    (asked,) = [line for line in host.asked.splitlines() if line.startswith("yum")]
    assert ("--disablerepo=*" in asked) == alone and " install " in asked


@pytest.mark.parametrize(("version", "how"), [("5.9.1", "downgrade"), (A, "reinstall")])
def test_yum_is_told_which_way_it_goes(host: Host, version: str, how: str) -> None:
    yum(host, f"echo {version} > @ROOT@/db; @ROOT@/bin/made {version}")
    assert host.run("install-driver", version)[0] == 0
    assert f" {how} " in host.asked


@pytest.mark.parametrize("twice", [(A, B), ("5.9.1", A), (B, A)])
def test_of_two_versions_of_one_rpm_one_is_left_and_then_installed(
    host: Host, twice: tuple[str, str]
) -> None:
    (host.root / "db").write_text("".join(f"{version}\n" for version in twice))
    status, said = host.run("install-driver")
    assert (status, host.versions, host.works) == (0, [B], B)
    gone = next(v for v in twice if v != (B if B in twice else A))
    assert f"removed {NAME}-{gone}-1: an installation was cut off" in said
    assert host.asked.count("--erase --noscripts") == 1


def test_two_versions_that_cannot_be_told_apart_are_named(host: Host) -> None:
    (host.root / "db").write_text(f"{A}\n{B}\n")
    host.tool("rpm", f"case $* in *noscripts*) exit 1 ;; esac\n{RPM}")
    status, said = host.run("install-driver")
    assert status == 1 and "@@code PACKAGE_BROKEN" in said
    assert A in said[-1] and B in said[-1] and "rpm --erase --noscripts" in said[-1]
    assert host.works == A and "yum" not in host.asked


@pytest.mark.parametrize("setting", ["yum.conf", "dnf/dnf.conf"])
@pytest.mark.parametrize(
    ("checked", "refused"),
    [
        ("x.rpm: sha1 md5 OK", True),
        ("x.rpm: digests OK", True),
        ("x.rpm: digests SIGNATURES NOT OK", True),
        ("x.rpm: rsa sha1 (md5) pgp md5 OK", False),
        ("x.rpm: digests signatures OK", False),
    ],
)
def test_a_site_that_takes_signed_packages_only_is_asked_before_anything(
    host: Host, setting: str, checked: str, refused: bool
) -> None:
    (host.root / "etc" / setting).parent.mkdir(exist_ok=True)
    (host.root / "etc" / setting).write_text("[main]\ngpgcheck=1\nlocalpkg_gpgcheck = 1\n")
    (host.root / "checksig").write_text(checked)
    status, said = host.run("try-driver")
    assert ("@@code PACKAGE_UNSIGNED" in said) == (status == 1) == refused
    assert host.works == A and "yum" not in host.asked


def test_an_installation_that_the_power_cut_ended_is_put_back_from_what_was_before_it(
    host: Host,
) -> None:
    yum(host, f"{HALF.partition(';')[0]} @ROOT@/usr; : > @ROOT@/db; kill -9 $(cat @ROOT@/shell)")
    text = "echo $$ > @ROOT@/shell"
    host.run("install-driver", before=text)
    assert (host.works, host.versions) == ("", [])
    yum(host, BEFORE)
    status, said = host.run("install-driver")
    assert (status, host.works) == (1, A), said


def test_a_driver_of_no_package_survives_one_that_fails(host: Host) -> None:
    (host.root / "db").write_text("")
    yum(host, HALF)
    status, said = host.run("install-driver")
    assert (status, host.works) == (1, A)
    assert said[-1].startswith("the files of the driver that was there are back")


def test_a_reinstallation_that_fails_keeps_the_package_that_is_there(host: Host) -> None:
    yum(host, HALF)
    status, _ = host.run("install-driver", A)
    assert (status, host.versions, host.works) == (1, [A], A)
    assert "--erase" not in host.asked


def test_the_sites_options_are_back_with_the_driver(host: Host) -> None:
    keep(host)
    options = host.root / "etc/modprobe.d/cambricon-drv.conf"
    options.parent.mkdir()
    options.write_text("options cambricon-drv check_en=0\n")
    yum(host, f"echo default > {options}; {HALF}")
    host.run("install-driver")
    assert options.read_text() == "options cambricon-drv check_en=0\n"
    assert not (host.root / "var/lib/mlufleet/options").exists()


def test_without_room_for_a_copy_nothing_is_begun(host: Host) -> None:
    host.tool("tar", "echo 'tar: x: Wrote only 1 of 10240 bytes: No space left on device'; exit 2")
    status, said = host.run("install-driver")
    assert (status, host.works) == (1, A) and "yum" not in host.asked
    assert said[-1].endswith("No space left on device")


def test_nothing_is_tried_where_no_driver_is(host: Host) -> None:
    (host.root / "db").write_text("")
    assert host.run("try-driver") == (0, [])


#: dpkg's books are a line "STATUS|VERSION"; what is unpacked has taken the other's files away
DEB = {
    "dpkg-query": """
case "$*" in
  *-L*) echo @ROOT@/usr/bin/cnmon ;;
  *'${Package}'*) ;;
  *'|${Version}'*) cat @ROOT@/db ;;
  *'${Status} ${Version}'*) tr '|' ' ' < @ROOT@/db ;;
  *'${Status}'*) cut -d'|' -f1 @ROOT@/db ;;
esac""",
    "dpkg-deb": f'for f; do case $f in *.deb) echo "{NAME} $(sed "s/^file //" "$f")" ;; esac; done',
    "dpkg": "case $1 in --remove) : > @ROOT@/db ;; esac",
}
AFTER = f"{HALF.partition(';')[0]}; echo 'install ok half-configured|{B}' > @ROOT@/db"
HELD = "echo 'E: Held packages were changed and -y was used without --allow-change-held-packages.'"


@pytest.fixture
def debian(host: Host) -> Host:
    for name, does in DEB.items():
        host.tool(name, does)
    (host.root / "bin/cut").symlink_to("/usr/bin/cut")
    (host.root / "db").write_text(f"install ok installed|{A}\n")
    return host


def apt(host: Host, does: str) -> None:
    host.tool("apt-get", f'echo "apt-get $*" >> @ROOT@/log\n{does}')


@pytest.mark.parametrize("kept", [True, False])
def test_the_same_holds_for_apt(debian: Host, kept: bool) -> None:
    old = debian.root / f"artifacts/{NAME}_{A}.deb"
    if kept:
        old.write_text(f"file {A}\n")
    back = f"echo 'install ok installed|{A}' > @ROOT@/db; @ROOT@/bin/made {A}"
    apt(debian, f"case $* in *{old.name}) {back} ;; *) {AFTER}; echo 'E: no'; exit 100 ;; esac")
    status, said = debian.run("install-driver", file="deb")
    assert (status, debian.works) == (1, A)
    assert said[-1] == (
        f"driver {A} is back: E: no"
        if kept
        else f"the files of driver {A} are back, its package is not: it is not kept here: E: no"
    )
    assert (debian.root / "db").read_text() == (f"install ok installed|{A}\n" if kept else "")


def test_an_apt_that_refuses_leaves_all_as_it_was_and_says_why(debian: Host) -> None:
    apt(debian, f"{HELD}; exit 100")
    for step in ("try-driver", "install-driver"):
        status, said = debian.run(step, file="deb")
        assert (status, debian.works) == (1, A)
        assert said[-1].startswith(f"driver {A} stays as it was: E: Held packages were changed")
    assert "--simulate" in debian.asked.splitlines()[0]
