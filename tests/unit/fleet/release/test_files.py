from __future__ import annotations

from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.release import files
from fleet.release.model import Packages, SystemPackage


@pytest.mark.parametrize("path", sorted(files.RELEASES_FOLDER.glob("*.yml")), ids=lambda p: p.stem)
def test_every_release_of_the_project_is_valid(path: Path) -> None:
    for variant in files.list_variants(path) or [None]:
        assert files.load_release(path, variant).name == path.stem


def test_every_tutorial_of_the_vendor_is_a_release() -> None:
    assert {path.stem for path in files.RELEASES_FOLDER.glob("*.yml")} == {
        "baichuan-7b",
        "baichuan-7b-ready",
        "baichuan-7b-serve",
        "chatglm-6b",
        "chatglm-6b-ready",
        "chatglm-6b-serve",
        "chatglm2-6b",
        "chatglm2-6b-32k",
        "chatglm2-6b-serve",
        "chatglm3-6b",
        "chatglm3-6b-serve",
        "chinese-llama-alpaca-2",
        "chinese-llama-alpaca-2-ready",
        "chinese-llama-alpaca-2-serve",
        "magicmind",
        "openbiomed",
        "paddlepaddle",
        "stdc-seg",
        "yolact",
    }


def test_a_ready_made_image_needs_nothing_but_weights() -> None:
    for path in files.RELEASES_FOLDER.glob("*-ready.yml"):
        release = files.load_release(path)
        assert (release.sources, release.patches, release.migration) == ((), (), None)
        assert release.packages == Packages()
        # the program runs where the image has it, not in a folder of the host
        assert not release.container.is_mounted(release.smoke.workdir)


def test_an_image_that_is_in_no_registry_keeps_its_digest() -> None:
    release = files.load_release(files.RELEASES_FOLDER / "baichuan-7b.yml")
    assert release.image.model_dump().keys() == {"file", "reference", "python"}


def test_a_package_comes_from_the_store_or_the_image() -> None:
    path = files.RELEASES_FOLDER / "magicmind.yml"
    for variant in files.list_variants(path):
        release = files.load_release(path, variant)
        cnvs = release.packages.system[-1]
        assert cnvs.image_file and cnvs.image_file.startswith("/var/cntoolkit-")
        # a release that does not use it keeps its digest
        assert "image_file" not in release.packages.system[0].model_dump()
    with pytest.raises(ValueError, match=r"from the store .* or the image"):
        SystemPackage(package="cnvs", file="cnvs.deb", image_file="/var/cnvs.deb")


def test_the_tool_and_the_driver_are_those_of_the_images_generation() -> None:
    for path in files.RELEASES_FOLDER.glob("*.yml"):
        release = files.load_release(path)
        if release.migration:
            folder = "torch_gpu2mlu/" if "torch1.13" in release.image.reference else ""
            assert release.migration.tool == f"/torch/src/catch/tools/{folder}torch_gpu2mlu.py"


def test_no_release_of_the_project_needs_a_file_that_its_user_edits() -> None:
    for path in sorted(files.RELEASES_FOLDER.glob("*.yml")):
        for variant in files.list_variants(path) or [None]:
            patches = files.load_release(path, variant).patches
            assert not [patch.file for patch in patches if patch.store], path.stem


VARIANTS = """
variants:
  infer: {summary: asks}
  train:
    migration: {trees: []}
    patches: []
    weights: [{name: tiny, link: null}]
"""


def test_variants_exclude_each_other_and_one_is_chosen(site: Path) -> None:
    path = site / "small.yml"
    path.write_text(path.read_text() + "variant: infer" + VARIANTS)
    (site / "other.yml").write_text("extends: small\nvariant: train\n")
    asks, trains = files.load_release(path), files.load_release(site / "other.yml")
    assert files.list_variants(site / "other.yml") == ["infer", "train"]
    assert asks.summary == "asks" and asks.patches and not trains.summary
    assert not trains.patches and trains.migration and trains.migration.trees == ()
    assert files.load_release(path, "train") == trains and asks.digest != trains.digest


@pytest.mark.parametrize("chosen", ["", "variant: both", "variant: []"])
def test_a_choice_that_is_not_made_is_refused_with_the_names(site: Path, chosen: str) -> None:
    message = broken(site, "engine: {", f"{chosen}{VARIANTS}engine: {{")
    assert "small.yml:" in message and "one of the variants: infer, train" in message


def test_what_is_wrong_in_a_variant_is_told_where_it_stands(site: Path) -> None:
    wrong = "variant: a\nvariants:\n  a:\n    smoke:\n      timeout: soon\n"
    message = broken(site, "engine: {", wrong + "engine: {")
    line = (site / "small.yml").read_text().splitlines().index("      timeout: soon") + 1
    assert f"small.yml:{line}: smoke.timeout" in message


def test_the_tutorial_patch_ends_in_the_vendors_own_patched_file() -> None:
    (patch,) = files.load_release(files.find_release("baichuan-7b")).patches
    assert patch.sha256.startswith("0a5bf632") and patch.file.endswith("modeling_utils.py")


def broken(site: Path, old: str, new: str) -> str:
    path = site / "small.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InvalidInput) as error:
        files.load_release(path)
    return str(error.value)


def test_an_unknown_field_is_named_with_its_line(site: Path) -> None:
    message = broken(site, "  version: 5.10.10", "  version: 5.10.10\n  versoin: 1")
    assert "small.yml:4: driver.versoin" in message


def test_a_version_that_yaml_made_a_number_is_refused(site: Path) -> None:
    assert "small.yml:3: driver.version" in broken(site, "version: 5.10.10", "version: 5.10")


def test_broken_yaml_names_the_line(site: Path) -> None:
    assert "small.yml:4: not valid YAML" in broken(site, "driver:\n", "driver: [\n")


def test_a_key_given_twice_is_refused(site: Path) -> None:
    assert "duplicate key 'name'" in broken(site, "name: small\n", "name: small\nname: other\n")


def test_a_source_needs_exactly_one_pin(site: Path) -> None:
    message = broken(site, "tag: v1}", "tag: v1, branch: main}")
    assert "exactly one of tag, commit, branch" in message


def test_weights_must_link_into_a_source(site: Path) -> None:
    message = broken(site, "link: {tree: model,", "link: {tree: modle,")
    assert "small.yml:15: weights.0.link.tree: modle is not a source" in message


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("trees: [model]", "trees: [modle]", "16: migration.trees.0"),
        (
            "packages:\n  wheelhouse",
            "  - {file: /home/share/model_mlu/a, source: modle, path: a}\npackages:\n  wheelhouse",
            "22: patches.1.source",
        ),
    ],
)
def test_a_source_of_another_name_is_told_where_it_is_named(
    site: Path, old: str, new: str, place: str
) -> None:
    assert f"small.yml:{place}: modle is not a source; sources: model" in broken(site, old, new)


def test_a_missing_release_lists_those_that_exist() -> None:
    with pytest.raises(InvalidInput, match="baichuan-7b"):
        files.find_release("baichuan-8b")


def test_a_missing_release_is_named_where_the_site_would_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files/releases").mkdir(parents=True)
    with pytest.raises(InvalidInput, match=r"no file files/releases/nope\.yml"):
        files.find_release("nope")


def test_extends_merges_named_lists_by_name(site: Path) -> None:
    (site / "other.yml").write_text(
        "extends: small\nname: other\n"
        "driver: {version: 5.10.22}\n"
        "sources: [{name: model, tag: v2}]\n"
    )
    release = files.load_release(site / "other.yml")
    assert release.driver.version == "5.10.22" and "centos7" in release.driver.packages
    assert [(s.tag, s.bundle) for s in release.sources] == [("v2", "model.bundle")]


def test_extending_itself_is_refused(site: Path) -> None:
    (site / "other.yml").write_text("extends: other\nname: other\n")
    with pytest.raises(InvalidInput, match="circular: "):
        files.load_release(site / "other.yml")


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("kind: stdin,", "kind: artefact,", "artefact"),
        ("kind: stdin,", "kind: http,", "url"),
        (", expect: yes!", "", "expect"),
    ],
)
def test_a_smoke_test_that_nothing_could_fail_is_refused(
    site: Path, old: str, new: str, missing: str
) -> None:
    assert f"requires {missing}" in broken(site, old, new)


def test_weights_are_linked_into_migrated_trees_only(site: Path) -> None:
    assert "weights.0.link.tree: model " in broken(
        site, "migration: {tool: /torch/tool.py, trees: [model]}\n", ""
    )


def test_a_source_that_no_mount_shows_to_the_container_is_refused(site: Path) -> None:
    message = broken(site, "path: /home/share/model,", "path: /home/shared/model,")
    assert "source model: /home/shared/model " in message


def test_linked_weights_are_patched_in_the_tree_they_are_linked_into(site: Path) -> None:
    message = broken(site, "/home/share/model_mlu/a.py", "/data/models/tiny/a.py")
    assert "/data/models/tiny/a.py: " in message
