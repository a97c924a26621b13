"""Operating systems are rows of files/systems.yml."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet.errors import Failure, InvalidInput
from fleet.proof import locking
from fleet.release import driver_packages, files, operating_systems
from fleet.release import lockfile as locks
from fleet.release.target import ReleaseTarget
from fleet.store.targets import load_release_target
from mlufleet.cli.main import main
from mlufleet.reference import systems_page
from mlufleet.reference.release_format import EXAMPLE_FILE
from operations import driver, engine, preflight
from operations.host import probe as host_probe
from operations.host.facts import HostFacts
from operations.stage import HostOptions
from tests.unit import packaged
from tests.unit.conftest import BARE, DRIVEN, probe
from tests.unit.operations.stage_helpers import as_host, plan_commands, plan_words

NONE = HostOptions()
#: what the files of the vendor's were seen to be called
FILES = {
    ("ubuntu", "18.04"): "cambricon-mlu-driver-ubuntu18.04-dkms_5.10.10_amd64.deb",
    ("ubuntu", "20.04"): "cambricon-mlu-driver-ubuntu20.04-dkms_5.10.10_amd64.deb",
    ("centos", "7"): "cambricon-mlu-driver-centos7-5.10.10-1.x86_64.rpm",
    ("kylin", "V10"): "cambricon-mlu-driver-kylinV10-5.10.10-1.ky10.x86_64.rpm",
    ("rocky", "8.9"): "cambricon-mlu-driver-rocky8-5.10.10-1.x86_64.rpm",
}
UBUNTU = FILES["ubuntu", "18.04"]


@pytest.fixture
def tabled(site: Path) -> Path:
    """The small release naming no driver file; its store has those of Ubuntu 18.04 and CentOS 7."""
    path = site / "small.yml"
    text = path.read_text()
    begin, end = text.index("  packages:\n    ubuntu18.04"), text.index("image:")
    path.write_text(text[:begin] + text[end:])
    for name in (UBUNTU, FILES["centos", "7"]):
        delivered(site / "store" / name)
    return path


def delivered(path: Path) -> None:
    """A driver package that is what its file's name says."""
    name = re.split(r"[-_]5\.10\.10", path.name)[0]
    machine = next(m for m in ("amd64", "arm64", "x86_64") if m in path.name)
    make = packaged.deb if path.suffix == ".deb" else packaged.rpm
    path.write_bytes(make(name, architecture=machine))


def locked(path: Path) -> ReleaseTarget:
    store = path.parent / "store"
    lock = locking.create_lock(files.load_document(path), store)
    locks.lock_path(path).write_text(lock.model_dump_json())
    load_release_target.cache_clear()
    return load_release_target(str(path), str(store))


def host(os: str, version: str, *lines: str) -> HostFacts:
    return probe(*BARE, f"os|{os}|{version}|its title", *lines)


def refusal(decided: object) -> tuple[str, str]:
    return (decided.code, decided.detail) if isinstance(decided, Failure) else ("", "")


@pytest.mark.parametrize("said", FILES)
def test_a_file_is_named_as_the_vendors_is(tabled: Path, said: tuple[str, str]) -> None:
    found = driver_packages.find_package(files.load_release(tabled), *said, "x86_64")
    assert found and found.file == FILES[said]
    assert found.file.startswith(found.package)


@pytest.mark.parametrize(
    ("os", "version", "name"),
    [
        ("rocky", "8.9", "rocky8"),
        ("rocky", "8", "rocky8"),
        ("rocky", "80", "rocky80"),  # no Rocky 8
        ("kylin", "V10", "kylinV10"),
        ("openEuler", "22.03", "openEuler22.03"),
        ("ubuntu", "22.04", "ubuntu22.04"),
        ("ubuntu", "22.10", "ubuntu22.10"),
        ("debian", "", "debian"),  # of testing: it has no VERSION_ID
        ("linuxmint", "20.04", "linuxmint20.04"),
    ],
)
def test_a_system_is_known_by_its_id_and_major_version(os: str, version: str, name: str) -> None:
    assert host(os, version).os_key == name
    known = {system.name for system in operating_systems.load_table()}
    assert (operating_systems.find_system(os, version) is not None) is (name in known)


def test_what_a_release_names_wins_and_the_exact_version_before_the_major_one(site: Path) -> None:
    path = site / "small.yml"
    rows = (
        "rocky8.9: {file: mlu-exact.rpm, package: mlu-exact}\n"
        "    rocky8: {file: mlu-major.rpm, package: mlu-major}\n"
        "    anolis8.8: {file: mlu-anolis.rpm, package: mlu-anolis}\n    centos7"
    )
    for name in ("mlu-exact", "mlu-major", "mlu-anolis"):
        (site / f"store/{name}.rpm").write_bytes(packaged.rpm(name))
    path.write_text(path.read_text().replace("centos7", rows, 1))
    wanted = locked(path)
    for said, package in (
        (("rocky", "8.9"), "mlu-exact"),
        (("rocky", "8.10"), "mlu-major"),
        (("anolis", "8.8"), "mlu-anolis"),
        (("centos", "7"), "mlu-centos7"),
    ):
        found = driver_packages.find_package(wanted.release, *said, "x86_64")
        assert found and found.package == package
        assert plan_words(preflight, wanted, host(*said)) == []


def test_a_lock_pins_the_drivers_that_are_in_the_store_and_demands_no_others(tabled: Path) -> None:
    wanted = locked(tabled)
    drivers = {name for name in wanted.lock.files if name.startswith("cambricon")}
    assert drivers == {UBUNTU, FILES["centos", "7"]}
    assert plan_words(preflight, wanted, host("centos", "7")) == []
    # one that comes later is not the host's until it is locked: nobody has measured it
    delivered(tabled.parent / "store" / FILES["kylin", "V10"])
    assert refusal(plan_words(preflight, wanted, host("kylin", "V10")))[0] == "OS_UNSUPPORTED"
    assert plan_words(preflight, locked(tabled), host("kylin", "V10")) == []


def test_a_store_without_any_driver_is_refused(tabled: Path) -> None:
    for name in (UBUNTU, FILES["centos", "7"]):
        (tabled.parent / "store" / name).unlink()
    with pytest.raises(
        InvalidInput, match=r"at least one operating system: cambricon-\S+5\.10\.10_amd64"
    ):
        locked(tabled)


def test_a_file_that_the_release_names_is_demanded_as_ever(site: Path) -> None:
    (site / "store/driver.rpm").unlink()
    with pytest.raises(InvalidInput, match=r"driver\.rpm"):
        locked(site / "small.yml")


def test_a_host_without_a_driver_is_refused_with_what_it_would_need(tabled: Path) -> None:
    wanted = locked(tabled)
    for stage in (preflight, driver):
        code, said = refusal(plan_words(stage, wanted, host("ubuntu", "20.04")))
        assert code == "OS_UNSUPPORTED" and FILES["ubuntu", "20.04"] in said
        code, said = refusal(plan_words(stage, wanted, host("anolis", "8.8")))
        assert code == "OS_UNSUPPORTED" and "anolis8.8 (its title); it has centos7, ubuntu" in said


def test_another_architecture_has_a_file_of_its_own_or_is_refused(tabled: Path) -> None:
    wanted = locked(tabled)
    arm = [line.replace("x86_64", "aarch64") for line in BARE]
    code, said = refusal(plan_words(preflight, wanted, probe(*arm)))
    assert code == "OS_UNSUPPORTED" and UBUNTU.replace("amd64", "arm64") in said
    risc = [line.replace("x86_64", "riscv64") for line in BARE]
    code, said = refusal(plan_words(preflight, wanted, probe(*risc)))
    assert code == "OS_UNSUPPORTED" and "on riscv64, not on x86_64, aarch64" in said


def test_a_host_is_asked_only_for_packages_that_are_in_the_lock(tabled: Path) -> None:
    (asked,) = [
        line
        for line in host_probe.probe_arguments(as_host(locked(tabled))).splitlines()
        if line.startswith("PACKAGES=")
    ]
    names = sorted(asked.partition("=")[2].strip("'").split())
    assert names == ["cambricon-mlu-driver-centos7", "cambricon-mlu-driver-ubuntu18.04-dkms"]


def test_a_lock_says_which_systems_it_is_for(tabled: Path) -> None:
    store = str(tabled.parent / "store")
    delivered(tabled.parent / "store" / UBUNTU.replace("amd64", "arm64"))
    said = CliRunner().invoke(main, ["lock", str(tabled), "--store", store]).output
    assert "drivers found for: centos7, ubuntu18.04, ubuntu18.04 (aarch64, untested)\n" in said
    assert "no driver in the store for: debian10, debian11, kylinV10, " in said


def test_a_release_is_shown_with_the_files_that_it_has_and_would_need(tabled: Path) -> None:
    size = locked(tabled).lock.files[UBUNTU].size
    said = CliRunner().invoke(main, ["show", str(tabled)]).output
    assert f"ubuntu18.04: artifacts/{UBUNTU}  {size} bytes, sha256" in said
    assert f"kylinV10: would need {FILES['kylin', 'V10']}" in said


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("OS_UNSUPPORTED", "kylinV10: cambricon-mlu-driver-kylinV10-{version}-1.ky10.{arch}.rpm"),
        ("HEADERS_MISSING", "rocky8: dnf install kernel-devel-{kernel}"),
        ("KERNEL_TOO_NEW", "driver 5.10.22 and older: kernels up to 5.17"),
    ],
)
def test_a_code_is_explained_with_the_table(code: str, said: str) -> None:
    assert said in CliRunner().invoke(main, ["explain", code]).output


def test_docker_comes_as_the_table_says(wanted: ReleaseTarget) -> None:
    for said, words in (
        (("rocky", "9.3"), "repository docker-ce)"),  # `docker` is podman there
        (("kylin", "V10"), "repository docker-engine docker-ce)"),
        (("debian", "11"), "repository docker.io)"),
        (("anolis", "8.8"), "repository)"),  # the script knows the family's
    ):
        lines = [line for line in BARE if not line.startswith("engine")]
        state = probe(*lines, f"os|{'|'.join(said)}|its title", "engine|18.09|enabled")
        (install,) = plan_commands(engine, wanted, state)
        assert words in repr(install)


@pytest.mark.parametrize(
    ("version", "kernel", "refused"),
    [
        ("5.10.22", "5.17.15-generic", False),
        ("5.10.22", "5.18.0-1", True),
        ("5.10.10", "6.1.0-18-amd64", True),  # older sources go no further
        ("5.10.22", "3.10.0-1160.el7.x86_64", False),
        ("6.2.10", "6.8.0-40-generic", False),  # unknown: not refused
        ("5.10.22", "custom", False),
    ],
)
def test_a_kernel_that_is_too_new_for_the_drivers_sources_is_refused(
    wanted: ReleaseTarget, version: str, kernel: str, refused: bool
) -> None:
    new = wanted.release.driver.model_copy(update={"version": version})
    wanted = replace(wanted, release=wanted.release.model_copy(update={"driver": new}))
    state = probe(*BARE, f"kernel|{kernel}|x86_64")
    code, said = refusal(plan_words(preflight, wanted, state))
    assert code == ("KERNEL_TOO_NEW" if refused else "")
    assert not refused or f"{kernel}; driver {version} supports kernels up to 5.17 (driver" in said


def test_a_driver_that_runs_on_a_new_kernel_is_left_alone_unless_the_next_boot_has_a_newer_one(
    wanted: ReleaseTarget,
) -> None:
    new = (*DRIVEN, "kernel|6.1.0|x86_64", "module-for|6.1.0|5.10.10")
    assert plan_words(preflight, wanted, probe(*new)) == []
    assert plan_words(driver, wanted, probe(*new)) == []
    code, said = refusal(plan_words(driver, wanted, probe(*new, "next|6.8.0")))
    assert code == "KERNEL_TOO_NEW" and "6.8.0;" in said and "boots next" in said


def test_a_release_may_say_that_its_driver_is_built_for_newer_kernels(site: Path) -> None:
    path = site / "small.yml"
    digest = files.load_release(path).digest
    path.write_text(path.read_text().replace("5.10.10\n", '5.10.10\n  newest_kernel: "6.1"\n'))
    wanted = locked(path)
    assert wanted.release.digest != digest
    assert plan_words(preflight, wanted, probe(*BARE, "kernel|6.1.99|x86_64")) == []
    code, said = refusal(plan_words(preflight, wanted, probe(*BARE, "kernel|6.2.0|x86_64")))
    assert code == "KERNEL_TOO_NEW" and "up to 6.1 (the release)" in said


def test_what_a_release_does_not_say_of_kernels_is_in_no_digest(site: Path) -> None:
    release = files.load_release(site / "small.yml")
    assert set(release.model_dump()["driver"]) == {"version", "packages"}


ROW = "{name: a1, title: A, id: a, version: '1', family: deb, sources: [x]}"
OTHER = "{name: a1.2, title: A, id: a, version: '1.2', family: deb, sources: [x]}"
FAMILY = (
    "{tool: apt-get, package: 'd-{system}', file: 'd-{system}_{version}_{arch}.deb', "
    "headers: 'h-{kernel}', docker: [d], modules: m, architectures: {x86_64: amd64}}"
)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "_{arch}",
            "",
            "file: 'd-{system}_{version}.deb' must contain {system}, {version}",
        ),
        ("h-{kernel}", "h-{kernel}{x}", "headers: 'h-{kernel}{x}' must contain {kernel}"),
        ("tool: apt-get", "tool: brew", "tool"),
        ("family: deb", "family: tar", "family"),
        ("family: deb", "family: [deb]", "family"),
        ("modules: m", "modules: m, unttested: []", "unttested"),
        ("modules: m", "modules: m, untested: [arm]", "untested: arm "),
        (f"- {ROW}", f"- {ROW}\n  - {OTHER}", "a1.2 and a1 are the same system"),
        (f"families: {{deb: {FAMILY}}}", "families: []", "families: expected a mapping"),
    ],
)
def test_a_table_that_is_wrong_is_told_where(tmp_path: Path, old: str, new: str, said: str) -> None:
    file, text = tmp_path / "systems.yml", f"families: {{deb: {FAMILY}}}\nsystems:\n  - {ROW}\n"
    file.write_text(text)
    assert [system.name for system in operating_systems.load_table(file)] == ["a1"]
    other = tmp_path / "other.yml"
    other.write_text(text.replace(old, new))
    with pytest.raises(InvalidInput) as error:
        operating_systems.load_table(other)
    assert said in str(error.value) and "other.yml:" in str(error.value)


def test_the_page_is_that_of_the_table() -> None:
    assert EXAMPLE_FILE.with_name("systems.md").read_text() == systems_page.render_page(), (
        "make docs"
    )
