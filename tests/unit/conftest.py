"""A small release with its store and lock, all made here."""

from __future__ import annotations

import gettext
import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings

from fleet import language
from fleet.proof import locking
from fleet.proof.pip_resolver import PipResolver, Wanted
from fleet.release import files as release_files
from fleet.release import lockfile as locks
from fleet.release.target import ReleaseTarget
from operations.host.facts import HostFacts
from operations.host.probe_parser import parse
from tests.unit import packaged

# the same examples on every machine; HYPOTHESIS_PROFILE=long looks for others
settings.register_profile("short", max_examples=60, deadline=None, derandomize=True, database=None)
settings.register_profile("long", max_examples=2000, deadline=None, database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))

SHA = hashlib.sha256
REFERENCE = "registry.example/torch:v1"
#: what the vendor's images state, so that their driver is known
LABELS = {"com.cambricon.driver": "v5.10.6"}
NUMPY = "numpy-1.21.6-py3-none-any.whl"

RELEASE = """\
name: small
driver:
  version: 5.10.10
  packages:
    ubuntu18.04: {file: driver.deb, package: mlu-ubuntu18.04-dkms}
    centos7: {file: driver.rpm, package: mlu-centos7}
image: {file: image.tar.gz, reference: "registry.example/torch:v1"}
container:
  name: torch
  mounts:
    [{host: /data/share, container: /home/share}, {host: /data/models, container: /data/models}]
sources:
  - {name: model, path: /home/share/model, bundle: model.bundle, tag: v1}
weights:
  - {name: tiny, folder: weights, target: /data/models/tiny, link: {tree: model, path: tiny}}
migration: {tool: /torch/tool.py, trees: [model]}
patches:
  - file: /home/share/model_mlu/a.py
    find: old
    replace: new
    sha256: "PATCHED"
packages:
  wheelhouse: wheels
  pip:
    - {install: [numpy]}
engine: {packages: {ubuntu18.04: docker}}
smoke: {kind: stdin, workdir: /home/share/model_mlu, command: [python, ask.py], expect: yes!}
""".replace("PATCHED", SHA(b"new\n").hexdigest())


def git(*arguments: str, cwd: Path) -> str:
    words = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(words, cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


#: files of the image: what the release names in it, and what tells Python's and glibc's version
LAYER = packaged.tarred(
    **dict.fromkeys(
        (
            "bin/sh",
            "lib/x86_64-linux-gnu/libc-2.27.so",
            "torch/tool.py",
            "torch/venv3/pytorch/bin/python",
            "torch/venv3/pytorch/lib/python3.7/os.py",
        ),
        b"",
    )
)


def archive(path: Path, tags: list[str], **config: object) -> str:
    """What `docker save | gzip` makes of a small image. Returns its id."""
    config = {"Labels": LABELS, **config}
    document = json.dumps({"architecture": "amd64", "os": "linux", "config": config}).encode()
    identity = SHA(document).hexdigest()
    entry = {"Config": f"{identity}.json", "RepoTags": tags, "Layers": ["1/layer.tar"]}
    files = {"1/layer.tar": LAYER, f"{identity}.json": document}
    files["manifest.json"] = json.dumps([entry]).encode()
    path.write_bytes(packaged.PACKERS[".gz"](packaged.tarred(**files)))
    return f"sha256:{identity}"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is known of measured files is nobody's but these tests'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def pip_answers() -> Iterator[None]:
    """pip is asked once for equal packages: most locks here are of the same few."""
    ask, answers = PipResolver.resolve, dict[str, list[tuple[str, str]]]()

    def resolve(self: PipResolver, wanted: Wanted) -> list[tuple[str, str]]:
        paths = [*self.folder.glob("*/*.whl"), *self.folder.glob("installed/*/METADATA")]
        seen = [(str(path.relative_to(self.folder)), read_about(path)) for path in sorted(paths)]
        key = repr((seen, self.arguments, wanted)).replace(str(self.folder), "")
        if key not in answers:
            answers[key] = ask(self, wanted)
        return answers[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PipResolver, "resolve", resolve)
        yield


def read_about(path: Path) -> bytes:
    """The metadata of a wheel, or of an installed package."""
    if path.suffix != ".whl":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0])


@pytest.fixture(scope="session", autouse=True)
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package lists of this machine are no test's subject, and take a second."""
    folder = tmp_path_factory.mktemp("tools")
    (folder / "apt-cache").write_text("#!/bin/sh\nexit 100\n")
    (folder / "apt-cache").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template")
    store, upstream = root / "store", root / "upstream"
    for folder in (store / "weights", store / "wheels", store / "docker", upstream):
        folder.mkdir(parents=True)
    (store / "driver.deb").write_bytes(packaged.deb("mlu-ubuntu18.04-dkms"))
    (store / "driver.rpm").write_bytes(packaged.rpm("mlu-centos7"))
    (store / "weights/model.bin").write_bytes(b"weights")
    (store / "docker/docker.io.deb").write_bytes(packaged.deb("docker.io", "20.10.24"))
    (store / f"wheels/{NUMPY}").write_bytes(packaged.wheel("numpy", "1.21.6"))
    archive(store / "image.tar.gz", [REFERENCE])
    git("init", "-q", "-b", "main", "--template=", cwd=upstream)
    (upstream / "a.py").write_text("old\n")
    (upstream / "ask.py").write_text("print(input())\n")
    git("add", ".", cwd=upstream)
    git("commit", "-qm", "one", cwd=upstream)
    git("tag", "-a", "-m", "v1", "v1", cwd=upstream)
    git("checkout", "-q", "--orphan", "feature/main", cwd=upstream)
    git("commit", "-qm", "another", cwd=upstream)
    git("checkout", "-q", "main", cwd=upstream)
    git("bundle", "create", str(store / "model.bundle"), "--all", cwd=upstream)
    (root / "small.yml").write_text(RELEASE)
    (root / "commit").write_text(git("rev-parse", "HEAD", cwd=upstream))
    return root


@pytest.fixture
def site(template: Path, tmp_path: Path) -> Path:
    """A folder with small.yml and its store; each test has its own."""
    shutil.copytree(template, tmp_path / "site", ignore=shutil.ignore_patterns("upstream"))
    return tmp_path / "site"


@pytest.fixture(scope="session")
def locked(template: Path) -> ReleaseTarget:
    """The release with its lock, measured once: equal files of another folder have the same."""
    document = release_files.load_document(template / "small.yml")
    lock = locking.create_lock(document, template / "store")
    return ReleaseTarget(document.release, lock, template / "store")


@pytest.fixture
def wanted(site: Path, locked: ReleaseTarget) -> ReleaseTarget:
    locks.lock_path(site / "small.yml").write_text(locked.lock.model_dump_json())
    return replace(locked, store=site / "store")


def probe(*lines: str) -> HostFacts:
    """The state of a probe that printed these fields, split by a bar; and what all probes print."""
    text = ["Welcome!", "@@mlufleet-begin", *(x.replace("|", "\t") for x in (*BARE[:5], *lines))]
    return parse([*text, "@@mlufleet-end", "bye"], now=1000.0)


BARE = (
    "os|ubuntu|18.04|Ubuntu 18.04.6 LTS",
    "kernel|4.15.0-20-generic|x86_64",
    "boot|0000-1111:42",
    "clock|1001",
    "uid|0",
    "headers|/lib/modules/4.15.0-20-generic/build",
    *(f"tool|{t}" for t in ("git", "docker", "dockerd", "timeout", "sha256sum", "base64", "flock")),
    "card|0000:39:00.0|0x0370|01|0054",
    "card|0000:3a:00.0|0x0370|01|0054",
    "engine|20.10.24|enabled",
    "root|/var/lib/docker",
    "disk|/var/lib/docker|100000000000",
)

DRIVEN = (
    *BARE,
    "package|mlu-ubuntu18.04-dkms|5.10.10|install ok installed",
    "module-for|4.15.0-20-generic|5.10.10",
    "running|0000:39:00.0|5.10.10|CN_RUNNING",
    "running|0000:3a:00.0|5.10.10|CN_RUNNING",
    *(f"node|/dev/cambricon_{n}" for n in ("ctl", "dev0", "dev1", "ipcm0", "ipcm1")),
)


@pytest.fixture
def bare() -> HostFacts:
    return probe(*BARE)


@pytest.fixture
def driven() -> HostFacts:
    return probe(*DRIVEN)


@pytest.fixture
def speak(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Chooses the language of the process until the end of the test; commands tell click of it."""
    domain = gettext.textdomain()
    monkeypatch.setenv("LANGUAGE", "")

    def choose(name: str) -> None:
        monkeypatch.setenv(language.LANGUAGE_VARIABLE, name)
        language._load_catalog.cache_clear()

    yield choose
    gettext.textdomain(domain)
    language._load_catalog.cache_clear()
