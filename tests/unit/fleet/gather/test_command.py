"""`mlufleet gather`: what a site sees of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from fleet.release import lockfile
from fleet.store.git_repositories import read_bundle_header
from mlufleet.cli.main import main
from tests.unit.conftest import git
from tests.unit.fleet.gather.git_server import GitSite
from tests.unit.fleet.gather.hub_server import Hub
from tests.unit.server import serving

WHEELHOUSE = "  wheelhouse: wheels\n"


@pytest.fixture
def origins(site: Path, template: Path, git_site: GitSite, hub: Hub) -> Path:
    """The small release, with a URL for its source and a model for its weights; both missing.

    It has no wheelhouse, as pip takes longer than everything else.
    """
    git("clone", "-q", "--bare", str(template / "upstream"), "small", cwd=site)
    git_site.root = site
    hub.files = {"model.bin": b"weights"}
    path = site / "small.yml"
    text = path.read_text().replace("bundle: model.bundle", f"url: {git_site.url}/small, bundle: m")
    text = text.replace("folder: weights,", "folder: weights, huggingface: owner/tiny,")
    path.write_text(text.replace(WHEELHOUSE, ""))
    (site / "store/model.bundle").unlink()
    shutil.rmtree(site / "store/weights")
    return site


class Gathered(NamedTuple):
    status: int
    document: dict[str, Any]

    @property
    def codes(self) -> dict[str, str]:
        return {entry["path"]: entry["code"] for entry in self.document["wrong"]}

    @property
    def missing_by_hand(self) -> list[str]:
        return [file["name"] for file in self.document["by_hand"] if file["size"] is None]


def run(site: Path, *words: str) -> Result:
    arguments = ["gather", str(site / "small.yml"), "--store", str(site / "store"), *words]
    return CliRunner().invoke(main, arguments)


def gathered(site: Path, *words: str) -> Gathered:
    done = run(site, "--json", *words)
    return Gathered(done.exit_code, json.loads(done.stdout))


def files_of(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and ".gather" not in path.parts
    }


def test_a_store_is_filled_and_locked_and_a_second_run_changes_nothing(
    origins: Path, git_site: GitSite, hub: Hub
) -> None:
    path = origins / "small.yml"
    path.write_text(path.read_text().replace("packages:\n  pip", f"packages:\n{WHEELHOUSE}  pip"))
    first = gathered(origins)
    assert (first.status, first.codes) == (0, {})
    assert first.document["gathered"] == ["m", "weights"]
    assert first.document["present"] == ["wheels"]
    lock = lockfile.load(origins / "small.yml")
    assert {"m", "weights/model.bin"} <= set(lock.files)
    assert "HEAD" in read_bundle_header(origins / "store/m").refs
    before = files_of(origins)
    git_site.asked.clear()
    hub.asked.clear()
    second = gathered(origins)
    assert second.status == 0 and not second.document["gathered"]
    assert files_of(origins) == before and not git_site.asked and not hub.downloads


def test_a_plan_shows_sizes_and_changes_nothing(origins: Path) -> None:
    before = files_of(origins)
    plan = gathered(origins, "--plan")
    rows = {row["name"]: (row["state"], row["size"]) for row in plan.document["plan"]}
    assert plan.status == 0 and files_of(origins) == before
    assert rows["m"] == ("missing", None) and rows["weights"] == ("missing", len(b"weights"))
    assert not (origins / "store/.gather").exists()


def test_one_failure_does_not_stop_the_rest(origins: Path, git_site: GitSite) -> None:
    git_site.status = 404
    done = gathered(origins)
    assert (done.status, done.codes) == (3, {"m": "GIT_FETCH"})
    assert done.document["gathered"] == ["weights"]
    assert not lockfile.lock_path(origins / "small.yml").exists()
    git_site.status = 0
    assert gathered(origins).document["gathered"] == ["m"]


def test_what_only_the_vendor_gives_is_named(origins: Path) -> None:
    store = origins / "store"
    (store / "driver.rpm").unlink()
    (store / "image.tar.gz").unlink()
    done = gathered(origins)
    assert done.status == 3 and done.missing_by_hand == ["driver.rpm", "image.tar.gz"]
    assert done.document["gathered"] == ["m", "weights"]
    assert not lockfile.lock_path(origins / "small.yml").exists()
    said = run(origins).stdout
    assert f"{store}/image.tar.gz: missing" in said and "https://sdk.cambricon.com" in said


@pytest.mark.parametrize(("wanted", "expected"), [([], 1), (["ubuntu18.04"], 1)])
def test_drivers_of_the_fleets_systems_are_named(
    origins: Path, wanted: list[str], expected: int
) -> None:
    path = origins / "small.yml"
    text = path.read_text()
    begin, end = text.index("  packages:\n    ubuntu18.04: {file"), text.index("image:")
    path.write_text(text[:begin] + text[end:])
    words = [word for name in wanted for word in ("--system", name)]
    done = gathered(origins, "--plan", *words)
    drivers = [name for name in done.missing_by_hand if name.startswith("cambricon-mlu-driver")]
    assert ("cambricon-mlu-driver-ubuntu18.04-dkms_5.10.10_amd64.deb" in drivers) and (
        len(drivers) == expected if wanted else len(drivers) > 5
    )


def test_files_with_a_url_are_fetched_and_a_login_page_is_none(origins: Path) -> None:
    store, path = origins / "store", origins / "small.yml"
    driver = (store / "driver.deb").read_bytes()
    (store / "driver.deb").unlink()
    with serving() as web:
        web.files["/driver.deb"] = b"<!DOCTYPE html><title>Log in</title>"
        url = f"url: {web.url}/driver.deb, file: driver.deb"
        path.write_text(path.read_text().replace("file: driver.deb", url))
        assert gathered(origins).codes == {"driver.deb": "DOWNLOAD_MISMATCH"}
        assert not (store / "driver.deb").exists()
        web.files["/driver.deb"] = driver
        assert gathered(origins).status == 0
    assert (store / "driver.deb").read_bytes() == driver


def test_folders_are_asked_for_although_there_is_a_mirror(origins: Path) -> None:
    path = origins / "small.yml"
    text = path.read_text().replace("name: small\n", "name: small\nmirror: http://127.0.0.1:9/x\n")
    path.write_text(text.replace(", huggingface: owner/tiny", ""))
    shutil.rmtree(origins / "store/docker")
    done = gathered(origins, "--plan")
    assert done.missing_by_hand == ["docker", "weights"]


def test_room_is_checked_before_anything_is_received(
    origins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(NamedTuple):
        free: int = 3

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Full())
    done = run(origins)
    assert done.exit_code == 3 and "NO_SPACE" in done.stderr
    assert not (origins / "store/m").exists()


def test_an_interruption_has_a_status_of_its_own(
    origins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fleet.gather.sources.SourceTask.gather", interrupt)
    assert run(origins).exit_code == 130


@pytest.mark.parametrize(
    "words",
    [("--system", "ubuntu18"), ("--python", "2.7"), ("--git-mirror", "mirror.example")],
)
def test_wrong_options_are_refused(origins: Path, words: tuple[str, ...]) -> None:
    assert run(origins, *words).exit_code == 3


def test_the_command_is_a_command_of_the_store_too(origins: Path) -> None:
    arguments = ["store", "gather", str(origins / "small.yml"), "--store", str(origins / "store")]
    assert CliRunner().invoke(main, [*arguments, "--plan"]).exit_code == 0
