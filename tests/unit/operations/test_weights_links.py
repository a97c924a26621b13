"""Weights in a migrated tree: their code is converted with it, everything else is linked."""

import subprocess

import pytest

from fleet import paths

SCRIPTS = paths.FILES_FOLDER / "scripts"


def run(script, *arguments):
    command = ["sh", str(SCRIPTS / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("names", [("model.bin",), ("model.bin", "modeling.py", "tokenizer.py")])
def test_weights_with_and_without_code_are_linked(tmp_path, names):
    weights, tree = tmp_path / "weights", tmp_path / "tree/weights"
    weights.mkdir()
    for name in names:
        (weights / name).write_text(name)
    assert run("link-code.sh", weights, tree, "*.py", "*.json").returncode == 0
    code = {name for name in names if name.endswith(".py")}
    assert {file.name for file in tree.iterdir()} == code
    assert run("link-weights.sh", weights, tree).returncode == 0
    links = {file.name for file in tree.iterdir() if file.is_symlink()}
    assert links == set(names) - code


def test_code_that_cannot_be_copied_is_an_error(tmp_path):
    (tmp_path / "modeling.py").touch()
    (tmp_path / "occupied").touch()
    assert run("link-code.sh", tmp_path, tmp_path / "occupied", "*.py").returncode != 0
