"""The script that runs pip in a container gives it the requirements file without some names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "files/scripts/pip.sh"
#: runs in place what it is to run in a container, and keeps the filtered file
DOCKER = """#!/bin/sh
shift 2
if [ "$1" = sh ]; then
  script=$(printf '%s' "$3" | sed "s#/tmp/mlufleet-requirements.txt#$COPY#")
  shift 3
  exec sh -c "$script" "$@"
fi
"""


def filtered(tmp_path: Path, text: str | None, exclude: str = "") -> str | None:
    """What pip gets of a requirements file; None if the script fails."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    copy, original = tmp_path / "copy", tmp_path / "tree/requirements.txt"
    if text is not None:
        original.parent.mkdir()
        original.write_text(text)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "COPY": str(copy)}
    words = ["sh", str(SCRIPT), "name", "python", str(original), exclude, "install"]
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, check=False)
    return copy.read_text().replace(str(tmp_path), "") if done.returncode == 0 else None


def test_whole_names_are_left_out(tmp_path: Path) -> None:
    text = "torch==1.9\ntorchvision\n Torch>1\ntorch-scatter\nsix\n"
    assert filtered(tmp_path, text, "torch|six") == "torchvision\ntorch-scatter\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-r more/base.txt", "-r /tree/more/base.txt"),
        ("-cbase.txt", "-c/tree/base.txt"),
        ("--requirement base.txt", "--requirement /tree/base.txt"),
        ("--constraint=base.txt", "--constraint=/tree/base.txt"),
        ("-r /abs/base.txt", "-r /abs/base.txt"),
        ("-r https://x/base.txt", "-r https://x/base.txt"),
        ("--requirement /abs/base.txt", "--requirement /abs/base.txt"),
        ("requests -r", "requests -r"),
        ("-e git+https://x/y", "-e git+https://x/y"),
    ],
)
def test_included_files_are_found_beside_the_original(
    tmp_path: Path, line: str, expected: str
) -> None:
    assert filtered(tmp_path, f"{line}\n") == f"{expected}\n"


def test_a_file_that_is_missing_fails(tmp_path: Path) -> None:
    assert filtered(tmp_path, None) is None
