"""What a look at a host says of the files that its releases need."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.release.target import ReleaseTarget
from operations.adoption import files
from operations.adoption.findings import Finding, Relation
from operations.host.facts import HostFacts
from operations.stages import HostPlan
from operations.transfer.reuse import FoundFile, NeededFile, Search
from tests.unit.conftest import BARE, probe
from tests.unit.operations.stage_helpers import as_spec

#: the files of the release under test are tiny
SIZES = {"image.tar.gz": 9_000_000, "model.bin": 14_000_000}


@pytest.fixture(autouse=True)
def real_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files have sizes for which a host is searched."""
    needed = files.needed_files.Upload.needed_files

    def sized(upload: Any) -> list[NeededFile]:
        return [
            NeededFile(f.part, f.sha, SIZES.get(f.dest.rpartition("/")[2], f.size), f.dest)
            for f in needed(upload)
        ]

    monkeypatch.setattr(files.needed_files.Upload, "needed_files", sized)
    monkeypatch.setattr(files.connection, "connector_arguments", lambda _: {})


def inspect(
    monkeypatch: pytest.MonkeyPatch,
    target: ReleaseTarget,
    facts: HostFacts,
    there: dict[str, FoundFile],
    unsearched: tuple[str, ...] = (),
    failure: str = "",
) -> dict[str, Finding]:
    """The findings by item, of a host on which files of these names are found."""
    asked: list[str] = []

    def search(host: Any, arguments: Any, needed: list[NeededFile], phase: str) -> Search:
        assert phase == "look"
        asked.extend(file.dest.rpartition("/")[2] for file in needed)
        found = {
            f.part: there[name] for f in needed if (name := f.dest.rpartition("/")[2]) in there
        }
        return Search(found, list(unsearched), failure)

    monkeypatch.setattr(files.reuse, "search_host", search)
    spec = as_spec(target)
    host: Any = None
    findings = list(files.inspect_files(host, HostPlan(spec.target, spec.options, facts, {})))
    assert "driver.deb" not in asked, "a run does not search for so little either"
    return {finding.item: finding for finding in findings}


def test_what_lies_elsewhere_counts_as_not_to_be_sent(
    monkeypatch: pytest.MonkeyPatch, wanted: ReleaseTarget
) -> None:
    there = {
        "image.tar.gz": FoundFile("copy", "kang", "/home/kang/image.tar.gz"),
        "model.bin": FoundFile("link", "root", "/data/github/x/model.bin"),
    }
    # its drift would end at a checkout with edits: all the same, everything is looked at
    found = inspect(monkeypatch, wanted, probe(*BARE), there)
    image, weights = found["image archive"], found["weights tiny"]
    assert (image.relation, image.place, image.owner) == (
        Relation.REUSABLE,
        "/home/kang/image.tar.gz",
        "kang",
    )
    assert (image.reused_bytes, image.sent_bytes) == (9_000_000, 0)
    assert image.action.startswith("copy 1 file ") and weights.action.startswith("link 1 file ")
    assert (weights.owner, weights.evidence) == ("", "size and sha256")
    driver = found["driver package"]
    assert driver.relation is Relation.MISSING and driver.sent_bytes > 0
    assert {"wheels and packages", "git bundle of model"} < set(found)


def test_what_is_not_found_is_to_be_sent_and_what_was_not_searched_is_named(
    monkeypatch: pytest.MonkeyPatch, wanted: ReleaseTarget
) -> None:
    reason = "/home: nfs4 server:/home is a network file system"
    found = inspect(monkeypatch, wanted, probe(*BARE), {}, (reason,))
    image = found["image archive"]
    assert (image.relation, image.sent_bytes, image.reused_bytes) == (
        Relation.MISSING,
        9_000_000,
        0,
    )
    assert image.differences == (reason,)


def test_a_search_that_failed_says_nothing_of_what_it_did_not_find(
    monkeypatch: pytest.MonkeyPatch, wanted: ReleaseTarget
) -> None:
    there = {"model.bin": FoundFile("link", "root", "/data/github/x/model.bin")}
    found = inspect(monkeypatch, wanted, probe(*BARE), there, failure="Terminated")
    image, weights = found["image archive"], found["weights tiny"]
    assert (image.relation, image.differences) == (Relation.UNKNOWN, ("Terminated",))
    assert image.sent_bytes == 9_000_000
    assert weights.relation is Relation.REUSABLE
    assert found["driver package"].relation is Relation.MISSING  # not searched for


def test_weights_at_their_place_without_a_record_are_recognized_by_content(
    monkeypatch: pytest.MonkeyPatch, wanted: ReleaseTarget
) -> None:
    there = {"model.bin": FoundFile("place", "root", "/data/models/tiny/model.bin")}
    weights = inspect(monkeypatch, wanted, probe(*BARE), there)["weights tiny"]
    assert (weights.relation, weights.action) == (Relation.PRESENT, "")
    assert (weights.reused_bytes, weights.sent_bytes) == (14_000_000, 0)
