"""Locks of releases whose image is in a registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.inventory import load_hosts
from fleet.proof import locking
from fleet.release import files as release_files
from fleet.release import lockfile, snapshot
from fleet.release.target import HostTarget, ReleaseTarget
from fleet.store import required_files
from fleet.store.targets import load_host_target
from mlufleet.bundle import contents
from tests.unit.fleet.conftest import Registry

ARCHIVE = "file: image.tar.gz"


def edit(site: Path, old: str, new: str) -> release_files.ReleaseDocument:
    path = site / "small.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return release_files.load_document(path)


def lock(site: Path, document: release_files.ReleaseDocument) -> lockfile.Lock:
    created = locking.create_lock(document, site / "store")
    lockfile.write(created, lockfile.lock_path(site / "small.yml"))
    return created


def fields(created: lockfile.Lock) -> set[str]:
    return {point.field for point in created.unproved or ()}


def test_of_a_registry_alone_the_lock_has_id_labels_and_size(
    site: Path, registry: Registry
) -> None:
    found = registry.reference(registry.add_image())
    created = lock(site, edit(site, ARCHIVE, f"registry: {found}"))
    assert created.image.id in registry.blobs and created.image.size > 100
    assert created.image.labels == {"com.cambricon.driver": "v5.10.10"}
    assert "image.tar.gz" not in created.files and "image.python" in fields(created)
    required = required_files.for_releases([str(site / "small.yml")])
    assert "image.tar.gz" not in {file.name for file in required.files}
    assert f"image {found}" in contents.list_network_needs(required)


def test_a_snapshot_of_it_is_the_same_release(
    site: Path, tmp_path: Path, registry: Registry
) -> None:
    document = edit(site, ARCHIVE, f"registry: {registry.reference(registry.add_image())}")
    target = ReleaseTarget(document.release, lock(site, document), site / "store")
    text = snapshot.write_snapshot(HostTarget((target,), target.store)).read_text()
    restored = snapshot.restore_snapshot(text, tmp_path / "restored", "host")
    again = load_host_target({**restored, "store": str(site / "store")})
    assert again.primary.identity == target.identity
    assert again.primary.image_bytes == target.lock.image.size > 0


def test_an_archive_is_compared_with_the_registry(site: Path, registry: Registry) -> None:
    found = registry.reference(registry.add_image())
    document = edit(site, ARCHIVE, f"{ARCHIVE}, registry: '{found}'")
    with pytest.raises(InvalidInput, match=r"small\.yml:\d+: image\.registry: .*but the archive"):
        locking.create_lock(document, site / "store")
    registry.status = 404
    with pytest.raises(InvalidInput, match=r"small\.yml:\d+: image\.registry: .*no such image"):
        locking.create_lock(document, site / "store")
    for status in (403, 503):
        registry.status = status
        created = lock(site, document)
        assert "image.registry" in fields(created) and created.image.size == 0
        assert "image.tar.gz" in created.files


def test_a_registry_that_is_needed_is_named_with_line_and_remedy(
    site: Path, registry: Registry
) -> None:
    found = registry.reference(registry.add_image())
    registry.status = 503
    document = edit(site, ARCHIVE, f"registry: {found}")
    with pytest.raises(InvalidInput) as error:
        locking.create_lock(document, site / "store")
    said = str(error.value)
    assert said.startswith("REGISTRY_UNREACHABLE: ") and "small.yml:" in said
    assert "`image.file`" in said


def test_an_image_comes_from_somewhere(site: Path) -> None:
    with pytest.raises(InvalidInput, match="set `file`, `registry` or both"):
        edit(site, ARCHIVE, "url: https://files.example/image")
    with pytest.raises(InvalidInput, match="by its digest"):
        edit(site, "url: https://files.example/image", "registry: harbor.example/torch:v1")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("image_source: archive", "has no `image.file`"),
        ("registry_login: /nowhere", "registry_login: no such file"),
        ("registry_login: {site}/open", "chmod 600"),
        ("registry_ca: {site}/small.yml", "registry_ca: .*no certificate"),
        ("insecure_registries: [http://a]", "a registry: HOST or HOST:PORT"),
    ],
)
def test_what_hosts_need_for_it_is_checked_before_the_first_connection(
    site: Path, registry: Registry, data: str, why: str
) -> None:
    lock(site, edit(site, ARCHIVE, f"registry: {registry.reference(registry.add_image())}"))
    (site / "open").write_text("user\nsecret\n")
    (site / "open").chmod(0o644)
    inventory = site / "fleet.yml"
    inventory.write_text(
        f"defaults: {{release: {site}/small.yml, store: {site}/store}}\nhosts:\n  a:\n"
        f"    {data.format(site=site)}\n"
    )
    with pytest.raises(InvalidInput, match=why) as error:
        load_hosts(inventory)
    assert str(error.value).startswith(f"{inventory}:") and "secret" not in str(error.value)
