"""Migrated trees, by the host's own scripts: here on the controller, with real git.

The lab's stand-in for the vendor's tool does the work, in a folder in the place of a container.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from operations.host.scripts import read_script, script_text
from tests.unit import PROJECT

TOOL = PROJECT / "tests/lab/vendor/image/torch_gpu2mlu.py"
#: runs in place what it is to run in a container
DOCKER = """#!/bin/sh
cd "$3" && shift 4 && exec "$@"
"""
COMMON = read_script("lib/common")
CODE = "import torch\nx.cuda()\n"
MIGRATED = "import torch\nimport torch_mlu\nx.mlu()\n"


class Host:
    """A host with a checkout, as the tutorial has it: weights inside, and more of its user's."""

    def __init__(self, root: Path) -> None:
        self.root, self.state = root, root / "state"
        self.stamps = self.state / "stamps"
        self.checkout, self.tree = root / "work/model", root / "work/model_mlu"
        self.weights = root / "models/tiny"
        for folder in (self.checkout, self.weights, root / "bin", root / "python"):
            folder.mkdir(parents=True)
        (root / "bin/docker").write_text(DOCKER)
        (root / "bin/docker").chmod(0o755)
        # where both can be imported, but are empty
        for name in ("torch", "torch_mlu"):
            (root / f"python/{name}.py").touch()
        self.tool = shutil.copy(TOOL, root / "python")
        (self.weights / "model.bin").write_text("large")
        (self.weights / "modeling.py").write_text(CODE)
        self.write("a.py", CODE)
        self.write("run.sh", "cuda\n")
        (self.checkout / "run.sh").chmod(0o755)
        self.git("init", "-q", "-b", "main", "--template=")
        self.commit()

    def write(self, name: str, text: str) -> None:
        path = self.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def git(self, *words: str, at: Path | None = None) -> str:
        clean = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"}
        words = ("git", "-c", "user.name=a", "-c", "user.email=a@b", *words)
        return subprocess.run(
            words, cwd=at or self.checkout, env=clean, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self) -> None:
        self.git("add", ".")
        self.git("commit", "-qm", "text")

    def run(
        self, name: str, *words: str | Path, given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        text = script_text(name).replace("/var/lib/mlufleet", str(self.state))
        return subprocess.run(
            ["sh", "-c", text, *map(str, (name, *words))],
            input=given,
            capture_output=True,
            text=True,
            env={
                "PATH": f"{self.root}/bin:{os.environ['PATH']}",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )

    def migrate(self, nested: str = "") -> subprocess.CompletedProcess[str]:
        return self.run(
            "migrate",
            "torch",
            sys.executable,
            self.tool,
            self.checkout,
            self.checkout,
            self.tree,
            "tree-model",
            nested,
            self.weights,
            "tiny",
            "*.py",
        )

    def finish(self) -> None:
        """Link the weights, and stamp the tree."""
        words = ("link-weights", self.weights, self.tree / "tiny", "tree-model")
        assert self.run(*words).returncode == 0
        assert self.run("stamp-tree", "tree-model", "digest", self.tree).returncode == 0

    def kept(self) -> list[Path]:
        return sorted(self.tree.parent.glob("model_mlu.kept-*"))

    def recorded(self) -> set[tuple[str, ...]]:
        """What a retirement of the host would find: kind, name and detail."""
        lines = (self.state / "made").read_text().splitlines()
        return {tuple(line.split("\t")[1:4]) for line in lines}

    def list_tree(self, folder: Path) -> set[str]:
        files = (str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir())
        return {name for name in files if not name.startswith(".git/")}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_tree_has_the_commit_the_code_of_weights_and_links_to_them(host: Host) -> None:
    done = host.migrate()
    assert done.returncode == 0, done.stdout + done.stderr
    host.finish()
    assert host.list_tree(host.tree) == {
        "a.py",
        "run.sh",
        "report.md",
        "tiny/modeling.py",
        "tiny/model.bin",
    }
    assert (host.tree / "a.py").read_text() == MIGRATED
    assert (host.tree / "tiny/modeling.py").read_text() == MIGRATED
    assert os.access(host.tree / "run.sh", os.X_OK)
    assert (host.tree / "tiny/model.bin").readlink() == host.weights / "model.bin"
    # the tool copies the repository, too
    assert host.git("rev-parse", "HEAD", at=host.tree) == host.git("rev-parse", "HEAD")
    # the checkout is as it was, and nothing else is left
    assert host.list_tree(host.checkout) == {"a.py", "run.sh"}
    assert host.git("status", "--porcelain") == ""
    assert {path.name for path in host.tree.parent.iterdir()} == {"model", "model_mlu"}


def test_weights_and_other_files_of_users_are_neither_copied_nor_touched(host: Host) -> None:
    own = {"tiny/model.bin": "large", "tiny/modeling.py": "# mine\n", "notes/out.py": CODE}
    for name, text in own.items():
        host.write(name, text)
    host.write("a.py", "# edited after the checkout\n")
    before = {name: (host.checkout / name).stat() for name in own}
    assert host.migrate().returncode == 0
    host.finish()
    assert (host.tree / "a.py").read_text() == MIGRATED
    assert (host.tree / "tiny/modeling.py").read_text() == MIGRATED
    assert (host.tree / "tiny/model.bin").is_symlink()
    assert not (host.tree / "notes").exists()
    for name, text in own.items():
        now, was = (host.checkout / name).stat(), before[name]
        assert (host.checkout / name).read_text() == text
        assert (now.st_ino, now.st_ctime_ns) == (was.st_ino, was.st_ctime_ns)


def test_a_folder_of_weights_that_is_a_link_is_not_written_through(host: Host) -> None:
    (host.checkout / "tiny").symlink_to(host.weights)
    assert host.migrate().returncode == 0
    host.finish()
    assert (host.tree / "tiny/modeling.py").read_text() == MIGRATED
    assert (host.weights / "modeling.py").read_text() == CODE


def test_checkouts_inside_are_migrated_with_it(host: Host) -> None:
    inner = host.checkout / "third/inner"
    inner.mkdir(parents=True)
    (inner / "b.py").write_text(CODE)
    host.git("init", "-q", "--template=", at=inner)
    host.git("add", ".", at=inner)
    host.git("commit", "-qm", "text", at=inner)
    (inner / "untracked.py").write_text(CODE)
    assert host.migrate(nested=str(inner)).returncode == 0
    assert (host.tree / "third/inner/b.py").read_text() == MIGRATED
    assert not (host.tree / "third/inner/untracked.py").exists()


def test_the_tools_own_tree_is_replaced(host: Host) -> None:
    assert host.migrate().returncode == 0
    host.finish()
    (host.checkout / "a.py").unlink()
    host.write("c.py", CODE)
    host.commit()
    assert host.migrate().returncode == 0
    assert not (host.tree / "a.py").exists() and (host.tree / "c.py").exists()
    assert host.kept() == []


@pytest.mark.parametrize("adopted", [False, True])
def test_a_tree_of_somebody_is_kept_under_another_name(host: Host, adopted: bool) -> None:
    (host.tree / "tiny").mkdir(parents=True)
    (host.tree / "tiny/model.bin").write_text("14 GB")
    identity = (host.tree / "tiny/model.bin").stat().st_ino
    if adopted:  # and then as it was stamped, even while a patch was interrupted
        assert host.run("stamp-tree", "tree-model", "digest", host.tree).returncode == 0
        for name in ("adopted", "running"):
            (host.stamps / f"tree-model.{name}").touch()
    done = host.migrate()
    assert done.returncode == 0
    (kept,) = host.kept()
    assert (kept / "tiny/model.bin").stat().st_ino == identity
    assert f"kept what was at {host.tree} as {kept}" in done.stdout
    assert not (host.stamps / "tree-model.adopted").exists()
    host.finish()
    assert host.migrate().returncode == 0 and host.kept() == [kept]


def take_over(host: Host, signature: str, *stamps: str) -> subprocess.CompletedProcess[str]:
    return host.run("adopt-tree", host.tree, "tree-model", signature, *stamps)


def sign(folder: Path) -> str:
    words = ["sh", "-c", f"{COMMON}\nsignature {folder}"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_a_tree_that_is_taken_over_stays_as_it_is_and_somebodys(host: Host) -> None:
    (host.tree / "tiny").mkdir(parents=True)
    (host.tree / "tiny/modeling.py").write_text(MIGRATED)
    (host.stamps).mkdir(parents=True)
    (host.stamps / "tree-model.running").touch()
    before = (host.tree / "tiny/modeling.py").stat()
    assert take_over(host, sign(host.tree), "patch-1", "0" * 64).returncode == 0
    assert (host.tree / "tiny/modeling.py").stat().st_ctime_ns == before.st_ctime_ns
    assert (host.stamps / "patch-1").read_text() == "0" * 64 + "\n"
    assert not (host.stamps / "tree-model.running").exists()
    host.finish()
    assert (host.tree / "tiny/model.bin").readlink() == host.weights / "model.bin"
    assert host.recorded() == {
        ("adopted", f"tree:{host.tree}", ""),
        ("adopted", f"link:{host.tree}/tiny/model.bin", f"{host.weights}/model.bin"),
    }
    # a later release makes its own, and that one is not somebody's
    assert host.migrate().returncode == 0
    host.finish()
    (kept,) = host.kept()
    assert (kept / "tiny/modeling.py").read_text() == MIGRATED
    assert ("tree", str(host.tree), str(host.stamps / "tree-model")) in host.recorded()
    assert host.migrate().returncode == 0 and host.kept() == [kept]


def test_a_retirement_leaves_a_taken_over_tree_without_the_links_in_it(host: Host) -> None:
    host.tree.mkdir()
    (host.tree / "a.py").write_text(MIGRATED)
    (host.state).mkdir()
    # an earlier tree at this place was the tool's own
    (host.state / "made").write_text(f"t\ttree\t{host.tree}\t{host.stamps}/tree-model\t\n")
    assert take_over(host, sign(host.tree)).returncode == 0
    host.finish()
    assert (host.tree / "tiny/model.bin").is_symlink()
    things = sorted(f"{kind}\t{name}\n" for kind, name, _ in host.recorded())
    done = host.run("remove-made", "", given="".join(things))
    assert done.returncode == 0, done.stdout + done.stderr
    done = host.run("remove-made", "", given=f"folder\t{host.tree}/tiny\n")
    assert host.list_tree(host.tree) == {"a.py"} and not (host.tree / "tiny").exists()
    assert (host.weights / "model.bin").exists()


def test_a_link_of_somebody_in_a_taken_over_tree_gets_its_name_back(host: Host) -> None:
    (host.tree / "tiny").mkdir(parents=True)
    link = host.tree / "tiny/model.bin"
    link.symlink_to("/somewhere/in/a/container")
    host.state.mkdir()
    assert take_over(host, sign(host.tree)).returncode == 0
    host.finish()
    assert link.readlink() == host.weights / "model.bin"
    for kind in ("adopted", "kept"):
        things = {f"{what}\t{name}\n" for what, name, _ in host.recorded() if what == kind}
        done = host.run("remove-made", "", given="".join(sorted(things)))
        assert done.returncode == 0, done.stdout + done.stderr
    assert os.readlink(link) == "/somewhere/in/a/container"


def test_a_tree_that_has_changed_since_it_was_compared_is_not_taken_over(host: Host) -> None:
    (host.tree / "tiny").mkdir(parents=True)
    signature = sign(host.tree)
    (host.tree / "tiny/a.py").touch()
    done = take_over(host, signature)
    assert done.returncode == 1 and "has changed" in done.stdout
    assert not host.state.exists()


def test_a_tool_that_fails_leaves_the_tree_as_it_was(host: Host) -> None:
    assert host.migrate().returncode == 0
    host.finish()
    before = (host.tree / "a.py").stat().st_ino
    stamp = (host.stamps / "tree-model").read_text()
    (host.root / "python/torch.py").unlink()
    done = host.migrate()
    assert done.returncode == 1
    assert "did not reach its last line" in done.stdout
    assert (host.tree / "a.py").stat().st_ino == before
    assert (host.stamps / "tree-model").read_text() == stamp


def test_half_a_tree_of_an_interrupted_run_is_nobodys_edit(host: Host) -> None:
    half = host.tree.with_name("model_mlu.mlufleet-part")
    (half / "model/old").mkdir(parents=True)
    (half / "model_mlu").mkdir()
    assert host.migrate().returncode == 0
    # killed before it was stamped
    assert host.migrate().returncode == 0
    assert host.kept() == [] and not (host.tree / "old").exists() and not half.exists()


def test_a_tree_without_torch_code_is_no_success(host: Host) -> None:
    shutil.rmtree(host.weights)
    host.write("a.py", "pass\n")
    host.commit()
    done = host.migrate()
    assert done.returncode == 1 and "nothing was migrated" in done.stdout
    assert not host.tree.exists()


@pytest.mark.parametrize("names", [("model.bin",), ("model.bin", "modeling.py", "tokenizer.py")])
def test_weights_with_and_without_code_are_linked(host: Host, names: tuple[str, ...]) -> None:
    weights, tree = host.root / "others", host.tree / "others"
    weights.mkdir()
    tree.mkdir(parents=True)
    for name in names:
        (weights / name).write_text(name)
        if name.endswith(".py"):
            (tree / name).write_text("migrated")
    assert host.run("link-weights", weights, tree).returncode == 0
    links = {file.name for file in tree.iterdir() if file.is_symlink()}
    assert links == {name for name in names if not name.endswith(".py")}
