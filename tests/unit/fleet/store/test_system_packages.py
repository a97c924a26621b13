"""Packages are what the release says they are, or `lock` says what they are."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.errors import InvalidInput
from fleet.proof import locking
from fleet.release import files
from fleet.release import lockfile as locks
from fleet.store import system_packages
from tests.unit import packaged

UBUNTU, CENTOS = "mlu-ubuntu18.04-dkms", "mlu-centos7"


def make(site: Path) -> locks.Lock:
    return locking.create_lock(files.load_document(site / "small.yml"), site / "store")


def refused(site: Path) -> str:
    with pytest.raises(InvalidInput) as error:
        make(site)
    return str(error.value)


@pytest.mark.parametrize("packed", ["", ".gz", ".xz"])
def test_a_deb_says_what_it_is_however_it_is_packed(tmp_path: Path, packed: str) -> None:
    path = tmp_path / "a.deb"
    path.write_bytes(packaged.deb("docker.io", "1:20.10~rc-1", "arm64", packed=packed))
    assert system_packages.read_package(path) == system_packages.PackageInfo(
        "deb", "docker.io", "1:20.10~rc-1", "arm64"
    )


def test_a_deb_of_zstd_is_one_and_nothing_else_is_known(tmp_path: Path) -> None:
    path = tmp_path / "a.deb"
    path.write_bytes(packaged.deb("docker.io", packed=".zst"))
    assert system_packages.read_package(path) == system_packages.PackageInfo("deb")


def test_an_rpm_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.rpm"
    path.write_bytes(packaged.rpm("kernel-devel", "3.10.0", "noarch"))
    assert system_packages.read_package(path) == system_packages.PackageInfo(
        "rpm", "kernel-devel", "3.10.0", "noarch"
    )


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")
def test_dpkg_reads_the_same_of_these_debs(tmp_path: Path) -> None:
    path = tmp_path / "a.deb"
    path.write_bytes(packaged.deb("docker.io", "20.10.24"))
    words = ["dpkg-deb", "-f", str(path), "Package", "Version", "Architecture"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said == "Package: docker.io\nVersion: 20.10.24\nArchitecture: amd64\n"


@pytest.mark.skipif(not shutil.which("rpm"), reason="needs rpm")
def test_rpm_reads_the_same_of_these_rpms(tmp_path: Path) -> None:
    path = tmp_path / "a.rpm"
    path.write_bytes(packaged.rpm("docker-ce", "20.10.24"))
    words = ["rpm", "-qp", "--nosignature", "--nodigest", "--qf", "%{NAME} %{VERSION} %{ARCH}"]
    said = subprocess.run([*words, str(path)], capture_output=True, text=True, check=True).stdout
    assert said == "docker-ce 20.10.24 x86_64"


OTHERS: dict[str, tuple[str, bytes, str]] = {
    "another version": (
        "driver.deb",
        packaged.deb(UBUNTU, "5.10.22"),
        "the version of this package is 5.10.22, but the release needs 5.10.10",
    ),
    "a revision of it": ("driver.deb", packaged.deb(UBUNTU, "5.10.10-2"), "is 5.10.10-2"),
    "another version, rpm": ("driver.rpm", packaged.rpm(CENTOS, "4.20.18"), "is 4.20.18"),
    "another system's": (
        "driver.deb",
        packaged.deb("mlu-ubuntu20.04-dkms"),
        f"the name of this package is mlu-ubuntu20.04-dkms, but the release needs {UBUNTU}",
    ),
    "another machine's": (
        "driver.deb",
        packaged.deb(UBUNTU, architecture="armhf"),
        "the architecture of this package is armhf",
    ),
    "another machine's, rpm": ("driver.rpm", packaged.rpm(CENTOS, architecture="s390x"), "s390x"),
    "an rpm for a deb": ("driver.deb", packaged.rpm(UBUNTU), "the family of this package is rpm"),
    "a deb for an rpm": ("driver.rpm", packaged.deb(CENTOS), "the family of this package is deb"),
    "sources": ("driver.rpm", packaged.rpm(CENTOS, source=True), "it is a source package"),
    "text": ("driver.deb", b"deb", "not a deb or rpm package: it begins with b'deb'"),
    "nothing": ("driver.rpm", b"", "not a deb or rpm package: it is empty"),
    "a page": ("driver.rpm", b"<html><body>Sign in</body></html>", "it is a web page"),
    "an archive of it": ("driver.rpm", b"PK\x03\x04" + packaged.rpm(CENTOS), "it is a zip archive"),
    "another archive": (
        "driver.deb",
        b"!<arch>\nlib.o/          0           0     0     100644  2         `\nab",
        "an archive without debian-binary",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_driver_that_is_another_is_refused(site: Path, case: str) -> None:
    name, content, said = OTHERS[case]
    (site / "store" / name).write_bytes(content)
    assert said in (told := refused(site)) and str(site / "store" / name) in told


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["driver.deb", "driver.rpm", "docker/docker.io.deb"])
def test_a_package_that_was_cut_is_refused(site: Path, name: str, part: float) -> None:
    path = site / "store" / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    assert f"{path}: not a complete package: " in refused(site)


@pytest.mark.parametrize("folder", ["docker", "headers"])
def test_side_files_of_a_folder_of_packages_are_nobodys(site: Path, folder: str) -> None:
    place, path = site / "store" / folder, site / "small.yml"
    place.mkdir(exist_ok=True)
    path.write_text(
        path.read_text().replace("driver:\n", "driver:\n  headers: {ubuntu18.04: headers}\n", 1)
    )
    (site / "store/headers").mkdir(exist_ok=True)
    (site / "store/headers/linux-headers-1_1_all.deb").write_bytes(
        packaged.deb("linux-headers-1", "1", "all")
    )
    sums = "".join(
        f"{hashlib.md5(deb.read_bytes()).hexdigest()}  {deb.name}\n" for deb in place.glob("*.deb")
    )
    for name in ("docker.io.deb.md5sum", "README.txt", "Packages.gz", "a.rpm", "MD5SUMS"):
        (place / name).write_text(sums)
    assert {name.rpartition(".")[2] for name in make(site).files_in(folder)} == {"deb"}


def test_a_folder_without_a_package_of_its_system_is_refused(site: Path) -> None:
    (site / "store/docker/docker.io.deb").rename(site / "store/docker/docker.io.deb.1")
    assert "docker: no packages for ubuntu18.04" in refused(site)
    (site / "store/docker/docker-ce.rpm").write_bytes(packaged.rpm("docker-ce"))
    assert "no packages for ubuntu18.04" in refused(site)
    for path in (site / "store/docker").iterdir():
        path.unlink()
    assert f"{site}/store/docker: the folder is empty" in refused(site)


def test_a_folder_of_packages_is_for_the_machines_of_its_drivers(site: Path) -> None:
    place = site / "store/docker"
    (place / "containerd.deb").write_bytes(packaged.deb("containerd", "1.6", "all"))
    assert len(make(site).files_in("docker")) == 2
    (place / "runc.deb").write_bytes(packaged.deb("runc", "1.1", "arm64"))
    assert "runc.deb: the architecture of this package is arm64, but the release needs amd64" in (
        refused(site)
    )
    (place / "runc.deb").write_bytes(packaged.rpm("runc"))
    assert "runc.deb: the family of this package is rpm" in refused(site)


def test_a_folder_of_a_system_that_the_table_has_not_may_have_one_kind_of_machine(
    site: Path,
) -> None:
    path = site / "small.yml"
    path.write_text(path.read_text().replace("ubuntu18.04: docker", "anolis8.8: docker"))
    place = site / "store/docker"
    (place / "docker.io.deb").unlink()
    (place / "a.rpm").write_bytes(packaged.rpm("a", "1", "x86_64"))
    assert set(make(site).files_in("docker")) == {"a.rpm"}
    (place / "b.rpm").write_bytes(packaged.rpm("b", "1", "aarch64"))
    assert "of several architectures" in refused(site)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packaged.deb("git-lfs"), ""),
        (packaged.deb("git"), "the name of this package is git, but the release needs git-lfs"),
        (packaged.rpm("git-lfs"), "the family of this package is rpm"),
        (b"<!DOCTYPE html>", "it is a web page"),
    ],
)
def test_a_package_for_the_image_is_the_one_that_is_named(
    site: Path, content: bytes, said: str
) -> None:
    path = site / "small.yml"
    path.write_text(
        path.read_text().replace(
            "packages:\n  wheelhouse",
            "packages:\n  system: [{package: git-lfs, file: lfs.deb}]\n  wheelhouse",
        )
    )
    (site / "store/lfs.deb").write_bytes(content)
    if said:
        assert said in refused(site)
    else:
        assert "lfs.deb" in make(site).files


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A package with some bytes cut out, changed or repeated."""
    begin = draw(st.integers(0, len(content)))
    end = draw(st.integers(begin, len(content)))
    return content[:begin] + draw(st.binary(max_size=20)) + content[end:]


@given(
    st.one_of(
        damaged(packaged.deb("a")),
        damaged(packaged.deb("a", packed=".xz")),
        damaged(packaged.rpm("a")),
        st.binary(max_size=120),
    )
)
@example(b"!<arch>\ndebian-binary   0           0     0     100644  -1        `\n")
@example(b"!<arch>\ndebian-binary   0           0     0     100644  9999999999`\n")
@example(packaged.rpm("a")[:96] + b"\x8e\xad\xe8\x01" + b"\xff" * 12)
def test_any_bytes_are_a_package_or_said_to_be_none(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.package"
    path.write_bytes(content)
    judged(lambda: system_packages.read_package(path), path)


def judged(call: Callable[[], object], path: Path) -> None:
    try:
        call()
    except InvalidInput as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)


@pytest.mark.parametrize("packed", [".gz", ".xz"])
def test_a_control_file_that_explodes_is_not_unpacked(
    tmp_path: Path, packed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_packages, "MAX_METADATA_BYTES", 1 << 20)
    path, bomb = tmp_path / "a.deb", packaged.PACKERS[packed](bytes(8 << 20))
    assert (
        len(system_packages._decompress(packed, bomb) or b"") == system_packages.MAX_METADATA_BYTES
    )
    head = f"{f'control.tar{packed}':<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(bomb):<10}`\n"
    whole = packaged.deb("a")
    path.write_bytes(
        whole[: whole.index(b"control.tar")]
        + head.encode()
        + bomb
        + b"\n" * (len(bomb) % 2)
        + whole[whole.index(b"data.tar") :]
    )
    with pytest.raises(InvalidInput, match="not a complete package: "):
        system_packages.read_package(path)
