"""The repositories that hosts clone: real transformers, and small trees of the lab's own."""

import functools
import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.lab import paths
from tests.lab.steps import LabError, digest
from tests.lab.vendor.once import once
from tests.lab.vendor.run import run

TREES = Path(__file__).with_name("trees")
VERSION = "4.29.1"
SHA256 = "3dc9cd198918e140468edbf37d7edf3b7a75633655ce0771ce323bbf8c118c4d"
SDIST = paths.BUILD / f"transformers-{VERSION}.tar.gz"
SOURCE = paths.BUILD / f"transformers-{VERSION}"  # the same, unpacked
# as in the vendor's repository, which commits the link that its tutorial then tries to make
LINK = Path("pytorch1.9/baichuan/torch_gpu2mlu.py")
LINK_TARGET = "/torch/src/catch/tools/torch_gpu2mlu.py"
DATE = "2023-06-19T00:00:00+00:00"
# nothing of the machine's own settings, so that a tree gives the same commit everywhere
GIT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_NAME": "lab" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "lab@example.com" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_DATE": DATE for who in ("AUTHOR", "COMMITTER")},
}


def build() -> None:
    """Make every bare repository, and its bundle for hosts without a network.

    Raises:
        LabError: the source of transformers cannot be had, or git is missing.
    """
    once("transformers source", SHA256, [SDIST, SOURCE], _source)
    tag = f"v{VERSION}"
    repository("transformers", f"transformers-{tag}", SHA256, lambda: SOURCE, tag)
    for name in ("baichuan-7B", "dev-env-ubuntu"):
        repository(name, name, digest(TREES / name), functools.partial(_tree, name))


def repository(
    name: str, bundle: str, key: str, tree: Callable[[], Path], tag: str | None = None
) -> None:
    """Commit a tree into a bare repository, once.

    Args:
        name: of the repository.
        bundle: name of its bundle in the store.
        key: digest of the tree.
        tree: gives the directory that is committed.
        tag: of the commit, which is on main too.
    """
    bare, file = paths.UPSTREAM / f"{name}.git", paths.STORE / f"{bundle}.bundle"
    wanted = digest(Path(__file__), key)
    once(f"{name} repository", wanted, [bare, file], lambda: _commit(tree(), bare, file, tag))


def _commit(tree: Path, bare: Path, bundle: Path, tag: str | None) -> None:
    part = paths.BUILD / bare.name
    shutil.rmtree(part, ignore_errors=True)
    run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(part), environment=GIT)

    def git(*arguments: str) -> None:
        run("git", "--git-dir", str(part), "--work-tree", str(tree), *arguments, environment=GIT)

    (part / "info/exclude").write_text("__pycache__/\n*.part\n")
    git("add", "--all", ".")
    git("commit", "--quiet", "--message", f"{bare.stem} {tag or 'of the lab'}")
    if tag:
        git("tag", tag)
    (part / "index").unlink()
    git("-c", "pack.threads=1", "bundle", "create", "--quiet", f"{bundle}.part", "HEAD", "--all")
    Path(f"{bundle}.part").rename(bundle)
    shutil.rmtree(bare, ignore_errors=True)
    bare.parent.mkdir(parents=True, exist_ok=True)
    part.rename(bare)


def _tree(name: str) -> Path:
    copy = paths.BUILD / "trees" / name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(TREES / name, copy)
    if (copy / LINK.parent).is_dir():
        (copy / LINK).symlink_to(LINK_TARGET)
    return copy


def _source() -> None:
    run(
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-binary",
        ":all:",
        f"transformers=={VERSION}",
        "--dest",
        str(paths.BUILD),
    )
    given = hashlib.sha256(SDIST.read_bytes()).hexdigest()
    if given != SHA256:
        SDIST.unlink()
        raise LabError(f"{SDIST.name} has sha256 {given}, expected {SHA256}: is the index a copy?")
    shutil.rmtree(SOURCE, ignore_errors=True)
    run("tar", "--no-same-owner", "-xzf", str(SDIST), "-C", str(paths.BUILD))
