"""What YAML reads as something else than it says, or cannot be read at all, has a line."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from fleet.documents import loading, strict_yaml
from fleet.errors import InvalidInput

LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)
)
TALL = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60))

REFUSED = {
    "aliases that explode": (LAUGHS, 8, "more than 5000 values"),
    "aliases that pile up": (TALL, 50, "50 levels"),
    "a list in itself": ("a: 1\nb: &b [*b]\n", 2, r"recursive alias \*b"),
    "a mapping in itself": ("a: &a {b: *a}\n", 1, r"recursive alias \*a"),
    "an alias of nothing": ("a: *b\n", 1, "undefined alias"),
    "deep nesting": ("a:\n " + "[" * 100_000, 2, "deeper than 50"),
    "deep indentation": ("a: " + "- " * 100_000, 1, "deeper than 50|not allowed"),
    "many values": ("a: [" + "1," * 200_000 + "]", 1, "more than 5000 values"),
    "a tab": ("a:\n\tb: 1\n", 2, "cannot start any token"),
    "NUL": ("a: 1\nb: \0\n", 2, "control character"),
    "an escaped NUL": ('a: 1\nb: "x\\0"\n', 2, "NUL"),
    "half a surrogate": ('a: 1\nb: "\\ud800"\n', 2, "surrogate"),
    "a number as key": ("hosts:\n  1: {}\n", 2, 'YAML reads 1 as a number; .* "1"'),
    "yes as key": ("yes: 1\n", 1, "YAML reads yes as true or false"),
    "a date as key": ("a: 1\n2001-01-01: 1\n", 2, "as a date"),
    "a list as key": ("? [a]\n: 1\n", 1, "a key must be a string"),
    "a nested key twice": ("a:\n  b: 1\n  c: 2\n  b: 3\n", 4, "'b', first in line 2"),
    "a merged key twice": ("a: &a {b: 1}\nc: {<<: *a, b: 2, b: 3}\n", 2, "duplicate key 'b'"),
    "a date that is none": ("a: 1\nb: 2001-99-99\n", 2, "month must be in 1..12"),
    "an octal number": ("a: 1\nb: 010\n", 2, "write it in decimal"),
    "a number of base 60": ("a: 12:30\n", 1, "write it in decimal"),
    "a tag that does not fit": ("a: !!int x\n", 1, "x is not a plain decimal"),
    "a tag of Python": ("a: 1\nb: !!python/object:os.system x\n", 2, "constructor for the tag"),
    "two documents": ("a: 1\n---\nb: 1\n", 2, "another document"),
    "an empty file": ("", 1, "expected a mapping"),
    "only a comment": ("# nothing\n", 1, "expected a mapping"),
    "a list at the top": ("- a\n", 1, "expected a mapping"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_line_in_no_time(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict_yaml, "MAX_VALUES", 5000)
    text, line, problem = REFUSED[name]
    path = tmp_path / "a.yml"
    path.write_text(text)
    started = time.monotonic()
    with pytest.raises(InvalidInput, match=rf"a\.yml:{line}: .*({problem})"):
        loading.read_mapping(path)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: 1\nb: \xff\n", r"a\.yml:2: not UTF-8"),
        ("a: 1\n".encode("utf-16")[:-1], r"a\.yml:1: not UTF-16"),
        (b"# " + b"x" * 5_000_000, r"a\.yml: larger than"),
    ],
    ids=["Latin-1", "UTF-16", "5 MB"],
)
def test_bytes_that_are_no_text_are_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_bytes(content)
    with pytest.raises(InvalidInput, match=problem):
        loading.read_mapping(tmp_path / "a.yml")


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("\ufeffa: 1\r\nb: x\r\n", {"a": 1, "b": "x"}),
        ("a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ('"1": x\n', {"1": "x"}),
        ("a: !!str 010\n", {"a": "010"}),
    ],
    ids=["BOM and CRLF", "merge", "quoted key", "tagged"],
)
def test_what_is_no_trap_is_read(text: str, data: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_bytes(text.encode())
    assert loading.read_mapping(tmp_path / "a.yml")[0] == data
