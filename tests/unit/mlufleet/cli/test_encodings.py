"""Output whose encoding cannot show all characters: nothing is lost, and nothing fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.language import LANGUAGE_VARIABLE, LOCALE_VARIABLES
from mlufleet.watch.store import Store
from tests.unit import PROJECT

#: variables of the environment -> the encoding of the output, and whether it is in Chinese
ENVIRONMENTS = {
    "posix": ({"LC_ALL": "POSIX", "LANG": "zh_CN.UTF-8"}, "utf-8", False),
    "ascii": ({"LANG": "zh_CN.UTF-8", "PYTHONIOENCODING": "ascii"}, "ascii", False),
    "latin": ({"LANG": "zh_CN.UTF-8", "PYTHONIOENCODING": "latin-1"}, "latin-1", False),
    "gb18030": ({"LANG": "zh_CN.GB18030", "PYTHONIOENCODING": "gb18030"}, "gb18030", True),
    "not installed": ({"LANG": "zh_CN.GB18030"}, "utf-8", True),
    "chosen": ({"MLUFLEET_LANG": "zh_CN", "PYTHONIOENCODING": "ascii"}, "ascii", True),
}


def run(variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a process with these variables of the locale."""
    others = {*LOCALE_VARIABLES, LANGUAGE_VARIABLE, "LANGUAGE", "PYTHONIOENCODING", "PYTHONUTF8"}
    kept = {name: value for name, value in os.environ.items() if name not in others}
    return subprocess.run(
        [sys.executable, "-c", "from mlufleet.cli.main import main; main()", *words],
        env={**kept, **variables, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
    )


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_help_and_remedies_are_printed_whole(name: str) -> None:
    variables, encoding, is_chinese = ENVIRONMENTS[name]
    shown = run(variables, "host", "quarantine", "--help")
    assert shown.returncode == 0 and not shown.stderr
    text = shown.stdout.decode(encoding)
    ellipsis = "…".encode(encoding, "backslashreplace").decode(encoding)
    assert f"{ellipsis}_STATUS" in text
    assert ("Failure code" in text) is not is_chinese
    assert run(variables, "explain", "UNREACHABLE").returncode == 0


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_wrong_input_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    variables, encoding, _is_chinese = ENVIRONMENTS[name]
    missing = tmp_path / "集群.py"
    done = run(variables, "inventory", "check", str(missing))
    lines = done.stderr.decode(encoding).splitlines()
    assert done.returncode == 3 and len(lines) == 1
    escaped = "集群.py".encode(encoding, "backslashreplace").decode(encoding)
    assert escaped in lines[0]


def test_what_click_and_what_rich_print_is_escaped_alike_for_ascii(tmp_path: Path) -> None:
    variables = {"MLUFLEET_LANG": "zh_CN", "PYTHONIOENCODING": "ascii"}
    Store(tmp_path).close()
    by_click = run(variables, "--help").stdout
    by_rich = run(variables, "history", "--state", str(tmp_path)).stdout
    whole = run({"MLUFLEET_LANG": "zh_CN", "PYTHONIOENCODING": "utf-8"}, "--help").stdout.decode()
    assert by_click == whole.encode("ascii", "backslashreplace")
    assert by_rich.isascii() and "\\u95ee\\u9898" in by_rich.decode()
