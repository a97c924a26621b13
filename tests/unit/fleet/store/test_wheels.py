"""A wheel is complete, has its own name, and says which Python can install it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.errors import InvalidInput
from fleet.store.image_archive import Image
from fleet.store.wheels import PythonTarget, WheelFile, check_folder, check_wheels
from tests.unit.packaged import wheel

TARGET = PythonTarget("3.7", "x86_64", "2.27")


@pytest.mark.parametrize(
    "name",
    [
        "numpy-1.21.6-cp37-cp37m-manylinux_2_12_x86_64.manylinux2010_x86_64.whl",
        "numpy-1.21.6-cp37-cp37m-manylinux2014_x86_64.whl",
        "numpy-1.21.6-cp36-abi3-manylinux1_x86_64.whl",
        "numpy-1.21.6-py3-none-manylinux_2_27_x86_64.whl",
        "numpy-1.21.6-py2.py3-none-any.whl",
        "numpy-1.21.6-cp37-cp37m-linux_x86_64.whl",
    ],
)
def test_a_wheel_for_the_images_python_can_be_installed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(wheel("numpy", "1.21.6", python=">=3.7.1"))
    assert TARGET.can_install(WheelFile(tmp_path / name))


@pytest.mark.parametrize(
    "name",
    [
        "numpy-1.26.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "numpy-1.21.6-cp37-cp37m-manylinux_2_28_x86_64.whl",
        "numpy-1.21.6-cp37-cp37m-manylinux2014_aarch64.whl",
        "numpy-1.21.6-cp37-cp37m-win_amd64.whl",
        "numpy-1.21.6-cp37-cp37m-macosx_10_9_x86_64.whl",
        "numpy-1.21.6-cp37-cp37m-musllinux_1_1_x86_64.whl",
        "numpy-1.21.6-cp38-abi3-manylinux1_x86_64.whl",
        "numpy-1.21.6-py2-none-any.whl",
    ],
)
def test_a_wheel_for_another_python_cannot(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(wheel("numpy"))
    assert not TARGET.can_install(WheelFile(tmp_path / name))


def test_a_wheel_that_says_it_needs_a_newer_python_cannot(tmp_path: Path) -> None:
    path = tmp_path / "numpy-1.26.0-py3-none-any.whl"
    path.write_bytes(wheel("numpy", "1.26.0", python=">=3.9"))
    assert not TARGET.can_install(WheelFile(path))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("numpy.whl", wheel("numpy"), "not the name of a wheel"),
        ("numpy-1.21.6-py3-none-any (1).whl", wheel("numpy"), "not the name of a wheel"),
        ("numpy-1.21.6-py3-none-any.whl", b"", "not a complete wheel: it is empty"),
        ("numpy-1.21.6-py3-none-any.whl", wheel("numpy")[:-30], "not a complete wheel: "),
        ("numpy-1.21.6-py3-none-any.whl", b"<html>403</html>", "it is a web page"),
        ("requirements.txt", b"numpy", "no wheels: fill it with"),
    ],
)
def test_what_is_no_wheel_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=said.replace("`", ".")):
        check_folder(tmp_path, [name], print)


def test_a_folder_of_source_packages_alone_is_told(tmp_path: Path) -> None:
    said = list[str]()
    check_folder(tmp_path, ["numpy-1.21.6.tar.gz"], said.append)
    assert len(said) == 1 and "no wheels, only sources" in said[0]


@pytest.mark.parametrize(
    ("version", "abi"), [("3.7", "cp37m"), ("3.10", "cp310"), ("3.12", "cp312")]
)
def test_the_abi_of_a_python_is_its_versions(tmp_path: Path, version: str, abi: str) -> None:
    name = f"a-1-{abi.rstrip('m')}-{abi}-manylinux2014_aarch64.whl"
    (tmp_path / name).write_bytes(wheel("a"))
    for architecture, runs in (("arm64", True), ("amd64", False)):
        image = Image(python_version=version, architecture=architecture)
        target = PythonTarget.from_image(image)
        assert target.can_install(WheelFile(tmp_path / name)) is runs
        assert f"--abi={abi}" in target.pip_arguments


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    content = wheel("a", "1", "b>1", python=">=3")
    begin = draw(st.integers(0, len(content)))
    end = min(len(content), begin + draw(st.integers(0, 40)))
    return content[:begin] + draw(st.binary(max_size=20)) + content[end:]


NAMES = st.from_regex(r"\A[a-z0-9.-]{1,30}\.whl\Z")


@given(
    content=st.one_of(damaged(), st.binary(max_size=80)),
    name=st.one_of(st.just("a-1-py3-none-any.whl"), NAMES),
)
@example(content=wheel("a", python="~~3"), name="a-1-py3-none-any.whl")
def test_any_bytes_are_a_wheel_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        check_wheels([path])
        PythonTarget("3.7", "x86_64", "2.27").can_install(WheelFile(path))
    except InvalidInput as error:
        assert str(error).startswith(f"{path}: ") and str(error).isprintable()
