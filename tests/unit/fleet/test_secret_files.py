"""Files with secrets: who may read them, and what may be in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.secret_files import MIN_KEY_LENGTH, read_key, read_private_file, read_secret


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_secret_is_the_only_line_and_a_key_the_only_word(tmp_path: Path) -> None:
    path = write(tmp_path / "secret", "  gehört uns \n\n".encode())
    assert read_secret(path, "field") == "gehört uns"
    assert read_key(write(path, b"\n" + b"k" * MIN_KEY_LENGTH + b"\r\n"), "field").strip("k") == ""


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not one word"),
        (b"s3cret", "16 characters"),
        (b"s3cret" * 4 + b" x", "not one word"),
        ("s3cretß".encode() * 4, "not ASCII"),
        (b"s3cret\x01" * 4, "not ASCII"),
        (b"s3cret" * 200, "at most 1024"),  # servers refuse long headers
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(
    content: bytes, what: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=what) as error:
        read_key(write(tmp_path / "key", content), "field")
    assert str(error.value).startswith(f"field: {tmp_path}/key: ")
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b" \ns3cret", b"s3cret\ns3cret", b"s3cret\xff"])
def test_what_is_no_secret_is_refused_and_not_repeated(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"^field: {tmp_path}/secret: ") as error:
        read_secret(write(tmp_path / "secret", content), "field")
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610])
def test_a_file_that_others_can_use_is_refused_also_behind_a_link(
    mode: int, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(write(tmp_path / "secret", b"s3cret", mode))
    with pytest.raises(InvalidInput, match=f"run `chmod 600 {link}`"):
        read_private_file(link, "field")


def test_a_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match=r"^field: No such file"):
        read_private_file(tmp_path / "none", "field")
    with pytest.raises(InvalidInput, match=r"^field: Is a directory"):
        read_private_file(tmp_path, "field")
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "secret", b"s3cret")
    assert read_private_file("~/secret", "field") == b"s3cret"
