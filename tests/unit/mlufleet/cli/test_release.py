"""`mlufleet release new` and `mlufleet release show`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleet.release import files
from fleet.release.target import ReleaseTarget
from mlufleet.cli.main import main


def mlufleet(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_a_skeleton_is_a_release_once_its_placeholders_are_filled(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    assert mlufleet("release", "new", str(path)).exit_code == 0
    text = path.read_text()
    versions = {
        "<5.10.10>": "5.10.22",
        "<registry/name:tag>": "registry.example/torch:v1",
        "<4247c4a>": "4247c4a",
    }
    filled = re.sub(r"<[^>]+>", lambda found: versions.get(found[0], "file"), text)
    path.write_text(filled)
    release = files.load_release(path)
    assert release.name == "mine" and release.driver.version == "5.10.22"
    # its comments are examples that hold as well
    path.write_text(re.sub(r"^# (patches:|  - \{)", r"\1", filled, flags=re.MULTILINE))
    assert files.load_release(path).patches


def test_a_skeleton_is_no_release_before(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    mlufleet("release", "new", str(path))
    assert "mine.yml:6: driver.version" in mlufleet("release", "lock", str(path)).output


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("name: mine\n")
    done = mlufleet("release", "new", str(path))
    assert done.exit_code == 3
    assert path.read_text() == "name: mine\n"


@pytest.mark.parametrize("name", [".hidden.yml", "a b.yml"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    assert mlufleet("release", "new", str(tmp_path / name)).exit_code == 3
    assert not list(tmp_path.iterdir())


def test_a_release_is_shown_for_a_host_without_connecting(
    site: Path, wanted: ReleaseTarget
) -> None:
    (site / "fleet.py").write_text(
        f"fleet = [('mlu1', {{'release': '{site}/small.yml', 'store': '{site}/store',"
        " 'cards': 3, 'ssh_hostname': '192.0.2.1'})]\n"
    )
    shown = mlufleet("release", "show", "--host", "mlu1", "--inventory", str(site / "fleet.py"))
    assert shown.exit_code == 0, shown.output
    deb = wanted.lock.files["driver.deb"]
    for text in (
        f"ubuntu18.04: {site}/store/driver.deb  {deb.size} bytes, sha256 {deb.sha256}",
        "centos7: ",
        f"id {wanted.lock.image.id}",
        "mount /data/share at /home/share",
        f"source model at v1 = {wanted.lock.commits['model']}",
        "/data/share/model from model.bundle",
        "--device /dev/cambricon_dev2",
        "/torch/tool.py -i /home/share/model",
        "patch host:/data/share/model_mlu/a.py",
        "--no-index",
        "5.10.6 or newer",
        "yes!",
    ):
        assert text in shown.output
    assert "/dev/cambricon_dev3" not in shown.output


def test_a_release_without_a_lock_is_shown_as_far_as_it_is_known() -> None:
    shown = mlufleet("release", "show", "chatglm3-6b", "--variant", "train")
    assert shown.exit_code == 0 and "mlufleet release lock" in shown.output
    assert "/torch/src/catch/tools/torch_gpu2mlu/torch_gpu2mlu.py -i" in shown.output
    assert (
        "deepspeed_mlu" in shown.output
        and "deepspeed_mlu" not in mlufleet("release", "show", "chatglm3-6b").output
    )


@pytest.mark.parametrize(
    ("words", "named"),
    [([], "RELEASE"), (["small", "--host", "a"], "--inventory"), (["none"], "none")],
)
def test_what_cannot_be_shown_is_said(words: list[str], named: str) -> None:
    shown = mlufleet("release", "show", *words)
    assert shown.exit_code == 3 and named in shown.output
