"""The interpreter and the migration tool of a release are files of its image."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.proof import locking
from fleet.proof.image import describe_unread_layers
from fleet.release import files
from fleet.release.lockfile import Lock
from fleet.store.image_archive import Image
from tests.unit.conftest import LABELS, LAYER
from tests.unit.fleet.store.test_image_archive import layer, saved
from tests.unit.packaged import tarred


def lock(site: Path, *layers: bytes, warnings: list[str] | None = None, **labels: str) -> Lock:
    config = {"Labels": {**LABELS, **labels}}
    (site / "store/image.tar.gz").write_bytes(tarred(**saved(*layers, config=config)))
    document = files.load_document(site / "small.yml")
    said = [] if warnings is None else warnings
    return locking.create_lock(document, site / "store", warn=said.append)


def test_what_is_not_in_the_image_is_named_with_the_nearest_path(site: Path) -> None:
    upper = layer("torch/.wh.tool.py", "torch/src/tool.py", "torch/venv3/pytorch/bin/.wh.python")
    with pytest.raises(InvalidInput) as error:
        lock(site, LAYER, upper, layer("torch/venv3/pytorch/bin/python3"))
    assert str(error.value).splitlines() == [
        f"{site}/small.yml:7: image.python: /torch/venv3/pytorch/bin/python is not in the image; "
        "nearest: /torch/venv3/pytorch/bin/python3",
        f"{site}/small.yml:16: migration.tool: /torch/tool.py is not in the image; "
        "nearest: /torch/src/tool.py",
    ]


def test_a_folder_is_no_interpreter(site: Path) -> None:
    with pytest.raises(InvalidInput, match=r"image\.python: \S+/python is a folder of the image"):
        lock(site, LAYER, layer("torch/venv3/pytorch/bin/python/x"))


def test_a_link_that_leads_nowhere_is_no_interpreter(site: Path) -> None:
    link = {"torch/venv3/pytorch/bin/python": "/usr/bin/python3.7"}
    with pytest.raises(InvalidInput, match=r"image\.python: \S+/python is not in the image"):
        lock(site, LAYER, layer(links=link))
    lock(site, LAYER, layer("usr/bin/python3.7", links=link))


def test_a_layer_that_cannot_be_unpacked_proves_nothing(site: Path) -> None:
    locked = lock(site, LAYER, b"\x28\xb5\x2f\xfd" + b"x" * 600)
    fields = {point.field for point in locked.unproved or ()}
    assert {"image.python", "migration.tool", "packages.wheelhouse"} <= fields


def test_an_image_without_an_archive_has_other_reasons() -> None:
    assert "registry" in describe_unread_layers(Image())
    assert "zstd" in describe_unread_layers(Image(unread_layers=("1/layer.tar",)))


def test_a_label_with_another_version_of_python_is_told(site: Path) -> None:
    warnings: list[str] = []
    lock(site, LAYER, warnings=warnings, **{"com.cambricon.python": "3.10.8"})
    assert any("it is Python 3.7, but" in line and "says 3.10" in line for line in warnings)
    warnings.clear()
    lock(site, LAYER, warnings=warnings, **{"com.cambricon.python": "3.7.5"})
    assert not any("it is Python" in line for line in warnings)
