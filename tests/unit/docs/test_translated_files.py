"""Files that `init` and `release new` write in Chinese say what the English ones say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from fleet import language, paths
from fleet.language import CHINESE
from mlufleet.cli.init import SITE_FILES
from mlufleet.cli.main import main
from mlufleet.cli.release import SKELETON_FILE

TRANSLATED = [
    SKELETON_FILE,
    SITE_FILES["README.md"],
    paths.PROJECT_ROOT / "inventories/fleet.example.yml",
]
#: what both languages write alike: commands, keys and paths in backticks
CODE = re.compile(r"`([^`]+)`")
PLACEHOLDER = re.compile(r"<([^>]*)>")


@pytest.fixture
def in_chinese(speak: Callable[[str], None]) -> None:
    speak(CHINESE)


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: path.name)
def test_a_translation_has_the_same_code_and_data(path: Path, in_chinese: None) -> None:
    translated = language.find_translated_file(path)
    assert translated.name == f"{path.stem}.zh_CN{path.suffix}"
    ours, theirs = path.read_text(), translated.read_text()
    assert sorted(CODE.findall(theirs)) == sorted(CODE.findall(ours))
    assert re.search("[一-鿿]", theirs)
    if path.suffix == ".yml":
        # placeholders are words, and each is one value
        ours, theirs = (
            PLACEHOLDER.sub("<>", text.replace("@NAME@", "mine")) for text in (ours, theirs)
        )
        assert yaml.safe_load(theirs) == yaml.safe_load(ours)
        assert theirs.count("\n# ") == ours.count("\n# ")


def test_a_site_folder_is_in_the_language_of_who_makes_it(tmp_path: Path, in_chinese: None) -> None:
    done = CliRunner().invoke(main, ["init", str(tmp_path / "site")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "site/README.md").read_text().startswith("# MLU370 服务器集群")
    example = (tmp_path / "site/inventories/fleet.example.yml").read_text()
    assert example.startswith("# 复制为 fleet.yml")
    release = tmp_path / "mine.yml"
    assert CliRunner().invoke(main, ["release", "new", str(release)]).exit_code == 0
    assert release.read_text().startswith("# mine：")
