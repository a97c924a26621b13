"""Records how a server with OpenAI's API answers right and wrong requests, as shapes without words.

    PYTHON tests/upstreams/api_record.py openai_api.py > tests/upstreams/answers/ChatGLM3.json

runs upstream's script under a Python with fastapi, uvicorn, sse-starlette and loguru, with a model
that says fixed words in place of its own (`utils`, `transformers` and `torch` are replaced). The
record has git's id of the script. The lab's stand-in is recorded in the same way, and compared.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MODEL, PORT = "chatglm3-6b", 8000
CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "?"}
#: Name -> method, path and body (text is sent as it is).
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "models": ("GET", "/v1/models", None),
    "whole": ("POST", CHAT, {"messages": [USER]}),
    "options": ("POST", CHAT, {"messages": [USER], "temperature": 0.01, "max_tokens": 256}),
    "another model": ("POST", CHAT, {"messages": [USER], "model": "another"}),
    "only a system message": ("POST", CHAT, {"messages": [{"role": "system", "content": "x"}]}),
    "streamed": ("POST", CHAT, {"messages": [USER], "stream": True}),
    "streamed, with usage": (
        "POST",
        CHAT,
        {"messages": [USER], "stream": True, "stream_options": {"include_usage": True}},
    ),
    "no messages": ("POST", CHAT, {}),
    "empty messages": ("POST", CHAT, {"messages": []}),
    "last one is the assistant's": (
        "POST",
        CHAT,
        {"messages": [USER, {"role": "assistant", "content": "x"}]},
    ),
    "no content": ("POST", CHAT, {"messages": [{"role": "user"}]}),
    "content is null": ("POST", CHAT, {"messages": [{"role": "user", "content": None}]}),
    "content is a list": ("POST", CHAT, {"messages": [{"role": "user", "content": []}]}),
    "another role": ("POST", CHAT, {"messages": [{"role": "robot", "content": "x"}]}),
    "messages are text": ("POST", CHAT, {"messages": "?"}),
    "no model": ("POST", CHAT, {"messages": [USER], "model": None}),
    "a limit of no number": ("POST", CHAT, {"messages": [USER], "max_tokens": "many"}),
    "stream is a word": ("POST", CHAT, {"messages": [USER], "stream": "perhaps"}),
    "no JSON": ("POST", CHAT, "{"),
    "a list": ("POST", CHAT, "[]"),
    "another path": ("GET", "/v1/nothing", None),
    "another path, asked": ("POST", "/v1/completions", {"prompt": "?"}),
    "another method": ("GET", CHAT, None),
}
#: Texts that are words of the protocol, not of the model.
PROTOCOL = ("object", "role", "finish_reason")
STUBS = {
    "torch": """
class cuda:
    @staticmethod
    def is_available():
        return False
""",
    "transformers": """
class AutoModel:
    @classmethod
    def from_pretrained(cls, *_, **__):
        return cls()
    def float(self):
        return self
    def to(self, device):
        return self
    def eval(self):
        return self
class AutoTokenizer(AutoModel):
    pass
""",
    # of what upstream's functions return, only what its server reads
    "utils": """
def process_response(*_, **__):
    return None
def generate_chatglm3(*_):
    usage = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    return {"text": "abc", "usage": usage, "finish_reason": "stop"}
def generate_stream_chatglm3(*_):
    for count in (1, 2, 3):
        yield {"text": "abc"[:count], "finish_reason": None}
    yield {"text": "abc", "finish_reason": "stop"}
""",
}


def record(port: int, model: str) -> dict[str, Any]:
    """Ask a server all requests.

    Args:
        port: its port of this machine.
        model: name of its model.

    Returns:
        Name of a request -> status, content type and the shape of the body.
    """
    return {name: _ask(port, model, *request) for name, request in REQUESTS.items()}


def _ask(port: int, model: str, method: str, path: str, body: Any) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    if isinstance(body, dict) and path == CHAT:
        body = {"model": model, **body}
    text = body if body is None or isinstance(body, str) else json.dumps(body)
    connection.request(method, path, text, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    kind = answer.headers["Content-Type"]
    found: dict[str, Any] = {"status": answer.status, "type": kind}
    if kind.startswith("text/event-stream"):
        found["events"] = _shape_events(content)
    elif answer.status == 200:
        found["body"] = _shape(json.loads(content))
    else:  # the words of an error depend on the version of pydantic
        found["body"] = {key: type(value).__name__ for key, value in json.loads(content).items()}
    return found


def _shape_events(content: str) -> list[Any]:
    """Shapes of the events, equal ones that follow each other once; comments are left out."""
    assert content.endswith("\r\n\r\n")
    shapes: list[Any] = []
    for event in content.split("\r\n\r\n")[:-1]:
        if event.startswith(":"):
            continue
        assert event.startswith("data: ") and "\n" not in event
        data = event[len("data: ") :]
        shape = data if data == "[DONE]" else _shape(json.loads(data))
        if shapes[-1:] != [shape]:
            shapes.append(shape)
    return shapes


def _shape(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _shape(part, name) for name, part in sorted(value.items())}
    if isinstance(value, list):
        return [_shape(part) for part in value]
    return value if value is None or key in PROTOCOL else type(value).__name__


def main(script: str) -> None:
    """Record upstream's script, which has a fixed port."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in STUBS.items():
            Path(folder, f"{name}.py").write_text(text)
        path = Path(folder, "openai_api.py")
        content = Path(script).read_bytes()
        path.write_bytes(content)
        quiet = subprocess.DEVNULL
        process = subprocess.Popen([sys.executable, path], cwd=folder, stdout=quiet, stderr=quiet)
        try:
            wait_until_open(PORT)
            facts = record(PORT, MODEL)
        finally:
            process.kill()
            process.wait()
    lines = (f"{json.dumps(name)}: {json.dumps(fact)}" for name, fact in facts.items())
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    print('{"blob": "' + blob + '", "answers": {', ",\n".join(lines), "}}", sep="\n")


def wait_until_open(port: int) -> None:
    """Wait until a server accepts connections.

    Args:
        port: its port of this machine.
    """
    end = time.monotonic() + 60
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
            return
        except OSError:
            assert time.monotonic() < end, f"nothing listens on {port}"
            time.sleep(0.05)
        finally:
            connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
