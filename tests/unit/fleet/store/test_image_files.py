"""The files of an image are those that a container of it has: layers, whiteouts, links."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from fleet.store import image_archive, image_layers
from fleet.store.image_archive import Image
from fleet.store.image_files import ImageFiles
from tests.unit.fleet.store.test_image_archive import found, layer, saved
from tests.unit.packaged import tarred


def files(tmp_path: Path, *layers: bytes) -> ImageFiles:
    image = found(tmp_path, tarred(**saved(*layers)))
    assert image.files is not None
    return image.files


def test_a_whiteout_removes_what_is_below_it_only(tmp_path: Path) -> None:
    seen = files(
        tmp_path,
        layer("opt/a", "opt/b", "opt/folder/c"),
        layer("opt/.wh.a", "opt/.wh.folder"),
        layer("opt/folder/d"),
    )
    assert seen.list_folder("/opt") == ["b", "folder"]
    assert not seen.has_path("/opt/a") and not seen.has_path("/opt/folder/c")
    assert seen.has_path("/opt/folder/d")


def test_an_opaque_folder_hides_what_is_below_it_and_keeps_its_own(tmp_path: Path) -> None:
    seen = files(
        tmp_path,
        layer("opt/old", "opt/sub/old", "other/old"),
        layer("opt/new", "opt/.wh..wh..opq", "opt/sub/new"),
    )
    assert seen.list_folder("/opt") == ["new", "sub"]
    assert seen.list_folder("/opt/sub") == ["new"] and seen.list_folder("/other") == ["old"]


def test_the_order_of_the_layers_is_the_manifests(tmp_path: Path) -> None:
    below, above = layer("a"), layer(".wh.a")
    members = saved(below, above)
    names = sorted(members, reverse=True)  # docker writes the members in any order
    for order in (names, names[::-1]):
        image = found(tmp_path, tarred(**{name: members[name] for name in order}))
        assert image.files and not image.files.has_path("/a")
    image = found(tmp_path, tarred(**saved(above, below)))
    assert image.files and image.files.has_path("/a")


def test_a_file_may_take_the_place_of_a_folder_and_back(tmp_path: Path) -> None:
    seen = files(tmp_path, layer("a/b/c"), layer("a/b"))
    assert seen.has_path("/a/b") and not seen.is_folder("/a/b") and not seen.has_path("/a/b/c")
    seen = files(tmp_path, layer("a/b"), layer("a/b/c"))
    assert seen.is_folder("/a/b") and seen.resolve("/a/b/c") == "/a/b/c"


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/bin/python", "/usr/bin/python3.7"),
        ("/usr/bin/python3", "/usr/bin/python3.7"),
        ("/venv/bin/python", "/usr/bin/python3.7"),
        ("/bin", "/usr/bin"),
        ("/", "/"),
        ("bin/../bin/python3.7", "/usr/bin/python3.7"),
        ("/venv/bin/nothing", None),
        ("/loop", None),
        ("/dangling", None),
        ("/usr/bin/python3.7/x", None),
        ("/up", "/usr/bin/python3.7"),
    ],
)
def test_links_are_followed_in_every_part_of_a_path(
    tmp_path: Path, path: str, real: str | None
) -> None:
    links = {
        "bin": "usr/bin",
        "usr/bin/python": "python3",
        "usr/bin/python3": "python3.7",
        "venv/bin/python": "/bin/python3",
        "loop": "loop",
        "dangling": "/no/where",
        "up": "../../usr/bin/python",
    }
    seen = files(tmp_path, layer("usr/bin/python3.7"), layer(links=links))
    assert seen.resolve(path) == real and seen.has_path(path) == (real is not None)


def test_names_that_lead_out_of_the_image_are_left_out(tmp_path: Path) -> None:
    seen = files(tmp_path, layer("../../etc/passwd", "./a//b", "/c", "..", "d/../../e"))
    assert sorted(seen.list_paths()) == ["/a/b", "/big", "/c"]


def test_the_nearest_paths_are_named(tmp_path: Path) -> None:
    seen = files(tmp_path, layer("torch/src/catch/tools/tool.py", "v/bin/python3", "v/bin/pip"))
    assert seen.find_nearest("/torch/tools/tool.py") == ["/torch/src/catch/tools/tool.py"]
    assert seen.format_nearest("/v/bin/python") == "; nearest: /v/bin/python3"
    assert seen.format_nearest("/elsewhere") == ""


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_layers_that_are_packed_are_read(tmp_path: Path, pack: type[bytes]) -> None:
    members = saved(pack(layer("a")), oci=True)
    image = found(tmp_path, tarred(**members))
    assert image.files and image.files.has_path("/a")


def test_a_layer_that_is_a_link_to_another_images_is_read(tmp_path: Path) -> None:
    members = saved(layer("a"))
    (name,) = (name for name in members if name.endswith("layer.tar"))
    (entry,) = json.loads(members["manifest.json"])
    entry["Layers"] = ["shared/layer.tar"]
    members["manifest.json"] = json.dumps([entry]).encode()
    target = io.BytesIO(tarred(**members))
    with tarfile.open(fileobj=target, mode="a") as tar:
        link = tarfile.TarInfo("shared/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, f"../{name}"
        tar.addfile(link)
    image = found(tmp_path, target.getvalue())
    assert image.files and image.files.has_path("/a")


def test_a_layer_may_be_there_twice(tmp_path: Path) -> None:
    one, two = layer("a"), layer(".wh.a")
    assert not files(tmp_path, one, two).has_path("/a")
    assert files(tmp_path, one, two, one).has_path("/a")


def test_a_layer_that_cannot_be_unpacked_leaves_the_files_unknown(tmp_path: Path) -> None:
    image = found(tmp_path, tarred(**saved(layer("a"), b"\x28\xb5\x2f\xfd" + b"x" * 600)))
    assert image.files is None and len(image.unread_layers) == 1


def test_an_image_with_more_files_than_any_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (image_archive, image_layers):
        monkeypatch.setattr(module, "MAX_FILES", 3)
    with pytest.raises(image_archive.ImageArchiveError, match="more than 3 files"):
        found(tmp_path, tarred(**saved(layer("a", "b", "c"))))


VENV = "venv/lib/python3.7/site-packages"


def with_texts(**texts: str) -> bytes:
    return tarred(**{name: text.encode() for name, text in texts.items()})


def described(tmp_path: Path, *layers: bytes) -> Image:
    return found(tmp_path, tarred(**saved(*layers)), "/venv/bin/python")


def test_packages_of_the_interpreter_are_known_with_what_they_need(tmp_path: Path) -> None:
    image = described(
        tmp_path,
        with_texts(
            **{
                "venv/pyvenv.cfg": "home = /usr/bin\nversion = 3.7.5\n",
                f"{VENV}/A_b-1.0.dist-info/METADATA": "Name: A.b\nVersion: 1.0.post1\n"
                "Requires-Dist: c>1\nRequires-Dist: d; extra == 'x'\n\nRequires-Dist: no\n",
                f"{VENV}/old-2.egg-info/PKG-INFO": "Name: old\nVersion: 2\n",
                f"{VENV}/old-2.egg-info/requires.txt": "six\n\n[:python_version<'3']\nenum34\n"
                "[docs]\nsphinx>1\n",
                f"{VENV}/flat-3-py3.7.egg-info": "Name: flat\nVersion: 3\n",
                f"{VENV}/egg-4-py3.7.egg/EGG-INFO/PKG-INFO": "Name: egg\nVersion: 4\n",
                f"{VENV}/linked.egg-link": "/src/linked\n.\n",
                "src/linked/linked.egg-info/PKG-INFO": "Name: linked\nVersion: 5\n",
                f"{VENV}/bare-6.dist-info/METADATA": "",
                f"{VENV}/bad-7.dist-info/METADATA": "Name: ../../bad\nVersion: 7\n",
                "usr/lib/python3.6/site-packages/other-1.dist-info/METADATA": "Name: other\n",
                "usr/lib/python3/dist-packages/system-1.egg-info": "Name: system\n",
            }
        ),
    )
    packages = image.installed_packages
    assert image.python_version == "3.7"
    assert {name: package.version for name, package in packages.items()} == {
        "a-b": "1.0.post1",
        "old": "2",
        "flat": "3",
        "egg": "4",
        "linked": "5",
        "bare": "6",
    }
    assert packages["a-b"].requires == ("c>1", "d; extra == 'x'")
    assert packages["old"].requires == (
        "six",
        'enum34; python_version < "3"',
        'sphinx>1; extra == "docs"',
    )


def test_a_virtual_environment_may_see_the_packages_of_the_system(tmp_path: Path) -> None:
    settings = "home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.7.5\n"
    image = described(
        tmp_path,
        with_texts(
            **{
                "venv/pyvenv.cfg": settings,
                f"{VENV}/both-2.dist-info/METADATA": "",
                "usr/lib/python3/dist-packages/both-1.egg-info": "",
                "usr/lib/python3/dist-packages/torch-1.13.0a0.egg-info/PKG-INFO": "",
                "usr/local/lib/python3.7/dist-packages/local-1.dist-info/METADATA": "",
            }
        ),
    )
    versions = {name: package.version for name, package in image.installed_packages.items()}
    assert versions == {"both": "2", "torch": "1.13.0a0", "local": "1"}


def test_a_package_that_an_upper_layer_removes_is_not_installed(tmp_path: Path) -> None:
    name = "old-2.dist-info"
    below = with_texts(**{f"{VENV}/{name}/METADATA": "Name: old\nVersion: 2\n"})
    image = described(tmp_path, below, layer(f"{VENV}/.wh.{name}", "venv/lib/python3.7/os.py"))
    assert image.installed_packages == {} and image.python_version == "3.7"


def test_the_version_of_the_vendors_sdk_is_read(tmp_path: Path) -> None:
    text = with_texts(**{"torch/neuware_home/version.txt": "Neuware Version 3.9.0\n"})
    assert described(tmp_path, text).neuware_version == "3.9.0"
