"""Images that are in a registry are gathered into archives."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.gather import gathering, images, vendor_files
from fleet.gather.work import GatherError, GatherOptions
from fleet.release.model import Release
from fleet.store.progress_bar import ProgressBar
from tests.unit.fleet.conftest import Registry
from tests.unit.fleet.gather.test_wheels import RELEASE

REFERENCE = "harbor.example/team/torch:v1"
OPTIONS = GatherOptions(retry_delay_s=0)


def release_of(registry: Registry, file: str | None = "image.tar") -> Release:
    reference = registry.reference(registry.add_image())
    image = {"registry": reference, "reference": REFERENCE} | ({"file": file} if file else {})
    return Release.model_validate(RELEASE | {"image": image})


def gather(task: images.ImageTask) -> bool:
    with ProgressBar("", 0, quiet=True) as progress:
        return task.gather(progress)


def test_an_archive_is_made_once_and_asked_of_nobody(registry: Registry, tmp_path: Path) -> None:
    release = release_of(registry)
    (task,) = images.list_tasks([release], tmp_path, OPTIONS)
    row = task.plan()
    assert row.state == "missing" and row.size and not list(tmp_path.iterdir())
    assert gather(task) and [path.name for path in tmp_path.iterdir()] == ["image.tar"]
    registry.asked.clear()
    (again,) = images.list_tasks([release], tmp_path, OPTIONS)
    assert again.plan().state == "present" and not gather(again) and not registry.asked
    by_hand = vendor_files.list_files([release], tmp_path, OPTIONS)
    assert "image.tar" not in [file.name for file in by_hand]


@pytest.mark.parametrize(("status", "code"), [(401, "REGISTRY_LOGIN"), (404, "IMAGE_NOT_FOUND")])
def test_a_registry_that_refuses_is_told(
    registry: Registry, tmp_path: Path, status: int, code: str
) -> None:
    (task,) = images.list_tasks([release_of(registry)], tmp_path, OPTIONS)
    registry.status = status
    with pytest.raises(GatherError) as failed:
        gather(task)
    assert [problem.failure.code for problem in failed.value.problems] == [code]


def test_an_image_without_an_archive_is_left_to_the_hosts(
    registry: Registry, tmp_path: Path
) -> None:
    release = release_of(registry, None)
    assert not images.list_tasks([release], tmp_path, OPTIONS)
    assert any("hosts pull" in line for line in gathering.list_left_to_hosts([release]))
