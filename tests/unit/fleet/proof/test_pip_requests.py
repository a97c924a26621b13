"""What pip lines ask for is read from the files of the release, which are not run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.proof.pip_requests import TreeTexts, list_requests
from fleet.proof.python_projects import read_project
from fleet.proof.requirement_files import UnknownText, parse_requirement, read_requirements
from fleet.release import files as release_files
from fleet.release.model import PipCommand
from fleet.store.source_tree import SourceTree, TreeEntry
from fleet.store.wheels import PythonTarget


class Texts(dict[str, str]):
    """Files of a container."""

    def __call__(self, path: str) -> str:
        if path not in self:
            raise UnknownText(f"{path} is not there")
        return self[path]


def requirements(text: str, *exclude: str, **others: str) -> list[str]:
    texts = Texts({"/x/requirements.txt": text, **{f"/x/{k}.txt": v for k, v in others.items()}})
    listed = read_requirements("/x/requirements.txt", exclude, texts)
    return [f"{one.requirement} {one.origin[3:]}" for one in listed.requested]


def test_comments_options_and_continued_lines_are_read_as_pip_reads_them() -> None:
    text = (
        "\ufeff# top\n--extra-index-url https://x\nsix  # why\n\nnumpy==1 \\\n  --hash=sha256:aa\n"
        "a; python_version < '3'\nb[c]>=2,<3\n"
    )
    assert requirements(text) == [
        "six requirements.txt:3",
        "numpy==1 requirements.txt:5",
        'a; python_version < "3" requirements.txt:7',
        "b[c]<3,>=2 requirements.txt:8",
    ]


def test_a_whole_name_is_left_out() -> None:
    text = "torch==1.9\ntorchvision\n Torch\ntorch-scatter\n"
    assert requirements(text, "torch") == [
        "torchvision requirements.txt:2",
        "torch-scatter requirements.txt:4",
    ]


def test_included_files_are_read_and_constraints_only_limit() -> None:
    text = "-r more.txt\n-c limits.txt\nlast\n"
    others = {"more": "first\n", "limits": "six<2\n"}
    assert requirements(text, **others) == ["first more.txt:1", "last requirements.txt:3"]
    texts = Texts({"/x/r": text, "/x/more.txt": "", "/x/limits.txt": "six<2"})
    assert [str(c.requirement) for c in read_requirements("/x/r", (), texts).constraints] == [
        "six<2"
    ]


@pytest.mark.parametrize("text", ["-r requirements.txt", "-r no.txt"])
def test_a_file_that_includes_itself_or_nothing_is_unknown(text: str) -> None:
    with pytest.raises(UnknownText):
        requirements(text)


def test_what_has_no_name_is_unknown() -> None:
    texts = Texts({"/x/r": "./folder\n-e .\n-f https://x/links\nsix\n"})
    listed = read_requirements("/x/r", (), texts)
    assert len(listed.requested) == 1 and [one[:6] for one in listed.unknown] == [
        "/x/r:1",
        "/x/r:2",
        "/x/r:3",
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("git+https://x/y/peft.git@v1", "peft"),
        ("git+https://x/y/peft", "peft"),
        ("-e git+https://x/y.git#egg=other", "other"),
        ("peft @ git+https://x/y", "peft"),
        ("https://x/cndsp-0.8.0-py3-none-any.whl", "cndsp"),
    ],
)
def test_a_requirement_by_address_has_a_name(text: str, name: str) -> None:
    requirement = parse_requirement(text)
    assert requirement.name == name and requirement.url


SETUP_PY = {
    "literal": "from setuptools import setup\nsetup(name='A_b', version='1.2', "
    "install_requires=['six>1', 'b; python_version<\"3\"'])",
    "a name": "import setuptools\n"
    "BASE = ['six>1']\nsetuptools.setup(install_requires=BASE + ['b'])",
    "a table": "import re\n_deps = ['six>1', 'b!=2']\n"
    "deps = {b: a for a, b in (re.findall(r'^(([^!=<>~ ]+)(?:[!=<>~ ].*)?$)', x)[0] "
    "for x in _deps)}\nextras = {}\nextras['x'] = [deps['b']]\n"
    "install_requires = [deps['six'] + \";python_version<'3.8'\", deps['b']]\n"
    "setup(name='t', version='4.29.1', install_requires=install_requires)",
    "text": "setup(name='a', install_requires='six>1\\nb')",
    "nothing": "setup(name='a')",
}


@pytest.mark.parametrize(
    ("case", "needs"),
    [
        ("literal", ["six>1", 'b; python_version < "3"']),
        ("a name", ["six>1", "b"]),
        ("a table", ['six>1; python_version < "3.8"', "b!=2"]),
        ("text", ["six>1", "b"]),
        ("nothing", []),
    ],
)
def test_setup_py_is_read_and_not_run(case: str, needs: list[str]) -> None:
    project = read_project("/p", Texts({"/p/setup.py": SETUP_PY[case]}))
    assert list(map(str, project.requires)) == needs


@pytest.mark.parametrize(
    "text",
    [
        "setup(install_requires=open('requirements.txt').read().split())",
        "needs = ['a']\nif os.name == 'nt':\n    needs.append('b')\nsetup(install_requires=needs)",
        "needs = ['a']\nneeds += more()\nsetup(install_requires=needs)",
        "setup(**arguments)",
        "print('no setup')",
        "setup(",
        "setup(install_requires=['not a requirement !'])",
        "a = b\nb = a\nsetup(install_requires=a)",
    ],
)
def test_a_setup_py_that_computes_what_it_needs_is_unknown(text: str) -> None:
    with pytest.raises(UnknownText):
        read_project("/p", Texts({"/p/setup.py": text}))


@pytest.mark.parametrize(
    ("files", "project"),
    [
        (
            {"pyproject.toml": "[project]\nname='A'\nversion='1'\ndependencies=['six>1']"},
            ("a", "1", ["six>1"]),
        ),
        ({"pyproject.toml": "[project]\nname='A'\nversion='1'"}, ("a", "1", [])),
        (
            {
                "pyproject.toml": "[project]\nname='A'\ndynamic=['version','dependencies']\n"
                "[tool.setuptools.dynamic]\ndependencies={file=['r.txt']}",
                "r.txt": "six  # yes\n",
            },
            ("a", "", ["six"]),
        ),
        (
            {
                "pyproject.toml": "[build-system]\nrequires=['setuptools']",
                "setup.cfg": "[metadata]\nname=c\nversion=attr: c.v\n[options]\n"
                "install_requires =\n  six\n  b<2; python_version<'3'\n",
                "setup.py": "from setuptools import setup\nsetup()",
            },
            ("c", "", ["six", 'b<2; python_version < "3"']),
        ),
    ],
)
def test_a_project_is_read_from_the_file_that_describes_it(
    files: dict[str, str], project: tuple[str, str, list[str]]
) -> None:
    found = read_project("/p/", Texts({f"/p/{name}": text for name, text in files.items()}))
    assert (found.name, found.version, list(map(str, found.requires))) == project


@pytest.mark.parametrize(
    "files", [{}, {"pyproject.toml": "[tool.poetry]\nname='a'"}, {"pyproject.toml": "[["}]
)
def test_a_project_that_says_it_elsewhere_is_unknown(files: dict[str, str]) -> None:
    with pytest.raises(UnknownText):
        read_project("/p", Texts({f"/p/{name}": text for name, text in files.items()}))


WORDS = (
    "[project] dynamic=['dependencies'] dependencies= [1] 'a>1' name='../x' {} [tool] poetry=1 "
    "setuptools= [options] install_requires= file:r.txt setup( install_requires=[ 'six' ] ) a= a "
    "+ {'b': } ['b'] -r"
)
VALUES = st.sampled_from([*WORDS.split(), "\n"])


@given(st.lists(st.one_of(VALUES, st.text(max_size=5)), max_size=12).map(" ".join))
@example("a=a\nsetup(install_requires=a)")
@example("[project]\ndynamic=1")
@example("[project]\nname='../../x'\ndependencies=[]")
def test_any_text_is_a_project_or_unknown(text: str) -> None:
    for name in ("pyproject.toml", "setup.cfg", "setup.py"):
        try:
            project = read_project("/p", Texts({f"/p/{name}": text, "/p/r.txt": text}))
        except UnknownText as error:
            assert str(error)
        else:
            assert "/" not in project.name + project.version
    with suppress(UnknownText):
        read_requirements("/p/r", (), Texts({"/p/r": text}))


def test_every_line_asks_for_its_own(site: Path) -> None:
    texts = Texts({"/s/r.txt": "torch\nsix\n", "/s/p/setup.py": SETUP_PY["literal"]})
    release = release_files.load_document(site / "small.yml").release
    lines = (
        PipCommand(install=("numpy", "git+https://x/y")),
        PipCommand(requirements="/s/r.txt", exclude=("torch",)),
        PipCommand(editable="/s/p"),
        PipCommand(editable="/s/none"),
    )
    packages = release.packages.model_copy(update={"pip": lines})
    requests = list_requests(release.model_copy(update={"packages": packages}), texts)
    environment = PythonTarget("3.7", "x86_64").marker_environment
    assert [one.list_downloads(environment) for one in requests] == [
        ["numpy"],
        ["six"],
        ["six>1"],
        [],
    ]
    assert requests[1].requested[0].origin == "packages.pip.1, /s/r.txt:2"
    ((location, _),) = requests[3].unknown
    assert location == ("packages", "pip", 3, "editable")


def test_files_are_read_from_the_sources_and_their_migrated_trees(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = release_files.load_document(site / "small.yml").release
    tree = SourceTree(site, "0" * 40, {"r.txt": TreeEntry("100644", "1")})
    monkeypatch.setattr(SourceTree, "read", lambda self, path: path.encode())
    read = TreeTexts(release, {"model": tree})
    assert read("/home/share/model/r.txt") == read("/home/share/model_mlu/r.txt") == "r.txt"
    for path in ("/home/share/model/none", "/elsewhere/r.txt", "/home/share/model_other/r.txt"):
        with pytest.raises(UnknownText):
            read(path)
    with pytest.raises(UnknownText, match="no bundle"):
        TreeTexts(release, {"model": None})("/home/share/model/r.txt")
