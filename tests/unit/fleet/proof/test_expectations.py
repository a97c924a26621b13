"""A smoke test that would pass without an answer of the model is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.fleet.proof.conftest import Try

ANSWER = "你好！我是人工智能助手 ChatGLM3-6B"
DEMO = f'''"""Prints {ANSWER}."""
import torch
# {ANSWER}
welcome = "欢迎使用 ChatGLM3-6B 模型"
def build(query, response):
    """{ANSWER} is the answer."""
    return f"用户：{{query}} ChatGLM：{{response}}"
if input("ask: ") == "stop":
    print(welcome,
          "two\\nlines")
parser.add_argument("--model", help="the model")
'''
README = f"> {ANSWER}\n"
URL = "http://localhost:8000/v1/chat/completions"


def smoke(expect: str, **fields: Any) -> dict[str, Any]:
    return {"smoke": {"expect": expect, **fields}}


def asked(question: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "stdin", "stdin": question, **fields}


@pytest.mark.parametrize(
    "expect",
    [
        "7/7",
        "100%",
        "Loading checkpoint shards",
        "Loading checkpoint shards: 100%|██████████| 7/7 [00:10<00:00,  1.50s/it]",
        "Loading model...",
        "Running on local URL:  http://127.0.0.1:7860",
        "Application startup complete.",
    ],
)
@pytest.mark.parametrize("kind", ["plain", "stdin"])
def test_what_loading_prints_is_refused(prove: Try, expect: str, kind: str) -> None:
    (finding,) = prove(smoke(expect, kind=kind, stdin="hello")).findings
    assert finding.split(": ")[1] == "smoke.expect" and "while the model is loaded" in finding


@pytest.mark.parametrize(
    ("expect", "line"),
    [
        ("欢迎使用", 4),
        ("ChatGLM：", 7),
        ("ask:", 8),
        ("two", 10),
        ("lines", 11),
    ],
)
def test_a_text_of_the_script_is_refused_with_its_line(prove: Try, expect: str, line: int) -> None:
    (finding,) = prove(smoke(expect), tree={"demo.py": DEMO}).findings
    # the migration tool has inserted a line
    assert f"/workspace/model_mlu/demo.py:{line + 1}" in finding


@pytest.mark.parametrize("expect", [ANSWER, "stop", "the model", "mlu"])
def test_what_the_script_does_not_print_is_accepted(prove: Try, expect: str) -> None:
    tried = prove(smoke(expect), tree={"demo.py": DEMO, "README.md": README})
    assert not tried.findings and "smoke.expect" not in tried.unproved


def test_the_script_is_read_as_patches_leave_it(prove: Try) -> None:
    patch = {"file": "/workspace/model_mlu/demo.py", "content": "print('ready')\n"}
    assert prove({**smoke("ready"), "patches": [patch]}).wrong_fields == ["smoke.expect"]


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-c", "print('ready')"],
        ["sh", "-c", "echo ready; python demo.py"],
        ["bash", "scripts/say.sh"],
    ],
)
def test_what_the_command_itself_prints_is_refused(prove: Try, command: list[str]) -> None:
    tree = {"scripts/say.sh": "# ready\nname=ready\necho ready\n"}
    assert prove(smoke("ready", command=command), tree=tree).wrong_fields == ["smoke.expect"]


def test_a_name_in_a_shell_script_is_not_printed(prove: Try) -> None:
    tree = {"scripts/say.sh": "# ready\nready=1 ./ask\n"}
    assert not prove(smoke("ready", command=["bash", "scripts/say.sh"]), tree=tree).findings


def test_a_part_of_the_question_is_refused_where_the_answer_repeats_it(prove: Try) -> None:
    assert prove(smoke("鹳雀楼", **asked("登鹳雀楼->"))).wrong_fields == ["smoke.expect"]
    assert not prove(smoke("王之涣", **asked("登鹳雀楼->"))).findings


def test_a_part_of_the_question_is_accepted_where_nothing_repeats_it(prove: Try) -> None:
    assert not prove(smoke("你好", **asked("你好\nstop\n", echo=False))).findings


@pytest.mark.parametrize("expect", ['"choices"', '"content":', "{", "chat.completion", "Assistant"])
def test_what_every_answer_of_a_server_has_is_refused(prove: Try, expect: str) -> None:
    (finding,) = prove(smoke(expect, kind="http", url=URL)).findings
    assert "every well-formed answer" in finding


def test_a_word_of_an_answer_is_accepted_and_one_of_the_question_is_warned_of(prove: Try) -> None:
    question = '{"messages": [{"role": "user", "content": "首都"}]}'
    assert not prove(smoke("北京", kind="http", url=URL, stdin=question)).warnings
    tried = prove(smoke("首都", kind="http", url=URL, stdin=question))
    assert not tried.findings and "smoke.expect" in tried.warnings[0]


@pytest.mark.parametrize("expect", ["torch.Size([2, 3])", "[2, 3]", "42", "1.5s"])
def test_numbers_and_shapes_are_accepted(prove: Try, expect: str) -> None:
    assert not prove(smoke(expect, command=["python", "-c", "print(x.shape)"])).findings


def test_a_program_that_cannot_be_read_leaves_it_unproved(prove: Try) -> None:
    tried = prove(smoke("42", command=["python", "/workspace/fork/a.py"]))
    assert "fork has no bundle" in tried.unproved["smoke.expect"]
