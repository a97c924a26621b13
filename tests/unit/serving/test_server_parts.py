"""What mlu-fleet's own server makes of requests and of tokens, without a model.

tests/e2e/test_server.py asks the whole server.
"""

from __future__ import annotations

import ast
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SERVING = Path(__file__).parents[3] / "files" / "serving"
#: Tokens as byte-level models have them: a character can take several.
PIECES = [
    b" def",
    b":",
    b"\n",
    b"   ",
    b" x",
    "诗".encode()[:1],
    "诗".encode()[1:],
    b"END",
    b"</s>",
]
END_TOKEN = len(PIECES) - 1


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The server's modules, which import each other by name as in the container."""
    monkeypatch.syspath_prepend(str(SERVING))
    import server_chat
    import server_model

    yield SimpleNamespace(chat=server_chat, model=server_model)
    for name in [name for name in sys.modules if name.startswith("server_")]:
        del sys.modules[name]


def decode(tokens: list[int]) -> str:
    """As sentencepiece does it: a text loses the space that it begins with."""
    data = b"".join(PIECES[token] for token in tokens if token != END_TOKEN)
    return data.decode(errors="replace").removeprefix(" ")


def answer(parts: Any, tokens: list[int], **asked: Any) -> tuple[list[str], str]:
    """Pieces that a client is told, and why the answer ended."""
    body = {"model": "m", "messages": [{"role": "user", "content": "?"}], **asked}
    inputs = {"input_ids": SimpleNamespace(shape=(1, 2))}
    generation = parts.model.Generation(parts.chat.ChatRequest(body), inputs, len(tokens))
    generation.deadline = float("inf")
    told: list[str] = []
    generation.tell = lambda event: told.append(event[1])
    model = SimpleNamespace(decode=decode, end_tokens=[END_TOKEN])
    following = parts.model.Answer(model, generation)
    sequence = [0, 0]
    for number, token in enumerate(tokens, 1):
        sequence.append(token)
        # transformers does not ask about the token that reaches the limit
        if number < len(tokens) and following.follow({(0, -1): token}):
            break
    reason = following.finish(sequence)
    assert generation.usage["completion_tokens"] == len(sequence) - 2
    return told, reason


def test_pieces_make_up_the_text_with_its_spaces(parts: Any) -> None:
    tokens = [0, 1, 2, 3, 4]
    told, reason = answer(parts, tokens)
    assert "".join(told) == decode(tokens) == "def:\n    x"
    assert len(told) > 1
    assert reason == "length"


def test_a_character_is_told_when_it_is_whole(parts: Any) -> None:
    told, reason = answer(parts, [1, 5, 6, END_TOKEN])
    assert told == [":", "诗"]
    assert reason == "stop"


@pytest.mark.parametrize(
    ("stop", "text", "reason"),
    [
        (["END"], "def:", "stop"),
        (["诗END", "x"], "def:END ", "stop"),
        ([":ENDE"], "def:END x", "length"),
        ("f:", "de", "stop"),
    ],
)
def test_nothing_of_a_stop_is_told(parts: Any, stop: Any, text: str, reason: str) -> None:
    told, ended = answer(parts, [0, 1, 7, 4], stop=stop)
    assert ("".join(told), ended) == (text, reason)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("CNRT error: no device.", "device_error"),
        ("cnrtErrorDeviceInvalid", "device_error"),
        ("MLU out of memory. Tried to allocate 2.00 GiB", "out_of_memory"),
        ("The size of tensor a (3) must match", "generation_failed"),
    ],
)
def test_an_error_of_the_card_has_its_code(parts: Any, message: str, code: str) -> None:
    model = parts.model.Model.__new__(parts.model.Model)
    model.torch, model.device, model.answer_timeout = SimpleNamespace(), "mlu", 1

    def fail(generation: Any) -> str:
        raise RuntimeError(message)

    model._generate = fail
    events: list[Any] = []
    usable = model.run(SimpleNamespace(tell=events.append))
    assert [(kind, error.status, error.code) for kind, error in events] == [("error", 500, code)]
    assert usable == (code != "device_error")


@pytest.mark.parametrize("temperature", [0, 0.001, None])
def test_no_temperature_means_the_most_likely_answer(parts: Any, temperature: Any) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
    assert parts.chat.ChatRequest({**body, "temperature": temperature}).temperature == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", float("nan")),
        ("max_tokens", True),
        ("stream", "yes"),
        ("tools", [{}]),
        ("messages", [{"role": "robot", "content": "?"}]),
        ("stop", [""]),
    ],
)
def test_what_cannot_be_done_is_refused(parts: Any, field: str, value: Any) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "?"}], field: value}
    with pytest.raises(parts.chat.ApiError) as refused:
        parts.chat.ChatRequest(body)
    assert refused.value.status == 400


def test_texts_of_several_parts_are_joined(parts: Any) -> None:
    content = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": content}]
    assert parts.chat.ChatRequest({"model": "m", "messages": messages}).join_messages() == "s\nab"


@pytest.mark.parametrize("file", sorted(SERVING.glob("server*.py")), ids=lambda file: file.name)
def test_the_images_python_can_read_it(file: Path) -> None:
    ast.parse(file.read_text(), feature_version=(3, 7))


class Tokenizer:
    """What transformers' tokenizers with a chat template have, as far as the server uses it."""

    chat_template, model_max_length = "{% for message in messages %}…", 100

    def __init__(self) -> None:
        self.texts: list[tuple[str, dict[str, Any]]] = []

    def apply_chat_template(self, messages: Any, **options: Any) -> str:
        assert options == {"tokenize": False, "add_generation_prompt": True}
        if messages[0]["role"] != "user":
            raise ValueError("Conversation roles must alternate")
        return "".join(f"<{message['role']}>{message['content']}" for message in messages)

    def __call__(self, text: str, **options: Any) -> dict[str, Any]:
        self.texts.append((text, options))
        return {"input_ids": SimpleNamespace(shape=(1, len(text))), "token_type_ids": None}


def test_a_chat_template_makes_the_prompt_and_its_refusal_is_the_clients(parts: Any) -> None:
    model = parts.model.Model.__new__(parts.model.Model)
    model.tokenizer, model.tokenizing = Tokenizer(), threading.Lock()
    model.max_length, model.max_new_tokens, model.prompt = 100, 50, "not {question}"
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    generation = model.prepare(parts.chat.ChatRequest(body))
    # the template has the special tokens already
    assert model.tokenizer.texts == [
        ("<user>a", {"add_special_tokens": False, "return_tensors": "pt"})
    ]
    assert (list(generation.inputs), generation.max_tokens) == (["input_ids"], 50)
    body["messages"].insert(0, {"role": "system", "content": "s"})
    with pytest.raises(parts.chat.ApiError, match="roles must alternate") as refused:
        model.prepare(parts.chat.ChatRequest(body))
    assert (refused.value.status, refused.value.param) == (400, "messages")
