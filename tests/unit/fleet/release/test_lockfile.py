from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fleet.checksum import cache
from fleet.errors import InvalidInput
from fleet.proof import locking
from fleet.release import files
from fleet.release import lockfile as locks
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.store import measure
from fleet.store.targets import load_release_target
from mlufleet.cli.release_description import describe_release
from operations import stages
from operations.host.facts import HostFacts
from operations.stage import HostOptions, HostSpec
from tests.unit.conftest import REFERENCE, archive, git


def make(site: Path) -> locks.Lock:
    return locking.create_lock(files.load_document(site / "small.yml"), site / "store")


def flip(path: Path) -> None:
    """Another last byte."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_a_lock_has_the_bytes_the_image_id_and_the_tags_commit(
    site: Path, wanted: ReleaseTarget
) -> None:
    driver, content = wanted.lock.files["driver.deb"], (site / "store/driver.deb").read_bytes()
    assert (driver.size, driver.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert wanted.lock.image.id == archive(site / "again.tar.gz", [REFERENCE])
    assert wanted.lock.commits == {"model": (site / "commit").read_text()}  # not the tag's object


def test_a_lock_has_the_engines_packages(site: Path, wanted: ReleaseTarget) -> None:
    assert (
        wanted.lock.files_in("docker")["docker.io.deb"].size
        == (site / "store/docker/docker.io.deb").stat().st_size
    )


def test_the_vendors_md5sum_is_believed_over_the_file(site: Path) -> None:
    (site / "store/driver.deb.md5sum").write_text("0" * 32 + "  driver.deb\n")
    with pytest.raises(InvalidInput, match=r"driver\.deb: md5 is"):
        make(site)


def test_a_missing_artifact_is_named(site: Path) -> None:
    (site / "store/driver.rpm").unlink()
    with pytest.raises(InvalidInput, match=r"driver\.rpm"):
        make(site)


def test_the_tag_is_read_from_the_archive_not_from_its_name(site: Path) -> None:
    archive(site / "store/image.tar.gz", ["registry.example/torch:v1-release"])
    with pytest.raises(InvalidInput, match="v1-release"):
        make(site)


def test_a_truncated_image_archive_is_refused(site: Path) -> None:
    (site / "store/image.tar.gz").write_bytes(b"\x1f\x8b\x08not really")
    with pytest.raises(InvalidInput, match="not a Docker image archive"):
        make(site)


def test_a_tag_that_the_bundle_has_not_is_refused(site: Path) -> None:
    path = site / "small.yml"
    path.write_text(path.read_text().replace("tag: v1}", "tag: v9}"))
    with pytest.raises(InvalidInput, match="has no v9"):
        make(site)


def test_a_commit_that_the_bundle_has_not_is_named(site: Path) -> None:
    path, commit = site / "small.yml", "1" * 40
    path.write_text(path.read_text().replace("tag: v1}", f"commit: '{commit}'}}"))
    with pytest.raises(InvalidInput, match=rf"model\.bundle has no commit {commit}$"):
        make(site)


def test_where_nothing_is_pinned_the_lock_takes_the_head_of_the_bundle(site: Path) -> None:
    path = site / "small.yml"
    path.write_text(path.read_text().replace("tag: v1}", "unpinned: true}"))
    assert make(site).commits == {"model": (site / "commit").read_text()}


def test_an_abbreviated_commit_is_a_full_one_in_the_lock(site: Path) -> None:
    path, commit = site / "small.yml", (site / "commit").read_text()
    path.write_text(path.read_text().replace("tag: v1}", f"commit: '{commit[:12]}'}}"))
    assert make(site).commits == {"model": commit}


def test_weights_that_are_a_checkout_of_another_commit_are_refused(
    site: Path, template: Path
) -> None:
    path, folder = site / "small.yml", site / "store/weights"
    git("init", "-q", cwd=folder)
    git("add", ".", cwd=folder)
    git("commit", "-qm", "weights", cwd=folder)
    head = git("rev-parse", "HEAD", cwd=folder)
    text = path.read_text()
    path.write_text(text.replace("folder: weights,", f"folder: weights, commit: '{head[:10]}',"))
    assert set(make(site).files_in("weights")) == {"model.bin"}  # nothing of .git
    path.write_text(text.replace("folder: weights,", f"folder: weights, commit: '{'1' * 10}',"))
    with pytest.raises(InvalidInput, match=f"is at commit {head}, but the release has 1111111111"):
        make(site)


@pytest.mark.parametrize("pin", ["tag: v1", "branch: main", "unpinned: true"])
def test_a_source_without_a_bundle_is_resolved_at_its_url(
    site: Path, template: Path, pin: str
) -> None:
    path = site / "small.yml"
    url = f"url: {template}/upstream, {pin}"
    path.write_text(path.read_text().replace("bundle: model.bundle, tag: v1", url))
    # a branch whose name ends like the one that is meant comes first in git's own listing
    assert make(site).commits == {"model": (site / "commit").read_text()}


def test_a_changed_release_needs_a_new_lock(site: Path, wanted: ReleaseTarget) -> None:
    path = site / "small.yml"
    path.write_text(path.read_text().replace("5.10.10", "5.10.22"))
    with pytest.raises(InvalidInput, match=r"mlufleet .*lock"):
        load_release_target(str(path), str(site / "store"))


def test_a_file_of_another_size_is_found_before_any_host(site: Path, wanted: ReleaseTarget) -> None:
    (site / "store/driver.deb").write_bytes(b"longer")
    size = wanted.lock.files["driver.deb"].size
    with pytest.raises(InvalidInput, match=f" 6 bytes, .* {size} "):
        load_release_target(str(site / "small.yml"), str(site / "store"))


def test_a_flipped_byte_is_found_before_any_host(site: Path, wanted: ReleaseTarget) -> None:
    assert measure.check_store(wanted.release, wanted.lock, wanted.store) == []
    flip(site / "store/driver.deb")
    found = measure.check_store(wanted.release, wanted.lock, wanted.store)
    assert len(found) == 1 and f"{site}/store/driver.deb: " in found[0]


def test_a_file_that_was_not_touched_is_read_once_and_by_the_full_check_again(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> locks.LockedFile:
        raise AssertionError(f"{path} is read")

    assert measure.check_store(wanted.release, wanted.lock, wanted.store) == []
    monkeypatch.setattr(measure, "measure_file", read)
    assert measure.check_store(wanted.release, wanted.lock, wanted.store) == []
    with pytest.raises(AssertionError, match="is read"):
        measure.check_store(wanted.release, wanted.lock, wanted.store, full=True)


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 5}', "[" * 100_000, None])
def test_sums_that_cannot_be_kept_or_read_are_found_again(
    site: Path, wanted: ReleaseTarget, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(site / "small.yml"))
    else:
        cache.index_path().write_text(text)
    flip(site / "store/driver.deb")
    assert len(measure.check_store(wanted.release, wanted.lock, wanted.store)) == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"size": ', '"size": -', "files.driver.deb.size: expected 0 or more, got -"),
        ('"id": "sha256:', '"id": "\'; x', "image.id: "),
        ('"driver.deb"', '"../driver.deb"', "files.../driver.deb: '../driver.deb'"),
        (
            '"image":',
            '"imgae":',
            "imgae: unknown field; did you mean image? ",
        ),
        ('"image":', '<<<<<<< HEAD\n"image":', "lock.json:1: not valid JSON"),
        ('"image":', '"files": {}, "image":', "duplicate key 'files'"),
    ],
)
def test_a_wrong_lock_is_told_with_its_field(
    site: Path, wanted: ReleaseTarget, old: str, new: str, said: str
) -> None:
    path = locks.lock_path(site / "small.yml")
    text = path.read_text().replace('":"', '": "').replace('":', '": ').replace("  ", " ")
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InvalidInput) as error:
        locks.load(site / "small.yml")
    assert str(error.value).startswith(f"{path}:") and said in str(error.value)


def test_an_empty_md5sum_of_the_vendor_is_told(site: Path) -> None:
    (site / "store/driver.deb.md5sum").write_text("")
    with pytest.raises(InvalidInput, match=r"driver\.deb\.md5sum: .* it is empty"):
        measure.measure_file(site / "store/driver.deb")


def test_a_file_that_cannot_be_read_is_named(site: Path) -> None:
    with pytest.raises(InvalidInput, match=r"store/weights: cannot be read: Is a directory"):
        measure.measure_file(site / "store/weights")


def test_a_controller_without_git_is_told_what_to_install(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidInput, match="git is not installed"):
        make(site)


def test_a_lock_of_very_many_files_is_read_as_it_was_written(
    site: Path, wanted: ReleaseTarget
) -> None:
    one = wanted.lock.files["driver.deb"]
    many = {
        f"weights/a-folder-of-a-data-set/image-{number:06}.jpg": one for number in range(40_000)
    }
    large = wanted.lock.model_copy(update={"files": many})
    path = locks.lock_path(site / "small.yml")
    locks.write(large, path)
    assert path.stat().st_size > 2 << 20
    assert len(locks.load(site / "small.yml").files) == 40_000


def test_a_lock_that_could_not_be_read_again_is_not_written(
    site: Path, wanted: ReleaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = locks.lock_path(site / "small.yml")
    before = path.read_bytes()
    monkeypatch.setattr(locks, "MAX_BYTES", len(before) - 1)
    with pytest.raises(InvalidInput, match=f"{len(wanted.lock.files)} files"):
        locks.write(wanted.lock, path)
    assert path.read_bytes() == before
    with pytest.raises(InvalidInput, match="larger than"):
        locks.load(site / "small.yml")


READY = """\
name: ready
driver:
  version: 5.10.10
  packages: {ubuntu18.04: {file: driver.deb, package: mlu-ubuntu18.04-dkms}}
image: {file: image.tar.gz, reference: "registry.example/torch:v1"}
container: {name: ready}
smoke: {kind: plain, workdir: /, command: [python, -c, "print(6 * 7)"], expect: "42"}
"""


def test_a_ready_made_image_is_all_that_a_release_needs(site: Path, bare: HostFacts) -> None:
    path, store = site / "ready.yml", site / "store"
    path.write_text(READY)
    lock = locking.create_lock(files.load_document(path), store)
    assert set(lock.files) == {"driver.deb", "image.tar.gz"} and lock.commits == {}
    locks.write(lock, locks.lock_path(path))
    target = load_release_target(str(path), str(store))
    shown = "\n".join(describe_release(target.release, target.lock, store, cards=2))
    assert "container ready" in shown and "weights" not in shown and "source " not in shown
    spec = HostSpec(HostTarget((target,), store), HostOptions())
    assert [stage.partition(" ")[0] for stage in stages.find_drift(spec, bare)] == [
        "driver",
        "image",
        "container",
        "packages",
        "smoke",
    ]


def test_a_missing_lock_file_is_told_with_the_command_that_writes_it(site: Path) -> None:
    release, store = site / "small.yml", site / "store"
    with pytest.raises(InvalidInput, match=f"`mlufleet release lock {release} --store {store}`"):
        load_release_target(str(release), str(store))
