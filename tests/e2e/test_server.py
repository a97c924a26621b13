"""The server for models that bring none, with the small model in the vendor's image.

OpenAI's own client asks it. One container has all servers of this file, each on a port of its own.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.lab import engine
from tests.lab.paths import SOURCE
from tests.lab.vendor.serving import (
    KEY,
    MODEL,
    PORTS,
    QUESTION,
    Server,
    running_container,
)
from tests.waiting import PATIENCE_S, until

LONG = 490  # tokens of an answer that takes a second or more
ENDLESS = {"min_tokens": LONG}


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_container(tmp_path_factory.mktemp("serving")) as name:
        yield name


@pytest.fixture(scope="module")
def server(container: str, tmp_path_factory: pytest.TempPathFactory) -> Server:
    log = tmp_path_factory.mktemp("server") / "log"
    served = Server(container, PORTS[0], log, "--queue", "1", "--prompt", "{question}")
    served.wait_ready()
    return served


def test_client_gets_the_same_answer_whole_and_in_pieces(server: Server) -> None:
    client = server.client()
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL
    whole = client.chat.completions.create(model=MODEL, messages=QUESTION)
    choice = whole.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("王之涣", "stop")
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (7, 4)
    pieces = list(
        client.chat.completions.create(
            model=MODEL, messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    texts = [p.choices[0].delta.content for p in pieces if p.choices and p.choices[0].delta.content]
    assert len(texts) > 1
    assert "".join(texts) == "王之涣"
    assert pieces[-2].choices[0].finish_reason == "stop"
    assert pieces[-1].usage == whole.usage


def test_the_proof_of_an_endpoint_holds(server: Server, tmp_path: Path) -> None:
    definition = {
        "api": "openai",
        "model": MODEL,
        "ready_path": "/v1/models",
        "question_path": "/v1/chat/completions",
        "question": QUESTION[0]["content"],
        "expect": "王之涣",
        "answer_timeout": 60,
        "key_file": "",
    }
    (tmp_path / "definition.json").write_text(json.dumps(definition))
    (tmp_path / "key").write_text(KEY)
    done = subprocess.run(
        [
            sys.executable,
            SOURCE / "files/serving/client.py",
            "prove",
            "--url",
            server.url,
            "--definition",
            tmp_path / "definition.json",
            "--key-file",
            tmp_path / "key",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    proof = json.loads(done.stdout)
    assert (proof["ok"], proof["code"]) == (True, ""), proof
    assert "王之涣" in proof["answer"]
    assert proof["tokens_per_s"] > 0


def test_an_answer_ends_where_the_client_says(server: Server) -> None:
    def ask(**options: Any) -> tuple[str, str, int]:
        done = server.client().chat.completions.create(model=MODEL, messages=QUESTION, **options)
        choice = done.choices[0]
        return choice.message.content, choice.finish_reason, done.usage.completion_tokens

    assert ask(max_tokens=3) == ("王之涣", "length", 3)
    assert ask(max_completion_tokens=2) == ("王之", "length", 2)
    assert ask(stop="之") == ("王", "stop", 2)
    assert ask(stop=["no", "之涣"]) == ("王", "stop", 3)
    assert ask(temperature=1, top_p=0.01)[0] == "王之涣"


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"model": "gpt-4"}, 404, "model_not_found"),
        ({"messages": []}, 400, "invalid_value"),
        ({"messages": [{"role": "user", "content": 5}]}, 400, "invalid_value"),
        ({"temperature": 3}, 400, "invalid_value"),
        ({"n": 2}, 400, "invalid_value"),
        ({"stop": 1}, 400, "invalid_value"),
        ({"max_tokens": 0}, 400, "invalid_value"),
        ({"max_tokens": 600}, 400, "context_length_exceeded"),
        ({"messages": [{"role": "user", "content": "静夜" * 600}]}, 400, "context_length_exceeded"),
    ],
)
def test_a_wrong_request_is_refused(
    server: Server, wrong: dict[str, Any], status: int, code: str
) -> None:
    import openai

    with pytest.raises(openai.APIStatusError) as refused:
        server.client().chat.completions.create(**{"model": MODEL, "messages": QUESTION, **wrong})
    assert (refused.value.status_code, refused.value.code) == (status, code)


def test_only_who_has_the_key_is_answered(server: Server) -> None:
    import openai

    for key in ("another", KEY[:-1], KEY + "s"):
        with pytest.raises(openai.AuthenticationError):
            server.client(key).models.list()
        with pytest.raises(openai.AuthenticationError):
            server.client(key).chat.completions.create(model=MODEL, messages=QUESTION)
    assert server.get("/v1/models")[0] == 401
    assert server.get("/health")[0] == 200
    commands = engine.docker("exec", server.container, "ps", "-ef")
    assert "server.py" in commands
    assert KEY not in commands


def test_a_full_queue_says_when_to_come_again(server: Server) -> None:
    import openai

    def ask(tokens: int) -> str:
        client = server.client()
        options = {"max_tokens": tokens, "extra_body": ENDLESS}
        done = client.chat.completions.create(model=MODEL, messages=QUESTION, **options)
        return str(done.choices[0].finish_reason)

    refused: list[Any] = []

    def is_refused() -> bool:
        with ThreadPoolExecutor(3) as threads:
            asked = [threads.submit(ask, LONG) for _ in range(3)]
        errors = [task.exception() for task in asked]
        refused.extend(error for error in errors if error)
        assert errors.count(None) >= 2
        return bool(refused)

    until(is_refused)
    assert isinstance(refused[0], openai.RateLimitError)
    assert int(refused[0].response.headers["Retry-After"]) >= 1
    assert server.metrics()["requests_total429"] >= 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_ends_its_generation(server: Server, stream: bool) -> None:
    before = server.metrics()
    body = json.dumps(
        {"model": MODEL, "messages": QUESTION, "max_tokens": LONG, "stream": stream, **ENDLESS}
    )
    host, port = server.url[7:].split(":")
    lines = (
        "POST /v1/chat/completions HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {KEY}",
        f"Content-Length: {len(body)}",
        "",
        body,
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall("\r\n".join(lines).encode())
        until(lambda: server.metrics()["running"] == 1)
    until(lambda: server.metrics()["running"] == 0)
    after = server.metrics()
    assert after["generation_seconds_count"] - before["generation_seconds_count"] == 1
    assert after["tokens_total"] - before["tokens_total"] < LONG


def test_a_card_that_is_gone_ends_the_server(container: str, tmp_path: Path) -> None:
    import openai

    served = Server(container, PORTS[1], tmp_path / "log")
    served.wait_ready()
    engine.docker("exec", container, "mv", "/dev/cambricon_dev0", "/dev/gone")
    try:
        with pytest.raises(openai.InternalServerError) as failed:
            served.client().chat.completions.create(model=MODEL, messages=QUESTION)
        assert failed.value.code == "device_error"
        assert served.process.wait(PATIENCE_S) == 1
        assert "CNRT error: no device" in served.log.read_text()
    finally:
        engine.docker("exec", container, "mv", "/dev/gone", "/dev/cambricon_dev0")


def test_a_stop_lets_answers_end_within_the_time_to_drain(
    container: str, server: Server, tmp_path: Path
) -> None:
    import openai

    # the time to drain of one is long enough for an answer, that of the other is not
    short = Server(container, PORTS[2], tmp_path / "log", "--drain-timeout", "2")
    short.wait_ready()
    reasons = []
    for served in (server, short):
        pieces = served.client().chat.completions.create(
            model=MODEL, messages=QUESTION, max_tokens=LONG, extra_body=ENDLESS, stream=True
        )
        next(pieces)
        next(pieces)
        with ThreadPoolExecutor(1) as threads:
            stopped = threads.submit(served.stop)
            try:
                reasons.append(list(pieces)[-1].choices[0].finish_reason)
            except openai.APIError as error:
                reasons.append(error.code)
        assert stopped.result() == 0
        with pytest.raises(OSError):
            urlopen(Request(f"{served.url}/health"), timeout=PATIENCE_S)
    assert reasons == ["length", "stopping"]
