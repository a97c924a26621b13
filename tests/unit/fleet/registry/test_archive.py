"""An image of a registry becomes an archive that docker loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import CodedInputError
from fleet.registry import archive
from fleet.store import file_types, image_archive
from tests.unit.fleet.conftest import Registry

TAG = "harbor.example/team/torch:v1"


def read(path: Path) -> image_archive.Image:
    with path.open("rb") as stream:
        head = stream.read(file_types.HEAD_BYTES)
        stream.seek(0)
        return image_archive.read_image(stream, path.stat().st_size, head, "/usr/bin/python3")


def test_the_archive_is_one_of_docker_and_a_second_call_fetches_nothing(
    registry: Registry, tmp_path: Path
) -> None:
    reference, path = registry.reference(registry.add_image()), tmp_path / "store/image.tar"
    blocks: list[int] = []
    image = archive.pull_image(reference, path, TAG, on_bytes=blocks.append)
    found = read(path)
    image_archive.check_tag(found, TAG)
    assert (found.id, found.architecture) == (image.id, "amd64")
    assert sum(blocks) == image.size
    assert [each.name for each in path.parent.iterdir()] == ["image.tar"]
    registry.asked.clear()
    archive.pull_image(reference, path, TAG)
    assert not {layer.digest for layer in image.layers} & {path[-71:] for path in registry.asked}


def test_a_layer_that_was_cut_is_continued(registry: Registry, tmp_path: Path) -> None:
    reference = registry.reference(registry.add_image())
    # of the configuration all, of the first layer a part, and then the rest
    registry.cuts = [1 << 20, 20]
    archive.pull_image(reference, tmp_path / "image.tar", TAG, retry_delay_s=0.01)
    assert [asked.split()[1] for asked in registry.asked if " " in asked] == ["bytes=20-"]
    assert read(tmp_path / "image.tar").tags == (TAG,)


def test_what_arrives_with_other_bytes_gets_no_name(registry: Registry, tmp_path: Path) -> None:
    reference = registry.reference(registry.add_image(layers=1))
    layer = next(key for key, value in registry.blobs.items() if value.startswith(b"\x1f\x8b"))
    registry.blobs[layer] = registry.blobs[layer][:-1] + b"!"
    with pytest.raises(CodedInputError) as error:
        archive.pull_image(reference, tmp_path / "image.tar", TAG)
    assert error.value.failure.code == "DOWNLOAD_MISMATCH"
    assert not (tmp_path / "image.tar").exists()
