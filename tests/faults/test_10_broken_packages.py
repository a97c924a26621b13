"""10: a package that its tool has not finished is finished once, or named; never removed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.faults.drivers import CONF, audit, deb, status, unpackage
from tests.lab import engine
from tests.lab import hosts as lab
from tests.runs import Done, ends_right, refused


def test_10_somebody_elses_broken_package_is_tried_once_then_named_and_kept(
    provisioned: Done,
) -> None:
    unpackage("u1604")
    theirs = deb("u1604", "theirs", "test -e /tmp/repaired")
    lab.run("u1604", f"echo '// mine' > {CONF}; apt-get install -y {theirs}", check=False)
    assert status("u1604", "theirs") == "install ok half-configured"
    before = audit("u1604")
    try:
        failure = refused("u1604", "PACKAGE_BROKEN")
        assert "theirs (half-configured)" in failure["sentence"]
        assert "cambricon" not in failure["sentence"]
        added = audit("u1604")[len(before) :]
        (line,) = [line for line in added if "dpkg --configure -a" in line]
        assert "\tdriver\tinstalling" in line and line.endswith("for theirs (half-configured)")
        assert status("u1604", "theirs") == "install ok half-configured"
        lab.run("u1604", "touch /tmp/repaired")
        ends_right("u1604")
        assert status("u1604", "theirs") == "install ok installed"
        assert lab.run("u1604", f"cat {CONF}") == "// mine"
    finally:
        lab.run("u1604", f"dpkg --purge theirs; rm -f {CONF} /tmp/repaired")


def database(to: Path) -> str:
    """Copy a host's rpm database here. Returns its place there."""
    place = lab.run("c7", "HOME=/root rpm --eval %{_dbpath}/rpmdb.sqlite")
    engine.docker("cp", f"{lab.PREFIX}c7:{place}", str(to))
    return place


def give(file: Path, place: str) -> None:
    """Make a file a host's rpm database, in a directory that can be renamed as on a real disk."""
    folder = place.rsplit("/", 1)[0]
    lab.run("c7", f"rm -rf {folder}; mkdir {folder}")
    engine.docker("cp", str(file), f"{lab.PREFIX}c7:{place}")


def test_10_an_rpm_database_with_a_spoilt_index_is_rebuilt_once(
    provisioned: Done, tmp_path: Path
) -> None:
    file = tmp_path / "rpmdb.sqlite"
    place = database(file)
    with sqlite3.connect(file) as books:
        (page,) = books.execute("SELECT rootpage FROM sqlite_master WHERE name = 'Name'").fetchone()
        (size,) = books.execute("PRAGMA page_size").fetchone()
    spoilt = bytearray(file.read_bytes())
    spoilt[(page - 1) * size : page * size] = b"\xff" * size
    file.write_bytes(spoilt)
    give(file, place)
    assert "malformed" in lab.run("c7", "HOME=/root rpm -q bash", check=False)
    before = audit("c7")
    done = ends_right("c7")
    (line,) = [line for line in audit("c7")[len(before) :] if "rpm --rebuilddb" in line]
    assert "malformed" in line
    assert any("rpmdb" in kept for kept in done.host("c7")["kept"])
    assert "cambricon-mlu-driver-centos7-5.10.10" in lab.run(
        "c7", "HOME=/root rpm -q cambricon-mlu-driver-centos7"
    )


def test_10_an_rpm_database_that_cannot_be_rebuilt_is_named_and_kept(
    provisioned: Done, tmp_path: Path
) -> None:
    file, spoilt = tmp_path / "rpmdb.sqlite", tmp_path / "spoilt"
    place = database(file)
    spoilt.write_bytes(b"spoilt" * 1000)
    give(spoilt, place)
    try:
        failure = refused("c7", "PACKAGE_BROKEN")
        assert place.rsplit("/", 1)[0] in failure["sentence"]
        kept = "cat $(ls -d /var/lib/mlufleet/kept/rpmdb-* | tail -n 1)/rpmdb.sqlite | head -c 6"
        assert lab.run("c7", kept) == "spoilt"
    finally:
        give(file, place)
    ends_right("c7")
