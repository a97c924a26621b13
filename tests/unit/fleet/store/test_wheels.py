"""A wheelhouse is locked when pip can install from it what the release names, in its image."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.errors import InvalidInput
from fleet.proof import locking
from fleet.release import files
from fleet.store.image_archive import Image
from fleet.store.wheels import PythonTarget, WheelFile, check_wheels
from tests.unit.conftest import NUMPY
from tests.unit.fleet.store.test_image_archive import layer, saved
from tests.unit.packaged import PACKERS, tarred, wheel

LIBRARY = "torch/venv3/pytorch/lib/python3.7"


def make(site: Path, install: str = "numpy", *has: str) -> list[str]:
    """Lock it with an image of Python 3.7 and glibc 2.27. Returns the warnings."""
    names = [f"{LIBRARY}/site-packages/{one}-1.0.dist-info/METADATA" for one in has]
    one = layer(f"{LIBRARY}/os.py", "lib/x86_64-linux-gnu/libc-2.27.so", *names)
    (site / "store/image.tar.gz").write_bytes(PACKERS[".gz"](tarred(**saved(one))))
    path, said = site / "small.yml", list[str]()
    path.write_text(re.sub(r"install: \[.*\]", f"install: [{install}]", path.read_text()))
    locking.create_lock(files.load_document(path), site / "store", warn=said.append)
    return said


def put(site: Path, *wheels: str, python: str = "") -> None:
    for name in wheels:
        project, version = name.split("-")[:2]
        (site / "store/wheels" / name).write_bytes(wheel(project, version, python=python))


@pytest.fixture
def house(site: Path) -> Path:
    (site / "store/wheels" / NUMPY).unlink()
    return site / "store/wheels"


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
def test_a_wheel_for_the_images_python_is_locked_without_a_word(
    site: Path, house: Path, name: str
) -> None:
    put(site, name)
    assert make(site) == []


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
def test_a_wheel_for_another_python_is_refused_where_the_release_names_it(
    site: Path, house: Path, name: str
) -> None:
    put(site, name)
    with pytest.raises(InvalidInput) as error:
        make(site)
    assert str(house / name) in str(error.value)
    assert "the image, which has Python 3.7 on x86_64, glibc 2.27" in str(error.value)
    assert "--python-version 3.7" in str(error.value) and "'numpy'" in str(error.value)


def test_a_wheel_that_says_it_needs_a_newer_python_is_refused(site: Path, house: Path) -> None:
    put(site, "numpy-1.26.0-py3-none-any.whl", python=">=3.9")
    with pytest.raises(
        InvalidInput, match=r"numpy-1\.26\.0-py3-none-any\.whl: the wheel is not for"
    ):
        make(site)


def test_wheels_of_several_pythons_may_share_a_folder(site: Path, house: Path) -> None:
    put(
        site,
        "numpy-1.21.6-cp37-cp37m-linux_x86_64.whl",
        "numpy-1.26.0-cp311-cp311-any.whl",
        "other-1-cp310-cp310-linux_x86_64.whl",
    )
    assert make(site) == []


def test_what_is_needed_and_nowhere_is_told(site: Path, house: Path) -> None:
    needs = (
        "six>=1.5",
        "typing-extensions; python_version < '3.8'",
        "there",
        "tomli; python_version >= '3.8'",
        "pytest; extra == 'test'",
    )
    (house / "numpy-1.21.6-py3-none-any.whl").write_bytes(wheel("numpy", "1.21.6", *needs))
    (house / "six-1.16-py2.py3-none-any.whl").write_bytes(wheel("six", "1.16", "deeper"))
    assert make(site, "numpy", "there") == [
        f"{house}: {name} is missing, and the image (Python 3.7 on x86_64, glibc 2.27) does "
        "not have it"
        for name in ('typing-extensions; python_version < "3.8"', "deeper")
    ]


def test_what_the_release_names_and_is_in_the_image_needs_no_wheel(site: Path) -> None:
    named = '"numpy", "Torch_Vision==0.9", "git+https://x/y", "-e ."'
    assert make(site, named, "torch.vision") == []
    (said,) = make(site, "sentencepiece")
    assert "sentencepiece is missing" in said


def test_sources_alone_are_told_and_count_as_there(site: Path, house: Path) -> None:
    (house / "numpy-1.21.6.tar.gz").write_bytes(b"\x1f\x8b")
    (said,) = make(site)
    assert "no wheels, only sources" in said


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
def test_what_is_no_wheel_is_refused(
    site: Path, house: Path, name: str, content: bytes, said: str
) -> None:
    (house / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=said.replace("`", ".")):
        make(site)


def test_a_wheel_that_the_release_names_fits_its_image(site: Path) -> None:
    path, name = site / "small.yml", "cndsp-0.8.0-cp310-cp310-linux_x86_64.whl"
    (site / "store" / name).write_bytes(wheel("cndsp", "0.8.0"))
    path.write_text(path.read_text().replace("  pip:\n", f"  pip:\n    - {{wheel: {name}}}\n"))
    with pytest.raises(
        InvalidInput, match=f"{name}: the wheel is not for the image, which has Python 3.7"
    ):
        make(site)


@pytest.mark.parametrize(
    ("version", "abi"), [("3.7", "cp37m"), ("3.10", "cp310"), ("3.12", "cp312")]
)
def test_the_abi_of_a_python_is_its_versions(tmp_path: Path, version: str, abi: str) -> None:
    name = f"a-1-{abi.rstrip('m')}-{abi}-manylinux2014_aarch64.whl"
    (tmp_path / name).write_bytes(wheel("a"))
    for architecture, runs in (("arm64", True), ("amd64", False)):
        image = Image(python_version=version, architecture=architecture)
        assert PythonTarget.from_image(image).can_install(WheelFile(tmp_path / name)) is runs


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


@pytest.mark.parametrize("asked", ["six==2.0", "six>=2", "six<1"])
def test_another_version_than_the_release_asks_for_is_refused(
    site: Path, house: Path, asked: str
) -> None:
    put(site, "six-1.0-py3-none-any.whl", "six-1.5-py3-none-any.whl")
    with pytest.raises(InvalidInput, match=re.escape(f"{asked} is needed, but only six 1.0, 1.5")):
        make(site, f'"{asked}"')


@pytest.mark.parametrize("asked", ["six", "six==1.0", "six>=1,<2", "six~=1.4", "six[extra]>1"])
def test_any_version_that_is_there_may_be_the_one(site: Path, house: Path, asked: str) -> None:
    put(site, "six-1.0-py3-none-any.whl", "six-1.5-py3-none-any.whl", "six-3rc1-py3-none-any.whl")
    assert make(site, f'"{asked}"') == []


def test_what_the_image_may_have_in_another_version_is_not_judged(site: Path, house: Path) -> None:
    put(site, "six-1.0-py3-none-any.whl")
    assert make(site, '"six==2.0"', "six") == []


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("flash_attn-2.1.1_mlu-cp310-cp310-linux_x86_64.whl", "2.1.1+mlu"),
        ("torch_mlu-1.17.0_torch1.13-cp310-cp310-linux_x86_64.whl", "1.17.0+torch1.13"),
        ("typing_extensions-4.7.1-py3-none-any.whl", "4.7.1"),
    ],
)
def test_a_local_version_may_be_written_as_older_tools_did(name: str, version: str) -> None:
    _, found, tags = WheelFile(Path(name)).parsed_name
    assert str(found) == version and tags
