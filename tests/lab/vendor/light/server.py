"""Stand-in for the models' own servers with OpenAI's API, which does no more than they do.

As ChatGLM3's openai_api.py (35f21dda) under uvicorn: one request at a time, because the model is
asked inside the event loop; nothing listens before the model is loaded; a request without messages
gets 422, one whose last message is the assistant's 400; pieces of a stream are separated by CRLF,
with comments between them, and do not count usage; after SIGTERM the running request ends, and
nothing else is begun. tests/upstreams/answers has the facts. A key is compared as vLLM does it.
ChatGLM2's server counts no usage: `no-usage`. One that does not look at what it is sent gives a
request without messages a 500: `INVALID`.

It holds the nodes of its cards as long as it runs. An answer needs them: without one, or with the
memory of a card used up, the model raises an error, and the request gets status 500.

How it fails is said by files in a folder, which it reads for each request. A file `MODE-PORT` is
for the server at that port.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from glob import glob
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT, MODES = int(sys.argv[1]), sys.argv[2]
ANSWER = os.environ.get("ANSWER", "白日依山尽，黄河入海流。—王之涣")
CHAT = "/v1/chat/completions"
ROLES = ("user", "assistant", "system", "function")
MODEL, KEY = os.environ.get("MODEL", "light-serving"), os.environ.get("API_KEY", "")
CARDS = [number for number in os.environ.get("MLU_VISIBLE_DEVICES", "").split(",") if number]
NODE = "/dev/cambricon_dev"


def told(mode: str) -> str:
    """What the file of a mode contains; "" without one."""
    for name in (f"{mode}-{PORT}", mode):
        try:
            with open(f"{MODES}/{name}", encoding="utf-8") as file:
                return file.read().strip() or mode
        except OSError:
            pass
    return ""


def open_cards() -> list[str]:
    """Open the nodes of the server's cards, which are numbered within those of the container."""
    nodes = sorted(glob("/dev/cambricon_dev*"), key=lambda node: int(node[len(NODE) :]))
    cards = [node for number in CARDS for node in nodes[int(number) : int(number) + 1]]
    if len(cards) < len(CARDS):
        sys.exit("RuntimeError: CNRT error: no device.")
    for card in cards:
        os.open(card, os.O_RDWR)
    return cards


def compute(cards: list[str]) -> None:
    """Use the cards as a model does.

    Raises:
        RuntimeError: as the vendor's software words it.
    """
    if not all(map(os.path.exists, cards)):
        raise RuntimeError("CNRT error: no device.")
    if told("memory"):
        raise RuntimeError("MLU out of memory. Tried to allocate 2.00 GiB")


def is_valid(asked: object) -> bool:
    """Whether a body has the fields of ChatCompletionRequest."""
    if not isinstance(asked, dict) or not isinstance(asked.get("model"), str):
        return False
    messages = asked.get("messages")
    numbers = (asked.get(name) for name in ("temperature", "top_p", "max_tokens"))
    return (
        isinstance(messages, list)
        and all(isinstance(number, (int, float, type(None))) for number in numbers)
        and asked.get("stream") in (None, True, False)
        and all(
            isinstance(message, dict)
            and message.get("role") in ROLES
            and isinstance(message.get("content", ""), str)
            for message in messages
        )
    )


def build_message(messages: list[dict[str, str]]) -> tuple[int, str]:
    """The status of an answer, and the answer or what is wrong."""
    if not messages or messages[-1].get("role") == "assistant":
        return 400, "Invalid request"
    return 200, told("answer") or ANSWER


class Handler(BaseHTTPRequestHandler):
    """Answers as the servers of the models do, or as a file says."""

    protocol_version = "HTTP/1.1"
    # a connection that is kept open would keep the only thread
    timeout = 5

    def log_message(self, format: str, *words: object) -> None:
        print("INFO:", self.client_address[0], format % words, flush=True)

    def send(self, status: int, value: object, kind: str = "application/json") -> None:
        body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def fails(self) -> bool:
        """Fail as a file says."""
        if told("error"):
            self.send(500, "Internal Server Error", "text/plain; charset=utf-8")
        elif told("garbage"):
            self.send(200, "<html><body>It works!</body></html>", "text/html")
        elif told("silent"):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "200")
            self.end_headers()
            while told("silent"):
                time.sleep(0.1)
        elif KEY and self.headers.get("Authorization") != f"Bearer {KEY}":
            self.send(401, {"error": "Unauthorized"})
        else:
            return False
        return True

    def do_GET(self) -> None:
        if self.fails():
            return
        if self.path == "/v1/models":
            card = {
                "id": MODEL,
                "object": "model",
                "created": int(time.time()),
                "owned_by": "owner",
                "root": None,
                "parent": None,
                "permission": None,
            }
            self.send(200, {"object": "list", "data": [card]})
        elif self.path == CHAT:
            self.send(405, {"detail": "Method Not Allowed"})
        else:
            self.send(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.fails():
            return
        if self.path != CHAT:
            self.send(404, {"detail": "Not Found"})
            return
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        if not is_valid(asked):
            status = int(os.environ.get("INVALID", "422"))
            self.send(status, {"detail": [{"loc": ["body"], "msg": "Field required"}]})
            return
        model = asked["model"]
        status, text = build_message(asked["messages"])
        time.sleep(float(told("slow") or 0))
        if status != 200:
            self.send(status, {"detail": text})
            return
        try:
            compute(self.server.cards)
        except RuntimeError:
            traceback.print_exc()
            self.send(500, "Internal Server Error", "text/plain; charset=utf-8")
            return
        if asked.get("stream"):
            self.stream(model, text)
        else:
            message = {"role": "assistant", "content": text, "name": None, "function_call": None}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = {"model": model, "object": "chat.completion", "choices": [choice]}
            answer["created"] = int(time.time())
            if not told("no-usage"):
                usage = {"prompt_tokens": 12, "completion_tokens": len(text)}
                answer["usage"] = {**usage, "total_tokens": 12 + len(text)}
            self.send(200, answer)

    def stream(self, model: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        self.chunk(": ping\r\n\r\n")
        deltas: list[dict[str, str | None]] = [{"role": "assistant"}]
        deltas += [{"role": "assistant", "content": word, "function_call": None} for word in text]
        deltas.append({})
        for delta in deltas:
            choice = {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}
            value = {"model": model, "object": "chat.completion.chunk", "choices": [choice]}
            self.chunk(f"data: {json.dumps(value, ensure_ascii=False)}\r\n\r\n")
            # a rate that tests set: seconds from one piece to the next
            time.sleep(float(told("pace") or 0))
        self.chunk("data: [DONE]\r\n\r\n")
        self.chunk("")
        self.close_connection = True

    def chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def main() -> None:
    """Load, which takes as long as a file says, then serve."""
    if told("crash"):
        sys.exit(f"RuntimeError: {told('crash')}")
    cards = open_cards()
    while told("loading"):
        time.sleep(0.1)
    print(f"INFO: Uvicorn running on http://0.0.0.0:{PORT}", flush=True)
    server, stopping = HTTPServer(("0.0.0.0", PORT), Handler), []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    server.timeout, server.cards = 0.2, cards
    while not stopping:
        server.handle_request()


main()
