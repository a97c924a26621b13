"""What a migrated tree contains, compared with what the lab's stand-in for the tool makes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.proof.expected_tree import ExpectedTree, expect_tree, open_sources
from fleet.proof.file_content import UnreadableContent
from fleet.release.model import Patch
from fleet.release.target import ReleaseTarget
from tests.unit import PROJECT
from tests.unit.conftest import git

TOOL = PROJECT / "tests/lab/vendor/image/torch_gpu2mlu.py"
FILES = {
    "a.py": b"import torch\r\nx.cuda()\r\n",
    "notes.bat": b"cuda\n",
    "sub/b.py": b"torch.backends.cudnn.enabled\n",
    "sub/bad.py": b"# \xff\n",
    "pkg.egg-info/PKG-INFO": b"",
    "report.md": b"ours",
    ".gitattributes": b"*.bat eol=crlf\n",
}
LINKS = {"to_file.py": "a.py", "to_folder": "sub", "to_nowhere": "missing"}
Bundled = Callable[..., ReleaseTarget]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def bundled(wanted: ReleaseTarget, tmp_path: Path) -> Bundled:
    """The release with another commit of its source, other patches, and code in its weights."""

    def change(files: dict[str, bytes], *patches: Patch) -> ReleaseTarget:
        upstream = tmp_path / "upstream"
        for name, content in files.items():
            (upstream / name).parent.mkdir(parents=True, exist_ok=True)
            (upstream / name).write_bytes(content)
        for name, to in LINKS.items():
            (upstream / name).symlink_to(to)
        git("init", "-q", "-b", "main", "--template=", cwd=upstream)
        git("add", "--force", ".", cwd=upstream)
        git("commit", "-qm", "one", cwd=upstream)
        git("bundle", "create", str(wanted.store / "model.bundle"), "main", cwd=upstream)
        (wanted.store / "weights/modeling.py").write_bytes(b"import torch\n")
        known = wanted.lock.files["weights/model.bin"]
        code = known.model_copy(update={"sha256": sha256(b"import torch\n")})
        lock = wanted.lock.model_copy(
            update={
                "commits": {"model": git("rev-parse", "HEAD", cwd=upstream)},
                "files": {**wanted.lock.files, "weights/modeling.py": code},
            }
        )
        release = wanted.release.model_copy(update={"patches": patches})
        return replace(wanted, release=release, lock=lock)

    return change


def expect(target: ReleaseTarget, folder: Path) -> ExpectedTree:
    (source,) = target.release.sources
    return expect_tree(target, source, open_sources(target, source, folder / "scratch"))


def test_it_is_what_the_tool_makes(bundled: Bundled, tmp_path: Path) -> None:
    files = {name: content for name, content in FILES.items() if name != "sub/bad.py"}
    target = bundled(files)
    expected = expect(target, tmp_path)
    made = tmp_path / "made"
    git(
        "-c",
        "core.autocrlf=false",
        "clone",
        "-q",
        str(tmp_path / "upstream"),
        str(made),
        cwd=tmp_path,
    )
    (made / "tiny").mkdir()
    shutil.copy(target.store / "weights/modeling.py", made / "tiny")
    for name in ("torch", "torch_mlu"):
        (tmp_path / f"{name}.py").touch()
    tool = shutil.copy(TOOL, tmp_path)
    subprocess.run([sys.executable, tool, "-i", str(made)], check=True, capture_output=True)
    found = {
        str(path.relative_to(f"{made}_mlu")): sha256(path.read_bytes())
        for path in Path(f"{made}_mlu").rglob("*")
        if path.is_file() and ".git" not in path.parts
    }
    for name in ("report.md", "pkg.egg-info/PKG-INFO"):
        del found[name]
    assert found.keys() == expected.files.keys()
    oldest = {"sub/b.py"}  # the stand-in is of the first generation
    for name, file in expected.files.items():
        assert file.accepts(found[name], "catch 1.1.2"), name
        assert file.accepts(found[name], "torch_mlu 1.22") == (name not in oldest)
        assert file.depends_on_generation == (name in oldest)
        assert not file.accepts(sha256(b"other"), "catch 1.1.2")
    assert expected.weights == {"tiny/model.bin": target.lock.files["weights/model.bin"]}


def test_what_the_tool_cannot_read_is_not_compared(bundled: Bundled, tmp_path: Path) -> None:
    expected = expect(bundled(FILES), tmp_path)
    assert expected.files["sub/bad.py"].made is None
    assert expected.files["sub/bad.py"].accepts("", "catch 1.1.2")


def test_a_file_may_be_patched_already_or_not_yet(bundled: Bundled, tmp_path: Path) -> None:
    root = "/home/share/model_mlu"
    once = Patch(file=f"{root}/a.py", find="mlu", replace="xpu", count=2)
    twice = Patch(file=f"{root}/a.py", after="()", insert="()")
    whole = Patch(file=f"{root}/new.py", content="new")
    files = expect(bundled(FILES, once, twice, whole), tmp_path).files
    made, half = b"import torch\nimport torch_mlu\nx.mlu()\n", b"import torch_xpu\nx.xpu()\n"
    patched = b"import torch\nimport torch_xpu\nx.xpu()()\n"
    for content, accepted in ((made, True), (half, False), (patched, True)):
        assert files["a.py"].accepts(sha256(content), "catch 1.1.2") == accepted
        assert files["a.py"].is_patched(sha256(content)) == (content == patched)
    assert files["new.py"].made == {} and files["new.py"].accepts("any", "catch 1.1.2")
    assert files["new.py"].is_patched(sha256(b"new"))


def test_without_a_bundle_nothing_can_be_said(wanted: ReleaseTarget, tmp_path: Path) -> None:
    (source,) = wanted.release.sources
    online = source.model_copy(update={"bundle": None, "url": "https://example.org/model"})
    release = wanted.release.model_copy(update={"sources": (online,)})
    with pytest.raises(UnreadableContent, match="the source model has no bundle"):
        expect(replace(wanted, release=release), tmp_path)
