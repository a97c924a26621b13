"""A release is locked when pip can install what its lines ask for from the wheels of its store."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet.errors import InvalidInput
from fleet.proof import locking, pip_resolver
from fleet.release import files
from fleet.release.lockfile import Lock
from tests.unit.conftest import LAYER, NUMPY, git
from tests.unit.fleet.store.test_image_archive import saved
from tests.unit.packaged import PACKERS, tarred, wheel

SITE = "torch/venv3/pytorch/lib/python3.7/site-packages"


class Tried:
    """A site whose release is locked with other pip lines, wheels and packages of the image."""

    def __init__(self, site: Path) -> None:
        self.site, self.house = site, site / "store/wheels"
        self.warnings: list[str] = []
        (self.house / NUMPY).rename(self.house / "unrelated-1-py3-none-any.whl")

    def put(self, *wheels: str, python: str = "") -> None:
        """Put wheels, each as "NAME VERSION REQUIREMENT…" or as the name of its file."""
        for text in wheels:
            name, version, *needs = text.split(" ") if " " in text else text.split("-")[:2]
            file_name = f"{name}-{version}-py3-none-any.whl" if " " in text else text
            (self.house / file_name).write_bytes(wheel(name, version, *needs, python=python))

    def put_source(self, name: str, version: str, *needs: str) -> None:
        about = f"Metadata-Version: 1.2\nName: {name}\nVersion: {version}\n".encode()
        top = f"{name}-{version}"
        listed = {f"{top}/{name}.egg-info/requires.txt": "\n".join(needs).encode()} if needs else {}
        inside = {f"{top}/PKG-INFO": about, f"{top}/{name}.egg-info/PKG-INFO": about, **listed}
        (self.house / f"{top}.tar.gz").write_bytes(PACKERS[".gz"](tarred(**inside)))

    def commit(self, **files: str) -> None:
        """Make the source of the release have these files too."""
        upstream = self.site / "upstream"
        bundle = self.site / "store/model.bundle"
        git("clone", "-q", "-b", "v1", str(bundle), str(upstream), cwd=self.site)
        for name, text in files.items():
            path = upstream / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git("add", ".", cwd=upstream)
        git("commit", "-qm", "more", cwd=upstream)
        git("tag", "-f", "v1", cwd=upstream)
        git("bundle", "create", str(bundle), "--all", cwd=upstream)

    def lock(self, *lines: str, has: tuple[str, ...] = (), wheelhouse: bool = True) -> Lock:
        about = {}
        for text in has:
            name, version, *needs = text.split(" ")
            fields = [
                f"Name: {name}",
                f"Version: {version}",
                *(f"Requires-Dist: {n}" for n in needs),
            ]
            about[f"{SITE}/{name}-{version}.dist-info/METADATA"] = "\n".join(fields).encode()
        image = saved(LAYER, tarred(**about))
        (self.site / "store/image.tar.gz").write_bytes(PACKERS[".gz"](tarred(**image)))
        path = self.site / "small.yml"
        text = path.read_text().replace(
            "    - {install: [numpy]}\n", "".join(f"    - {{{line}}}\n" for line in lines)
        )
        path.write_text(text if wheelhouse else text.replace("  wheelhouse: wheels\n", ""))
        return locking.create_lock(
            files.load_document(path), self.site / "store", warn=self.warnings.append
        )

    def refuse(self, *lines: str, has: tuple[str, ...] = ()) -> list[str]:
        """Lock it, which fails. Returns the findings as "field: problem"."""
        with pytest.raises(InvalidInput) as error:
            self.lock(*lines, has=has)
        places = re.compile(rf"{re.escape(str(self.site))}/small\.yml:\d+: ")
        found = [places.sub("", line) for line in str(error.value).splitlines()]
        return [line for line in found if not line.startswith("packages.wheelhouse: get what")]


@pytest.fixture
def tried(site: Path, forked_pip: None) -> Tried:
    return Tried(site)


def missing(findings: list[str]) -> list[str]:
    """The requirements that findings name as missing, each with the field."""
    found = (re.match(r"(packages\.\S+): (\S.*?) is missing from ", line) for line in findings)
    return [f"{one[1].removeprefix('packages.')} {one[2]}" for one in found if one]


def test_what_the_wheelhouse_has_is_locked_without_a_word(tried: Tried) -> None:
    tried.put("numpy-1.21.6-cp37-cp37m-manylinux_2_12_x86_64.manylinux2010_x86_64.whl")
    tried.put("numpy-1.26.0-cp311-cp311-any.whl", "other-1-cp310-cp310-linux_x86_64.whl")
    assert tried.lock("install: [numpy]").unproved == () and tried.warnings == []


def test_everything_that_is_missing_is_named_at_once(tried: Tried) -> None:
    tried.put("a 1 b>=1.5,<2 c there", "b 2.0", "c 1 deeper>1 d[x]==3.*", "e 1 f")
    findings = tried.refuse("install: [a]", "install: [pydantic, e]", has=("there 1.0",))
    assert sorted(missing(findings)) == [
        "pip.0 b<2,>=1.5",
        "pip.0 d[x]==3.*",
        "pip.0 deeper>1",
        "pip.1 f",
        "pip.1 pydantic",  # of the controller
    ]


def test_a_finding_has_the_place_the_way_and_what_is_there(tried: Tried, site: Path) -> None:
    tried.put("a 1 b", "b 1 c>2", "c 1.0", "c 1.5", "c-3.0-cp311-cp311-win_amd64.whl")
    with pytest.raises(InvalidInput) as error:
        tried.lock("install: [a]", has=("c 1.2",))
    first, last = str(error.value).splitlines()
    line = (site / "small.yml").read_text().split("    - {install: [a]}")[0].count("\n") + 1
    assert first == (
        f"{site}/small.yml:{line}: packages.pip.0: c>2 is missing from {tried.house}, and "
        "packages.pip.0.install -> a 1 -> b 1 needs it: it has c 1.0, 1.5; "
        "c-3.0-cp311-cp311-win_amd64.whl is not for Python 3.7 on x86_64, glibc 2.27; "
        "the image has c 1.2"
    )
    assert last.endswith(
        "get what is missing with `pip download --only-binary=:all: --python-version 3.7 "
        "--platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 "
        f"-d {tried.house} 'c>2'`"
    )


def test_markers_are_those_of_the_images_python(tried: Tried) -> None:
    tried.put("a 1 old;python_version<'3.8' new;python_version>='3.8' more;extra=='x'")
    tried.put("b 1 tool[x]", "tool 1 old;extra=='x' new;extra=='x'and(python_version>='3.8')")
    assert missing(tried.refuse("install: [a, b]")) == ["pip.0 old"]
    tried.put("old 1")
    tried.lock("install: [a, b]")


def test_what_the_image_has_needs_no_wheel_and_stays(tried: Tried) -> None:
    tried.put("six 2.0 nowhere", "torchvision 1 torch>=1.9,<2")
    has = ("six 1.0", "Torch 1.9.0+mlu numpy", "numpy 1.0", "odd dev")
    lock = tried.lock('install: ["six>=1", torchvision, odd]', "install: [torch]", has=has)
    assert lock.unproved == ()


def test_without_dependencies_none_is_needed(tried: Tried) -> None:
    tried.put("six 2.0 nowhere")
    tried.lock("install: [six], no_deps: true")


def test_the_lock_says_which_lines_one_call_of_pip_installs(tried: Tried) -> None:
    tried.put("a 1 x<2", "b 1", "c 1", "d 1", "e 1", "x 1", "six 2")
    lines = ["a", "b", "uninstall", "c", "d, e", "e"]
    asked = [f"install: [{line}]" if line != "uninstall" else "uninstall: [six]" for line in lines]
    lock = tried.lock(*asked, "install: [six], no_deps: true", has=("six 1",))
    assert lock.pip_groups == ((0, 1), (3, 4, 5))


def test_lines_that_only_one_after_the_other_can_be_installed_are_in_no_group(
    tried: Tried,
) -> None:
    # the second one replaces what the first one needs, which pip only warns of
    tried.put("a 1 x<2", "c 1 x>=2", "x 1", "x 2")
    assert tried.lock("install: [a]", "install: [c]").pip_groups == ()


def test_another_version_than_the_release_asks_for_is_refused(tried: Tried) -> None:
    tried.put(
        "a 1.0", "a 1.5", "b 1.5", "c 1.0", "d 1.0", "d 1.5", "d 3rc1", "e 1.0", "user 1 e>=2"
    )
    findings = tried.refuse('install: ["a==2.0", "b>=2", "c<1", "d>=1,<2", "d[x]~=1.4", e, user]')
    assert missing(findings) == ["pip.0 a==2.0", "pip.0 b>=2", "pip.0 c<1", "pip.0 e>=2"]
    assert "it has a 1.0, 1.5" in findings[0] and "-> user 1 needs it" in findings[3]


def test_requirements_that_contradict_each_other_are_told(tried: Tried) -> None:
    tried.put("a 1 six<2", "b 1 six>=2", "six 1", "six 2")
    (finding,) = tried.refuse("install: [a, b]")
    assert finding.startswith("packages.pip.0: no versions in") and "six<2" in finding
    assert "six>=2" in finding


def test_lines_are_run_in_their_order(tried: Tried) -> None:
    """An earlier line brings what a later one needs, and a later one may change it again."""
    tried.put("a 1 six<2", "b 1 six>=2", "six 1", "six 2")
    tried.lock("install: [a]", "install: [b]")


def test_what_is_uninstalled_has_to_be_there_again(tried: Tried) -> None:
    findings = tried.refuse("install: [had]", "uninstall: [had]", "install: [had]", has=("had 1",))
    assert missing(findings) == ["pip.2 had"]


def test_a_requirements_file_is_the_sources(tried: Tried) -> None:
    tried.commit(
        **{"requirements.txt": "torch==9\nsix  # yes\n-r more/o.txt\n", "more/o.txt": "lost>1\n"}
    )
    tried.put("six 1.0")
    line = "requirements: /home/share/model/requirements.txt, exclude: [torch]"
    (finding,) = tried.refuse(line)
    assert missing([finding]) == ["pip.0 lost>1"]
    assert "/home/share/model/more/o.txt:1 needs it" in finding


def test_a_project_in_place_needs_what_its_setup_says_and_is_there_afterwards(
    tried: Tried,
) -> None:
    setup = (
        "from setuptools import setup\nsetup(name='Model', version='2', install_requires=['lost'])"
    )
    tried.commit(**{"setup.py": setup})
    tried.put("user 1 model>=2", "strict 1 model<2")
    (finding,) = tried.refuse("editable: /home/share/model_mlu", "install: [user]")
    assert missing([finding]) == ["pip.0.editable lost"] and "-> model 2 needs it" in finding
    tried.put("lost 1")
    tried.lock("editable: /home/share/model_mlu", "install: [user]")


def test_a_project_that_computes_what_it_needs_is_unproved(tried: Tried) -> None:
    setup = "from setuptools import setup\nsetup(install_requires=open('x').read())"
    tried.commit(**{"setup.py": setup})
    tried.put("user 1 model>=2")
    lock = tried.lock("editable: /home/share/model", "install: [user]")
    assert [point.field for point in lock.unproved or ()] == ["packages.pip.0.editable"]


def test_a_source_package_needs_what_it_says_and_a_builder(tried: Tried) -> None:
    tried.put_source("six", "1.0", "lost>1", "", "[x]", "no")
    assert missing(tried.refuse("install: [six]")) == ["pip.0 lost>1"]
    tried.put("lost 2")
    tried.warnings.clear()
    tried.lock("install: [six]")
    assert [line.split(": ", 2)[2] for line in tried.warnings] == [
        "six-1.0.tar.gz is a source package: the image must have what builds it"
    ]


def test_a_damaged_source_package_is_named(tried: Tried) -> None:
    (tried.house / "six-1.0.tar.gz").write_bytes(b"\x1f\x8b")
    (finding,) = tried.refuse("install: [six]")
    assert "six-1.0.tar.gz: it is incomplete or damaged" in finding


def test_a_repository_needs_a_network_that_there_is_not(tried: Tried) -> None:
    tried.put("user 1 peft>=0.3")
    (finding,) = tried.refuse('install: ["git+https://x/peft.git"]', "install: [user]")
    assert finding.startswith("packages.pip.0: git+https://x/peft.git (packages.pip.0.install) ")


def test_a_wheel_that_the_release_names_is_read(tried: Tried) -> None:
    name = "cndsp-0.8.0-py3-none-any.whl"
    (tried.site / "store" / name).write_bytes(wheel("cndsp", "0.8.0", "lost"))
    tried.put("user 1 cndsp==0.8.0")
    findings = tried.refuse(f"wheel: {name}", "install: [user]")
    assert missing(findings) == ["pip.0.wheel lost"]


def test_a_wheel_for_another_python_is_refused(tried: Tried) -> None:
    name = "cndsp-0.8.0-cp310-cp310-linux_x86_64.whl"
    (tried.site / "store" / name).write_bytes(wheel("cndsp", "0.8.0"))
    tried.put("six 1")
    (finding,) = tried.refuse(f"wheel: {name}", "install: [six]")
    assert finding == (
        f"packages.pip.0.wheel: {name}: the wheel is not for the image, which has Python 3.7 on "
        "x86_64, glibc 2.27"
    )


def test_what_comes_from_an_address_is_unproved(tried: Tried) -> None:
    tried.put("user 1 one==0.8.0 two==0.8.0 three==0.8.0")
    lines = (
        "wheel: 'https://x/one-0.8.0-py3-none-any.whl'",
        "install: ['https://x/two-0.8.0-py3-none-any.whl']",
        "install: [three], find_links: 'https://x/whl.html'",
    )
    lock = tried.lock(*lines, "install: [user]")
    fields = ["packages.pip.0.wheel", "packages.pip.1", "packages.pip.2"]
    assert [point.field for point in lock.unproved or ()] == fields


def test_without_a_wheelhouse_nothing_is_proved(tried: Tried) -> None:
    lock = tried.lock("install: [numpy]", wheelhouse=False)
    assert [point.field for point in lock.unproved or ()] == ["packages.pip"]


def test_a_python_of_unknown_version_proves_nothing(
    tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.store.image_python.ImagePython._find_version", lambda self: "")
    fields = [point.field for point in tried.lock("install: [numpy]").unproved or ()]
    assert fields == ["image.python", "packages.wheelhouse"]


def test_the_users_own_pip_settings_do_not_count(
    site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "six-1.0-py3-none-any.whl").write_bytes(wheel("six", "1.0"))
    (tmp_path / "pip.conf").write_text(f"[global]\nfind-links = {elsewhere}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(elsewhere))
    # pip as it is called outside of tests
    assert missing(Tried(site).refuse("install: [six]")) == ["pip.0 six"]


def test_a_controller_without_pip_is_told(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip_resolver.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match="pip is missing, which resolves"):
        tried.lock("install: [numpy]")
