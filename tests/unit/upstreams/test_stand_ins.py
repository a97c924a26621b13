"""The trees that stand in for repositories have nothing that the repositories lack."""

import shutil

import pytest

from tests import upstreams
from tests.lab.recipes import build
from tests.lab.vendor import docker_image
from tests.lab.vendor import upstreams as vendor
from tests.unit import PROJECT
from tests.upstreams import images, stand_ins

LAB = PROJECT / "tests" / "lab"
TREES = {
    tree.name: tree
    for folder in ("recipes", "vendor")
    for tree in sorted((LAB / folder / "trees").iterdir())
}
FACTS = {upstream.name.casefold(): upstream for upstream in upstreams.load_all()}


@pytest.mark.parametrize("name", TREES)
def test_a_stand_in_looks_like_its_upstream(name):
    problems = list(stand_ins.list_problems(TREES[name], FACTS[name.casefold()]))
    assert not problems, "\n".join(problems)


def test_the_link_that_is_made_is_upstreams():
    facts = FACTS["dev-env-ubuntu"].files[str(vendor.LINK)]
    assert facts.mode == "120000" and facts.size == len(vendor.LINK_TARGET)


def test_the_images_have_the_tool_where_the_vendors_have_it():
    known = images.load_images()
    assert docker_image.TAG in known
    assert set(build.TOOLS) <= set(known)
    for tag, tool in build.TOOLS.items():
        assert tool == known[tag].tool


@pytest.fixture
def tree(tmp_path):
    """A stand-in that passes, to be spoiled."""
    return shutil.copytree(TREES["ChatGLM2-6B"], tmp_path / "ChatGLM2-6B")


def spoil(tree, file, old, new):
    text = (tree / file).read_text()
    assert old in text
    (tree / file).write_text(text.replace(old, new, 1))
    return list(stand_ins.list_problems(tree, FACTS["chatglm2-6b"]))


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("cli_demo.py", "THUDM/chatglm2-6b", "/data/models/chatglm2-6b", "occurs 2 times"),
        ("cli_demo.py", "\\n用户：", "User: ", "asks"),
        ("cli_demo.py", "\\nChatGLM：", "Answer: ", "prints 'Answer: '"),
        ("requirements.txt", "cpm_kernels\n", "", "requires"),
    ],
)
def test_a_difference_is_found(tree, file, old, new, problem):
    assert any(problem in line for line in spoil(tree, file, old, new))


def test_a_file_that_upstream_lacks_is_found(tree):
    (tree / "demo.py").touch()
    assert list(stand_ins.list_problems(tree, FACTS["chatglm2-6b"])) == [
        "demo.py: upstream has no such file"
    ]


def test_an_executable_that_is_none_upstream_is_found(tree):
    (tree / "cli_demo.py").chmod(0o755)
    assert list(stand_ins.list_problems(tree, FACTS["chatglm2-6b"])) == [
        "cli_demo.py: upstream's mode is 100644"
    ]
