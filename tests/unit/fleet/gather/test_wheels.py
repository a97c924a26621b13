"""Wheels are gathered from an index by pip itself, for the image's Python."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.gather import image_facts, wheels
from fleet.gather.work import GatherError, GatherOptions
from fleet.release.model import Image, Release
from fleet.store.progress_bar import ProgressBar
from tests.unit import packaged
from tests.unit.conftest import git
from tests.unit.server import Site, serving

#: a backend that needs nothing else: the wheel of a package that exists as source only
BACKEND = """\
import zipfile
ABOUT = {
    "METADATA": "Metadata-Version: 2.1\\nName: NAME\\nVersion: 1.0\\n",
    "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "RECORD": "",
}
def build_wheel(folder, settings=None, metadata=None):
    name = "NAME-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as archive:
        for file, text in ABOUT.items():
            archive.writestr(f"NAME-1.0.dist-info/{file}", text)
    return name
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
RELEASE = {
    "name": "small",
    "driver": {"version": "5.10.10"},
    "image": {
        "file": "pytorch.tar.gz",
        "reference": "registry.example/pytorch:v1.13.0-torch1.9-ubuntu18.04-py37",
    },
    "container": {"name": "c", "mounts": [{"host": "/d", "container": "/home/share"}]},
    "smoke": {"kind": "plain", "workdir": "/w", "command": ["python"], "expect": "x"},
}


class Index:
    """Pages as PEP 503 has them, with checksums."""

    def __init__(self, web: Site) -> None:
        self.web = web

    def add(self, file: str, content: bytes) -> None:
        name = file.partition("-")[0]
        self.web.files[f"/files/{file}"] = content
        sha256, page = hashlib.sha256(content).hexdigest(), f"/simple/{name}/"
        link = f'<a href="/files/{file}#sha256={sha256}">{file}</a>'.encode()
        self.web.files[page] = self.web.files.get(page, b"<!DOCTYPE html>") + link

    def add_wheel(self, file: str, *requires: str) -> None:
        name, version = file.split("-")[:2]
        self.add(file, packaged.wheel(name, version, *requires))

    def add_source(self, name: str, *more: str) -> None:
        files = {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"}
        files |= {"pyproject.toml": PROJECT, "backend.py": BACKEND.replace("NAME", name)}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for path, text in (files | dict.fromkeys(more, "")).items():
                member = tarfile.TarInfo(f"{name}-1.0/{path}")
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
        self.add(f"{name}-1.0.tar.gz", packed.getvalue())


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forked_pip: None) -> Iterator[Index]:
    with serving() as web:
        monkeypatch.setenv("PIP_INDEX_URL", f"{web.url}/simple/")
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip"))
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            monkeypatch.delenv(name, raising=False)
        yield Index(web)


def gather(store: Path, *lines: dict[str, object], **fields: object) -> bool:
    packages = {"wheelhouse": "wheels", "pip": list(lines)}
    release = Release.model_validate(RELEASE | {"packages": packages} | fields)
    task = wheels.WheelsTask(release, "wheels", store, GatherOptions(retry_delay_s=0))
    with ProgressBar("", 0, quiet=True) as progress:
        return task.gather(progress)


def names(store: Path) -> set[str]:
    return {path.name for path in (store / "wheels").iterdir()}


def test_wheels_are_those_of_the_images_python_and_nothing_else(
    index: Index, tmp_path: Path
) -> None:
    needs = ("beta; python_version < '3.8'", "gamma; python_version >= '3.8'", "torch>=1.5")
    ours, other = "alpha-1.0-cp37-cp37m-manylinux2014_x86_64.whl", "alpha-1.0-cp311-cp311-"
    index.add_wheel(ours, *needs)
    index.add_wheel(f"{other}manylinux2014_x86_64.whl", *needs)
    index.add_wheel("alpha-0.9-py3-none-any.whl")
    index.add_wheel("torch-2.0-py3-none-any.whl")
    for name in ("beta", "gamma", "unrelated"):
        index.add_wheel(f"{name}-1.0-py3-none-any.whl")
    assert gather(tmp_path, {"install": ["alpha"]})
    assert names(tmp_path) == {ours, "beta-1.0-py3-none-any.whl"}
    index.web.logins.clear()
    assert not gather(tmp_path, {"install": ["alpha"]})
    assert not index.web.logins and names(tmp_path) == {ours, "beta-1.0-py3-none-any.whl"}
    assert gather(tmp_path, {"install": ["torch"], "upgrade": True})
    assert "torch-2.0-py3-none-any.whl" in names(tmp_path)


def test_what_a_requirements_file_and_a_project_in_a_source_need(
    index: Index, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    git("init", "-q", "-b", "main", "--template=", cwd=work)
    (work / "requirements.txt").write_text("torch\nalpha==1.0\n# beta\n")
    (work / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='m', version='1', install_requires=['delta'])\n"
    )
    git("add", ".", cwd=work)
    git("commit", "-qm", "one", cwd=work)
    git("bundle", "create", "-q", str(tmp_path / "model.bundle"), "HEAD", "main", cwd=work)
    for name in ("alpha", "delta"):
        index.add_wheel(f"{name}-1.0-py3-none-any.whl")
        index.add_wheel(f"{name}-2.0-py3-none-any.whl")
    source = {"name": "m", "path": "/home/share/m", "bundle": "model.bundle", "branch": "main"}
    line = {"requirements": "/home/share/m/requirements.txt", "exclude": ["torch"]}
    assert gather(tmp_path, line | {"editable": "/home/share/m"}, sources=[source])
    assert names(tmp_path) == {"alpha-1.0-py3-none-any.whl", "delta-2.0-py3-none-any.whl"}


def test_a_pure_package_is_built_and_all_that_is_unavailable_is_named(
    index: Index, tmp_path: Path
) -> None:
    index.add_source("pure")
    index.add_source("compiled", "compiled/speedup.c")
    with pytest.raises(GatherError) as failed:
        gather(tmp_path, {"install": ["nowhere>=2", "pure", "compiled"]})
    problems = failed.value.problems
    assert {problem.failure.code for problem in problems} == {"WHEELS_UNAVAILABLE"}
    assert {problem.failure.detail.split(":")[0] for problem in problems} == {
        "compiled",
        "nowhere>=2",
    }
    assert "speedup.c" in str(failed.value)
    assert names(tmp_path) == {"pure-1.0-py3-none-any.whl"}


def test_an_index_that_is_not_there_is_told_once(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(GatherError) as failed:
        gather(tmp_path, {"install": ["alpha"]}, {"install": ["beta"]})
    assert [p.failure.code for p in failed.value.problems] == ["FETCH"]
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("reference", "python", "expected"),
    [
        ("r/pytorch:v1.13.0-torch1.9-ubuntu18.04-py37", "", ("3.7", "2.27", {"torch": "1.9"})),
        ("r/c:v26.04.0-torch2.11.0-torchmlu1.32.2-ubuntu22.04-py310", "",
         ("3.10", "2.35", {"torch": "2.11.0"})),
        ("r/paddle-mlu:ctr2.15.0-ubuntu20-gcc84-py310", "", ("3.10", "2.31", {})),
        ("r/magicmind:1.6.0-1_ubuntu18.04", "3.7", ("3.7", "2.27", {})),
        ("r/magicmind:1.6.0-1_ubuntu18.04", "", None),
    ],
)  # fmt: skip
def test_facts_of_a_tag(
    tmp_path: Path, reference: str, python: str, expected: tuple[object, ...] | None
) -> None:
    found = image_facts.find_facts(Image(file="i.tar", reference=reference), tmp_path, python)
    packages = {p.name: p.version for p in found.packages} if found else {}
    assert (found and (found.python.version, found.python.glibc, packages)) == expected


def test_an_archive_is_read_once(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image(file="image.tar.gz", reference="registry.example/torch:v1")
    first = image_facts.find_facts(image, site / "store")
    monkeypatch.delattr("fleet.store.image_archive.read_image")
    assert image_facts.find_facts(image, site / "store") == first
    assert first and (first.python.version, first.python.glibc) == ("3.7", "2.27")
    assert first.is_complete
