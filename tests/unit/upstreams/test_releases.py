"""The project's releases say of their upstreams what is so, without any stand-in."""

import pytest

from fleet.release import files
from fleet.release.model import Release
from tests import upstreams
from tests.unit import PROJECT
from tests.upstreams import images
from tests.upstreams.releases import ReleaseCheck

RELEASES = PROJECT / "files/releases"
FACTS = upstreams.load_all()
IMAGES = images.load_images()
VARIANTS = [
    (path.stem, variant)
    for path in sorted(RELEASES.glob("*.yml"))
    for variant in files.list_variants(path) or [None]
]


def find_problems(release):
    return list(ReleaseCheck(release, FACTS, IMAGES).list_problems())


def load_fields(name, variant=None):
    return files.load_release(RELEASES / f"{name}.yml", variant).model_dump()


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_a_release_agrees_with_its_upstreams(name, variant):
    problems = find_problems(files.load_release(RELEASES / f"{name}.yml", variant))
    assert not problems, "\n".join(problems)


def test_a_script_that_upstream_lacks_is_found():
    fields = load_fields("baichuan-7b")
    fields["smoke"]["command"] = ["python", "../tools/demo.py"]
    (problem,) = find_problems(Release.model_validate(fields))
    assert problem == ("smoke.command: no file /home/share/pytorch1.9/baichuan/tools/demo.py")


def test_weights_where_the_script_does_not_look_are_found():
    fields = load_fields("baichuan-7b")
    fields["weights"][0]["link"]["path"] = "weights"
    (problem,) = find_problems(Release.model_validate(fields))
    assert problem.startswith("weights: ") and "./baichuan-7B" in problem


def test_a_wrong_count_and_a_wrong_file_of_a_patch_are_found():
    fields = load_fields("baichuan-7b")
    (patch,) = fields["patches"]
    patch["count"] = 2
    (problem,) = find_problems(Release.model_validate(fields))
    assert "occurs 1 times" in problem
    patch["file"] = patch["file"].replace("modeling_utils", "modelling_utils")
    (problem,) = find_problems(Release.model_validate(fields))
    assert problem.startswith("patch: no file ")


def test_what_a_command_prints_without_a_model_is_no_answer():
    fields = load_fields("baichuan-7b")
    for expect in ("User：", "Loading checkpoint shards"):
        fields["smoke"]["expect"] = expect
        (problem,) = find_problems(Release.model_validate(fields))
        assert problem.startswith("smoke.expect: ")


def test_another_tool_and_another_work_folder_are_found():
    fields = load_fields("baichuan-7b")
    fields["migration"]["tool"] = "/torch/src/catch/tools/torch_gpu2mlu/torch_gpu2mlu.py"
    fields["packages"]["pip"][1]["editable"] = "/home/share/pytorch1.9/transformers_mlu"
    assert {
        problem.partition(":")[0] for problem in find_problems(Release.model_validate(fields))
    } == {
        "migration.tool",
        "packages",
    }


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("chatglm-6b-serve", {"command": ["python", "apis.py"]}, "serve.command"),
        ("chatglm-6b-serve", {"path": "/chat"}, "serve.path"),
        ("chatglm-6b-serve", {"question": '{"prompt": "a", "content": "b"}'}, "serve.question"),
        ("chatglm-6b-serve", {"environment": {"PORTS": "{port}"}}, "serve.environment"),
        ("chatglm3-6b-serve", {"name": None}, "serve.name"),
        ("chinese-llama-alpaca-2-serve", {"listens": 8000}, "serve.listens"),
        ("baichuan-7b-serve", {"model": "/data/model/baichuan-7B"}, "serve.model"),
    ],
)
def test_what_a_server_does_otherwise_is_found(name, change, field):
    fields = load_fields(name)
    fields["serve"] |= change
    (problem,) = find_problems(Release.model_validate(fields))
    assert problem.startswith(f"{field}: ")


def test_a_port_that_no_patch_makes_free_is_found():
    fields = load_fields("chatglm2-6b-serve")
    fields["patches"] = fields["patches"][:-1]
    found = {problem.split(": ")[0] for problem in find_problems(Release.model_validate(fields))}
    assert found == {"serve.command", "serve.environment"}
