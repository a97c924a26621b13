"""The server for models that bring none, with the small model in the vendor's image.

OpenAI's own client asks it. One container has all servers of this file, each on a port of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab import engine, paths
from tests.lab.vendor import docker_image, upstreams, weights, wheels

MODEL, KEY = "baichuan-7b", "a key that nobody guesses"
QUESTION = [{"role": "user", "content": "登鹳雀楼->"}]
LONG = 490  # tokens of an answer that takes a second or more
ENDLESS = {"min_tokens": LONG}
PREFIX = "mlufleet_server_"
PORTS = (8000, 8001, 8002)
PREPARE = """
/torch/venv3/pytorch/bin/python -m pip install --quiet --no-index --find-links /wheels \
  --disable-pip-version-check --root-user-action ignore tokenizers huggingface-hub regex \
  sentencepiece tqdm filelock packaging fastapi uvicorn
mknod /dev/cambricon_ctl c 1 3
mknod /dev/cambricon_dev0 c 1 3
"""
START = """
echo $$ > /run/$PORT.pid
exec /torch/venv3/pytorch/bin/python /serving/server.py --model /weights --name baichuan-7b \
  --port $PORT "$@"
"""


class Server:
    """A server in the container."""

    def __init__(self, container: str, port: int, log: Path, *options: str) -> None:
        self.container, self.port, self.log = container, port, log
        published = engine.docker("port", container, f"{port}/tcp").splitlines()[0]
        self.url = f"http://{published}"
        with log.open("wb") as output:
            words = ("sh", "-c", START, "server", *options)
            self.process = subprocess.Popen(
                ["docker", "exec", "--env", f"PORT={port}", container, *words],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    def client(self, key: str = KEY) -> Any:
        # not above: it imports ssl, which gevent has to change before
        import openai

        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=60)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urlopen(self.url + path, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self) -> dict[str, float]:
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return {
            sample.name.replace("mlufleet_server_", "")
            + "".join(sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    def wait_ready(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            try:
                return self.get("/health")[0] == 200
            except OSError:
                return False

        wait_until(answers)

    def stop(self) -> int:
        engine.docker("exec", self.container, "sh", "-c", f"kill $(cat /run/{self.port}.pid)")
        return self.process.wait(60)


def wait_until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < limit, "it took two minutes"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    wheels.build()
    upstreams.build()
    weights.build()
    folder = tmp_path_factory.mktemp("serving")
    shutil.copytree(paths.SOURCE / "files/serving", folder, dirs_exist_ok=True)
    (folder / "key").write_text(KEY + "\n")
    mounts = {folder: "/serving", weights.FOLDER: "/weights", wheels.WHEELS: "/wheels",
              upstreams.SOURCE: "/transformers"}  # fmt: skip
    volumes = [word for path, place in mounts.items() for word in ("-v", f"{path}:{place}:ro")]
    published = [word for port in PORTS for word in ("-p", f"127.0.0.1::{port}")]
    variables = ("PYTHONPATH=/transformers/src", "PYTHONDONTWRITEBYTECODE=1", "HF_HUB_OFFLINE=1")
    environment = [word for variable in variables for word in ("-e", variable)]
    name = f"{os.environ.get('LAB_PREFIX', 'mlulab-')}server-{os.getpid()}"
    engine.docker(
        "run", "--detach", "--init", "--name", name, *volumes, *published, *environment,
        docker_image.reference(), "sleep", "infinity",
    )  # fmt: skip
    try:
        engine.docker("exec", name, "sh", "-ec", PREPARE)
        yield name
    finally:
        engine.docker("rm", "--force", name)


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
)  # fmt: skip
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

    wait_until(is_refused)
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
    lines = ("POST /v1/chat/completions HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {KEY}",
             f"Content-Length: {len(body)}", "", body)  # fmt: skip
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall("\r\n".join(lines).encode())
        wait_until(lambda: server.metrics()["running"] == 1)
    wait_until(lambda: server.metrics()["running"] == 0)
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
        assert served.process.wait(60) == 1
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
            urlopen(Request(f"{served.url}/health"), timeout=30)
    assert reasons == ["length", "stopping"]
