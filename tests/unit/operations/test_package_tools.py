"""What the host's package tools know and what they must not change."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from fleet.errors import Failure
from fleet.proof import locking
from fleet.release import files
from fleet.release.target import ReleaseTarget
from operations import driver, engine, kernel_headers, preflight
from operations.host.facts import Package
from operations.host.scripts import SCRIPTS_DIR, read_script
from operations.stage import HostOptions
from tests.unit.conftest import BARE, DRIVEN, probe
from tests.unit.operations.stage_helpers import as_host, plan_commands, plan_words
from tests.unit.packaged import rpm

NONE = HostOptions()
MLU, OTHER = "mlu-centos7", "docker-ce"


def refusal(decision: object) -> tuple[str, str]:
    assert isinstance(decision, Failure), decision
    return decision.code, decision.sentence


@pytest.mark.parametrize(
    ("status", "installed", "held"),
    [
        ("install ok installed", True, False),
        ("hold ok installed", True, True),
        ("deinstall ok installed", True, False),  # marked to go, and there
        ("installed", True, False),
        ("hold reinstreq installed", False, True),
        ("hold ok half-configured", False, True),
        ("deinstall ok config-files", False, False),
        ("unknown ok not-installed", False, False),
        ("", False, False),
    ],
)
def test_what_is_wanted_of_a_package_does_not_change_whether_it_is_there(
    status: str, installed: bool, held: bool
) -> None:
    package = Package("x", "1", status)
    assert (package.is_installed, package.is_held) == (installed, held)


def held_host(version: str, *more: str) -> list[str]:
    return [line.replace("|5.10.10|install ok", f"|{version}|hold ok") for line in DRIVEN] + [*more]


def test_a_held_driver_that_is_right_is_right(wanted: ReleaseTarget) -> None:
    state = probe(*held_host("5.10.10"))
    assert plan_words(driver, wanted, state) == plan_words(preflight, wanted, state) == []


def test_an_update_of_a_held_driver_is_refused_before_anything(wanted: ReleaseTarget) -> None:
    state = probe(
        *(
            line.replace("|4.15.0-20-generic|5.10.10", "|4.15.0-20-generic|5.10.22")
            for line in held_host("5.10.22")
        )
    )
    for stage in (preflight, driver):
        code, said = refusal(plan_words(stage, wanted, state))
        assert code == "PACKAGE_HELD" and "apt-mark hold" in said and "5.10.22" in said


@pytest.mark.parametrize(
    ("file", "line", "names"),
    [
        ("etc/yum/pluginconf.d/versionlock.list", f"0:{MLU}-5.10.10-1.*", [MLU]),
        ("etc/dnf/plugins/versionlock.list", f"# added\n{MLU}-0:5.10.10-1.*", [MLU]),
        ("etc/dnf/versionlock.toml", f'[[packages]]\nname = "{MLU}"', [MLU]),
        ("etc/yum/pluginconf.d/versionlock.list", f"{MLU}-tools-5.10.10-1.*", []),
        ("etc/yum.conf", f"[main]\nexclude=kernel* {MLU[:3]}*", [MLU]),
        ("etc/dnf/dnf.conf", f"excludepkgs={OTHER},kernel", [OTHER]),
        ("etc/yum.conf", f"#exclude={MLU}\ninstalled={MLU}", []),
        ("etc/yum.conf", f"[main]\nexclude\t= kernel*,\n  {MLU[:4]}*", [MLU]),
        ("etc/dnf/dnf.conf", f"exclude=kernel\n#\nretries = 3\n {MLU}", []),
    ],
)
def test_what_yum_and_dnf_are_told_to_leave_is_seen(
    tmp_path: Path, file: str, line: str, names: list[str]
) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(line)  # an editor may leave its last line without an end
    script = read_script("lib/package-tool").replace("/etc/", f"{tmp_path}/etc/")
    said = subprocess.run(
        ["sh", "-c", f'say() {{ echo "$*"; }}\nPACKAGES={MLU} SOFTWARE={OTHER}\n{script}\nholds'],
        capture_output=True,
        text=True,
    )
    assert said.stderr == ""
    assert said.stdout.splitlines() == [f"held {name} {tmp_path}/{file}" for name in names]


def test_a_version_lock_that_is_turned_off_holds_nothing(tmp_path: Path) -> None:
    place = tmp_path / "etc/yum/pluginconf.d"
    place.mkdir(parents=True)
    (place / "versionlock.list").write_text(f"0:{MLU}-5.10.10-1.*\n")
    script = read_script("lib/package-tool").replace("/etc/", f"{tmp_path}/etc/")
    for on in (1, 0):
        (place / "versionlock.conf").write_text(f"[main]\nenabled = {on}\n")
        words = f'say() {{ echo "$*"; }}\nPACKAGES={MLU} SOFTWARE=\n{script}\nholds'
        said = subprocess.run(["sh", "-c", words], capture_output=True, text=True)
        assert said.stdout.count(MLU) == on, said.stderr


@pytest.mark.parametrize(
    ("programs", "books", "is_deb"),
    [
        ("apt-get", False, True),
        ("rpm", False, False),
        ("apt-get rpm", True, True),
        ("apt-get rpm", False, False),
    ],
)
def test_an_rpm_host_that_has_dpkg_among_its_programs_stays_one(
    tmp_path: Path, programs: str, books: bool, is_deb: bool
) -> None:
    for name in programs.split():
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    if books:
        (tmp_path / "dpkg.list").touch()
    script = read_script("lib/common").replace("/var/lib/dpkg/info", str(tmp_path))
    done = subprocess.run(["/bin/sh", "-c", f"{script}\ndeb"], env={"PATH": str(tmp_path)})
    assert (done.returncode == 0) == is_deb


def test_every_script_asks_in_one_way_whose_packages_they_are() -> None:
    for script in SCRIPTS_DIR.rglob("*.sh"):
        asked = re.findall(r"command -v (?:apt-get|apt-cache|dpkg\S*)", script.read_text())
        assert len(asked) == (script.stem == "common"), script.name


def on_centos(*more: str) -> list[str]:
    lines = [line for line in DRIVEN if not line.startswith(("os", "package"))]
    return [*lines, "os|centos|7|CentOS Linux 7", *more]


def test_a_version_lock_stops_an_update_and_nothing_else(wanted: ReleaseTarget) -> None:
    lock = "held|mlu-centos7|/etc/yum/pluginconf.d/versionlock.list"
    right = probe(*on_centos("package|mlu-centos7|5.10.10|installed", lock))
    assert plan_words(driver, wanted, right) == []
    old = probe(*on_centos("package|mlu-centos7|5.10.6|installed", lock))
    code, said = refusal(plan_words(driver, wanted, old))
    assert code == "PACKAGE_HELD" and "versionlock.list" in said


def test_two_versions_of_one_rpm_are_seen_and_named(wanted: ReleaseTarget) -> None:
    twice = [f"package|mlu-centos7|{v}|installed" for v in ("5.10.10", "5.10.22")]
    (todo,) = plan_words(driver, wanted, probe(*on_centos(*twice)))  # type: ignore[misc]
    assert todo == "install driver 5.10.10 (5.10.10 and 5.10.22 at once are installed)"


NO_DOCKER = [line for line in BARE if not line.startswith(("engine", "tool|docker", "os"))]


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        ("docker-engine|2:18.09.0.101-3.oe1", "ENGINE_TOO_OLD"),
        ("docker-engine|18.09.1-1.ky10", "ENGINE_TOO_OLD"),
        ("docker-ce|3:20.10.24-3.el7", ""),
        ("docker-engine|19.03.15-1", ""),
        ("docker|1.13.1-209.git7d71120", ""),  # the table does not name it there
    ],
)
def test_docker_of_the_repositories_that_is_too_old_is_refused_before_anything(
    wanted: ReleaseTarget, offer: str, code: str
) -> None:
    lines = [*NO_DOCKER, "os|openEuler|20.03|openEuler 20.03", f"offers|{offer}"]
    for absent in (lines, [*lines, *BARE[6:13], "engine|18.09.0|enabled"]):
        found = engine.check_installable(as_host(wanted), probe(*absent))
        assert (found.code if found else "") == code
        if found:
            assert "docker-engine is 18.09" in found.sentence and "give files" in found.sentence


def test_files_of_the_release_need_no_repository(wanted: ReleaseTarget) -> None:
    state = probe(*NO_DOCKER, BARE[0], "offers|docker.io|18.09.7-0ubuntu1")
    assert engine.check_installable(as_host(wanted), state) is None


def test_an_engine_that_tells_no_number_is_not_replaced(wanted: ReleaseTarget) -> None:
    lines = [line for line in DRIVEN if not line.startswith("engine")]
    for said in ("dev", "library-import", "master-dockerproject"):
        assert plan_words(engine, wanted, probe(*lines, f"engine|{said}|enabled")) == []


def test_snaps_docker_is_named(wanted: ReleaseTarget) -> None:
    state = probe(*DRIVEN, "snap")
    for stage in (preflight, engine):
        code, said = refusal(plan_words(stage, wanted, state))
        assert code == "SNAP" and "/snap/docker" in said


def test_a_held_docker_that_is_too_old_is_named(wanted: ReleaseTarget) -> None:
    lines = [line for line in BARE if not line.startswith("engine")]
    state = probe(*lines, "engine|18.09.7|enabled", "package|docker.io|18.09.7|hold ok installed")
    code, said = refusal(plan_words(engine, wanted, state))
    assert code == "PACKAGE_HELD" and "docker.io 18.09.7" in said


def with_folder(site: Path, *names: str) -> ReleaseTarget:
    """A release with a folder of headers for CentOS, and side files in docker's folder."""
    for name in names:
        (site / "store/headers").mkdir(exist_ok=True)
        (site / "store/headers" / name).write_bytes(rpm(name.partition("-")[0]))
    written = (site / "small.yml").read_text()
    if names:
        written = written.replace("driver:\n", "driver:\n  headers: {centos7: headers}\n", 1)
    (site / "small.yml").write_text(written)
    document = files.load_document(site / "small.yml")
    return ReleaseTarget(
        document.release, locking.create_lock(document, site / "store"), site / "store"
    )


RPM_DKMS = "package|dkms|2.8.4|installed"
DKMS = "dkms-2.8.4-1.el7.noarch.rpm"


@pytest.mark.parametrize(
    ("lacks", "there", "more", "code"),
    [
        (["dkms"], [], [], "BUILD_TOOLS"),
        (["dkms"], [DKMS], [], ""),
        (["dkms", "gcc"], [DKMS], [], "BUILD_TOOLS"),
        (["dkms", "gcc"], [DKMS, "gcc-4.8.5-44.el7.x86_64.rpm"], [], ""),
        (["gcc"], ["gcc-c++-4.8.5-44.el7.x86_64.rpm"], [RPM_DKMS], "BUILD_TOOLS"),
        (["gcc", "make"], [], [], ""),  # rpm's books are spoilt, and will be repaired
        (["dkms"], [], ["offers|dkms|2.8.4-1.el7"], ""),
        (
            ["gcc", "make"],
            [],
            [RPM_DKMS, "package|gcc|4.8.5|installed", "package|make|3.82|installed"],
            "",
        ),
    ],
)
def test_what_builds_a_driver_is_there_or_can_be_brought(
    site: Path, lacks: list[str], there: list[str], more: list[str], code: str
) -> None:
    wanted = with_folder(site, *there)
    lines = [line for line in BARE if not line.startswith("os")]
    state = probe(*lines, "os|centos|7|CentOS", *(f"lacks|{tool}" for tool in lacks), *more)
    decided = plan_words(preflight, wanted, state)
    assert (decided.code if isinstance(decided, Failure) else "") == code
    steps = repr(
        list(kernel_headers.install_headers(wanted, state, state.kernel, headers_present=True))
    )
    assert (f"artifacts/headers/{DKMS}" in steps) == (DKMS in there)


def test_dkms_of_dpkg_stands_for_what_it_depends_on(wanted: ReleaseTarget) -> None:
    bare = probe(*BARE, "lacks|gcc", "lacks|make", "package|dkms|2.8|hold ok installed")
    assert plan_words(preflight, wanted, bare) == []
    bare = probe(*BARE, "lacks|dkms", "lacks|gcc", "lacks|make")
    assert refusal(plan_words(preflight, wanted, bare))[1].endswith(": dkms, gcc, make")


def test_a_driver_that_is_right_needs_no_tools(wanted: ReleaseTarget) -> None:
    state = probe(*DRIVEN, "lacks|dkms", "lacks|gcc", "lacks|make")
    assert plan_words(preflight, wanted, state) == []


def test_side_files_of_a_folder_are_not_given_to_the_package_tool(site: Path) -> None:
    kernel = "kernel-devel-4.15.0-20-generic.rpm"
    wanted = with_folder(site, kernel)
    for file in (
        "docker/docker.io.deb.md5sum",
        "docker/README.txt",
        "docker/x.rpm",
        "headers/notes",
        f"headers/{kernel}.asc",
        "headers/x.src.rpm",
    ):
        wanted.lock.files[file] = wanted.lock.files["docker/docker.io.deb"]
    (_, install) = plan_commands(engine, wanted, probe(*NO_DOCKER, BARE[0]))
    carried = "/var/lib/mlufleet/artifacts/docker/docker.io.deb"
    assert repr(install).endswith(f"(engine install {carried})")
    lines = [line for line in BARE if not line.startswith(("os", "headers"))]
    (_, step) = kernel_headers.install_headers(
        wanted, probe(*lines, "os|centos|7|CentOS"), "4.15.0-20-generic"
    )
    assert repr(step).endswith(f"4.15.0-20-generic /var/lib/mlufleet/artifacts/headers/{kernel})")


POLICY = """\
docker.io:
  Installed: (none)
  Candidate: 5:20.10.24-0ubuntu1
  Version table:
docker-ce:
  Candidate: (none)
"""
LIST = """\
Available Packages
dkms.noarch                     2.8.4-1.el7                     epel
docker-engine-with-a-long-name-that-takes-more.x86_64
                                2:18.09.0.101-3.oe1             base
"""


@pytest.mark.parametrize(
    ("tool", "says", "expected"),
    [
        ("apt-cache", POLICY, ["offers|docker.io|5:20.10.24-0ubuntu1"]),
        (
            "yum",
            LIST,
            [
                "offers|dkms|2.8.4-1.el7",
                "offers|docker-engine-with-a-long-name-that-takes-more|2:18.09.0.101-3.oe1",
            ],
        ),
    ],
)
def test_what_repositories_offer_is_read(
    tmp_path: Path, tool: str, says: str, expected: list[str]
) -> None:
    (tmp_path / "said").write_text(says)
    (tmp_path / tool).write_text(f"#!/bin/sh\n/bin/cat {tmp_path}/said\n")
    (tmp_path / tool).chmod(0o755)
    if tool == "apt-cache":
        (tmp_path / "apt-get").symlink_to(tmp_path / tool)
    for needed in ("awk", "tr", "timeout", "sh"):
        (tmp_path / needed).symlink_to(f"/usr/bin/{needed}")
    libraries = read_script("lib/common") + read_script("lib/package-tool")
    script = f'quiet() {{ shift; "$@"; }}\n{libraries}\noffers docker.io'
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.stdout.replace("\t", "|").splitlines() == expected, done.stderr


@pytest.mark.parametrize(
    ("version", "than", "is_older"),
    [
        ("18.09.1", "19.03", True),
        ("19.03.15-ce", "19.03", False),
        ("20.10.24", "19.03", False),
        ("1.13.1", "19.03", True),
        ("19.08", "19.09", True),
        ("29", "19.03", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, than: str, is_older: bool) -> None:
    script = f"{read_script('lib/package-tool')}\nolder {version} {than}"
    done = subprocess.run(["sh", "-c", script], capture_output=True)
    assert (done.returncode == 0, done.stderr) == (is_older, b"")


def named(tmp_path: Path, script: str, minimum: str = "", **tools: str) -> tuple[int, str]:
    """engine.sh with stand-ins of the package tools; what was asked of them, in order."""
    log = tmp_path / "log"
    for name, does in {"systemctl": "", "timeout": "", **tools}.items():
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n{does}\n')
        (tmp_path / name).chmod(0o755)
    for needed in ("sed", "grep", "sort", "head", "tr", "cat"):
        (tmp_path / needed).symlink_to(f"/usr/bin/{needed}")
    whole = read_script("lib/common") + read_script("lib/packages").replace(
        "/etc/apt/", f"{tmp_path}/apt/"
    )
    fakes = "wait_for_packages() { :; }; repair_packages() { :; }; uptime() { echo 0; }\n"
    done = subprocess.run(
        ["/bin/sh", "-c", whole + fakes + read_script("engine"), "engine", *script.split()],
        input=f"{minimum}\n",
        text=True,
        env={"PATH": str(tmp_path)},
        capture_output=True,
    )
    asked = [line for line in log.read_text().splitlines() if "systemctl" not in line]
    return done.returncode, "\n".join([*asked, done.stdout])


def test_an_old_docker_is_not_installed_and_a_newer_one_behind_it_is(tmp_path: Path) -> None:
    yum = (
        "case $* in *available\\ docker-engine) echo docker-engine.x86_64 18.09.0 base ;; "
        "*available\\ docker-ce) echo docker-ce.x86_64 3:20.10.7-3.el7 extra ;; esac"
    )
    status, said = named(tmp_path, "repository docker-engine docker-ce", "19.03", yum=yum)
    assert status == 0 and "yum -y install docker-ce" in said
    assert "install docker-engine" not in said


def test_a_docker_that_is_too_old_everywhere_gets_a_code(tmp_path: Path) -> None:
    cache = "echo '  Candidate: 18.09.7-0ubuntu1~16.04.9'"
    status, said = named(
        tmp_path, "repository docker.io", "19.03", **{"apt-get": "exit 1", "apt-cache": cache}
    )
    assert status == 1 and "apt-get" not in said
    assert "@@code ENGINE_TOO_OLD\nits docker.io is 18.09.7" in said and "needs 19.03" in said


@pytest.mark.parametrize("repositories", [True, False])
def test_empty_lists_are_filled_once_and_what_that_said_is_told(
    tmp_path: Path, repositories: bool
) -> None:
    if repositories:
        (tmp_path / "apt").mkdir()
        (tmp_path / "apt/sources.list").write_text("deb http://127.0.0.1:1 x main\n")
    get = (
        'case $1 in update) echo "Err:1 http://127.0.0.1:1 x InRelease"; '
        'echo "W: Failed to fetch http://127.0.0.1:1"; exit 0 ;; esac; exit 100'
    )
    status, said = named(
        tmp_path, "repository docker.io", "19.03", **{"apt-get": get, "apt-cache": ""}
    )
    assert status == 1
    assert said.count("apt-get update") == repositories
    assert ("docker.io: Err:1 http://127.0.0.1:1 x InRelease W: Failed" in said) == repositories
