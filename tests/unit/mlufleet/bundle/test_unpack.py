"""Files and names of the wrong kind, given to commands: told in a sentence."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet.errors import CodedInputError
from mlufleet.bundle.unpack import unpack_bundle
from mlufleet.cli.main import main
from mlufleet.journal import journal
from tests.waiting import PATIENCE_S


@pytest.mark.parametrize(
    "content, told",
    [
        (b"<html>login</html>", "it is a web page"),
        (b"", "it is empty"),
        (b"# v2 git bundle\n", "it is a git bundle"),
        (gzip.compress(b"x" * 600), "a gzip file"),
    ],
)
def test_what_is_no_bundle_is_told_by_what_it_is(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "site.tar").write_bytes(content)
    with pytest.raises(CodedInputError, match=told):
        unpack_bundle(tmp_path / "site.tar", tmp_path / "site", None, lambda _: lambda _: None)


def test_a_rollout_of_another_version_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "RUNS", tmp_path)
    events = [{"kind": "run"}, {"kind": "rollout", "plan": {"kind": "rollout"}, "resumes": ""}]
    run = tmp_path / "20260101-000000-1"
    run.mkdir()
    (run / "journal.jsonl").write_text(
        "".join(json.dumps({"time": 1.0, "host": "", **one}) + "\n" for one in events)
    )

    done = CliRunner().invoke(main, ["rollout", "--resume"])

    assert done.exit_code == 3, done.output
    assert "journal.jsonl: inventory: " in done.output


@pytest.mark.parametrize("name", ["../x", "a/b", "/tmp/x"])
def test_a_new_release_is_written_where_releases_are(name: str) -> None:
    done = CliRunner().invoke(main, ["new", name])

    assert done.exit_code == 3
    assert "a release name has no folder" in done.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_told_in_a_line() -> None:
    words = [sys.executable, "-m", "mlufleet", "explain"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=full,
            timeout=PATIENCE_S,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
