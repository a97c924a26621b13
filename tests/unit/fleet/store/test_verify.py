from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fleet.checksum import chunks
from fleet.documents import strict_yaml
from fleet.errors import FAILURE_TABLE
from fleet.release import files
from fleet.release.lockfile import LockedFile
from fleet.release.target import ReleaseTarget
from fleet.store.targets import load_release_target
from fleet.store.verify import check_file
from mlufleet.cli.main import main
from tests.unit.conftest import NUMPY


def verify(site: Path, *options: str) -> tuple[int, str]:
    words = ["verify", str(site / "small.yml"), "--store", str(site / "store"), *options]
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.stdout


def test_a_right_store_exits_0(site: Path, wanted: ReleaseTarget) -> None:
    status, said = verify(site)
    assert status == 0
    count = len(wanted.lock.files)
    assert f"{count} of {count} files" in said


@pytest.mark.parametrize(
    "name",
    [
        "driver.deb",
        "image.tar.gz",
        "model.bundle",
        f"wheels/{NUMPY}",
        "weights/model.bin",
        "docker/docker.io.deb",
    ],
)
def test_a_changed_byte_of_any_kind_of_file_is_found_though_its_sum_is_known(
    site: Path, wanted: ReleaseTarget, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_release_target.cache_clear()
    load_release_target(
        str(site / "small.yml"), str(site / "store")
    )  # the cache of sums knows all of it
    monkeypatch.setattr("fleet.checksum.cache._get_file_identity", lambda path: "the same")
    path = site / "store" / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    status, said = verify(site, "--json")
    (found,) = json.loads(said)["wrong"]
    assert status == 3
    assert (found["path"], found["code"]) == (str(path), "CHECKSUM_MISMATCH")
    assert found["remedy"] == FAILURE_TABLE["CHECKSUM_MISMATCH"][1]


def test_a_missing_and_a_short_file_are_told_with_what_is_expected(
    site: Path, wanted: ReleaseTarget
) -> None:
    (site / "store/driver.deb").unlink()
    (site / "store/driver.rpm").write_bytes(b"rp")
    status, said = verify(site)
    assert status == 3
    assert wanted.lock.files["driver.deb"].sha256 in said
    assert f"2 bytes, the lock has {wanted.lock.files['driver.rpm'].size}" in said
    assert (
        FAILURE_TABLE["FILE_MISSING"][1] in said and FAILURE_TABLE["CHECKSUM_MISMATCH"][1] in said
    )


def test_where_a_big_file_begins_to_differ_is_told(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(bytes(chunks.CHUNK_BYTES * 2 + 5))
    sha, _ = chunks.hash_file(path, lambda _: None)
    locked = LockedFile(sha256=sha, size=path.stat().st_size)
    assert check_file(path, locked, lambda _: None) is None
    with path.open("r+b") as content:
        content.seek(chunks.CHUNK_BYTES + 7)
        content.write(b"x")
    failure = check_file(path, locked, lambda _: None)
    assert failure and f"after byte {chunks.CHUNK_BYTES}" in failure.detail


def test_a_release_that_changed_since_its_lock_is_not_verified(
    site: Path, wanted: ReleaseTarget
) -> None:
    path = site / "small.yml"
    path.write_text(path.read_text().replace("name: torch", "name: other"))
    assert verify(site)[0] == 3


def test_where_files_come_from_is_no_part_of_what_a_host_must_be(
    site: Path, wanted: ReleaseTarget
) -> None:
    path = site / "small.yml"
    path.write_text(
        path.read_text().replace(
            "{file: driver.deb,", "{file: driver.deb, url: 'https://example.com/d',"
        )
        + "mirror: https://example.com/\n"
    )
    assert files.load_release(path).mirror
    assert files.load_release(path).digest == wanted.release.digest


def test_what_a_release_extends_is_in_its_flat_form(site: Path, wanted: ReleaseTarget) -> None:
    (site / "next.yml").write_text("extends: small\nname: next\ncontainer: {shm_size: 1g}\n")
    flat: dict[str, Any] = files.load_merged_fields(site / "next.yml")
    data, _ = strict_yaml.load(json.dumps(flat))
    assert isinstance(data, dict) and "extends" not in data
    (site / "flat.yml").write_text(json.dumps(flat))
    assert (
        files.load_release(site / "flat.yml").digest == files.load_release(site / "next.yml").digest
    )
