"""A release whose files are made up: a git tree, weights and an image, without an archive."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from fleet.proof import locking
from fleet.proof.inputs import ProofInputs
from fleet.proof.results import ProofResults
from fleet.release import files as release_files
from fleet.release.lockfile import LockedFile
from fleet.store.image_archive import Image
from fleet.store.measure import MeasuredStore
from fleet.store.source_tree import SourceTree

RELEASE = {
    "name": "tried",
    "driver": {"version": "5.10.10"},
    "image": {"file": "image.tar", "reference": "registry.example/torch:v1"},
    "container": {
        "name": "torch",
        "mounts": [{"host": "/data/work", "container": "/workspace"}],
    },
    "sources": [
        {"name": "model", "path": "/workspace/model", "bundle": "model.bundle", "tag": "v1"},
        {"name": "fork", "path": "/workspace/fork", "url": "https://example.org/f", "branch": "b"},
    ],
    "weights": [{"name": "tiny", "folder": "tiny", "target": "/data/work/weights"}],
    "migration": {"tool": "/torch/tool.py", "trees": ["model"]},
    "smoke": {
        "kind": "plain",
        "workdir": "/workspace/model_mlu",
        "command": ["python", "demo.py"],
        "expect": "42",
    },
}
TREE = {
    "demo.py": "import torch\nprint(torch.cuda.is_available())\n",
    "tools/chat.py": "path = 'a'\nprint('a')\nprint('a')\n",
    "requirements.txt": "numpy\n",
    "setup.py": "",
    "scripts/run.sh": "cuda\n",
}


@dataclass
class Tried:
    """What all checks have found of a release.

    Attributes:
        findings: each as "line: field: problem".
        unproved: the reason of each field.
        warnings: lines.
    """

    inputs: ProofInputs
    findings: list[str] = field(default_factory=list)
    unproved: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def wrong_fields(self) -> list[str]:
        return [finding.split(": ")[1] for finding in self.findings]


Try = Callable[..., Tried]


def open_tree(folder: Path, files: dict[str, str | bytes | Path]) -> SourceTree:
    """A commit with these files; a Path is the target of a symbolic link."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            path.symlink_to(content)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for words in (
        ["init", "-q", "--template="],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    words = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True)
    return SourceTree.open(folder / ".git", commit.stdout.strip())


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], SourceTree]:
    """Make a commit with files; the same files are made once."""
    made: dict[str, SourceTree] = {}

    def make(files: dict[str, Any]) -> SourceTree:
        if repr(files) not in made:
            made[repr(files)] = open_tree(tmp_path_factory.mktemp("tree") / "files", files)
        return made[repr(files)]

    return make


@pytest.fixture
def prove(tmp_path: Path, trees: Callable[[dict[str, Any]], SourceTree]) -> Try:
    """Run the checks on the release with other fields, files and weights."""

    def run(
        fields: dict[str, Any] | None = None,
        tree: dict[str, Any] | None = None,
        weights: dict[str, str] | None = None,
        image: Any = None,
    ) -> Tried:
        (tmp_path / "tried.yml").write_text(yaml.safe_dump(merge(RELEASE, fields or {})))
        document = release_files.load_document(tmp_path / "tried.yml")
        files = {}
        for name, text in (weights or {"config.json": "{}"}).items():
            path = tmp_path / "store/tiny" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            sha = hashlib.sha256(text.encode()).hexdigest()
            files[f"tiny/{name}"] = LockedFile(sha256=sha, size=len(text))
        found = Image()
        found.files = image
        measured = MeasuredStore(files, found, SimpleNamespace())
        sources = {"model": trees({**TREE, **(tree or {})}), "fork": None}
        inputs = ProofInputs(document.release, tmp_path / "store", measured, sources)
        tried = Tried(inputs)
        results = ProofResults(document, tried.warnings.append)
        for check in locking.CHECKS:
            if check.__module__.rpartition(".")[2] in CHECKS:
                check(inputs, results)
        tried.findings = [line.removeprefix(f"{tmp_path}/tried.yml:") for line in results.findings]
        tried.unproved = {point.field: point.reason for point in results.unproved}
        return tried

    return run


#: modules whose checks need no more than these files
CHECKS = ("patches", "commands", "expectations", "loading", "serving")


def merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return release_files.merge_fields(base, change)
