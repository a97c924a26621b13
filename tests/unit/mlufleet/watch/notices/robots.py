"""Web services that take messages only in the form and with the signature that a vendor names."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.unit.server import serve

SECRET = "SEC-kept-from-everybody"
TOKEN = "token-kept-from-everybody"


@dataclass
class Robots:
    """What they got, and what they are to do.

    Attributes:
        taken: path -> texts of the messages that were taken, or whole documents of a webhook.
        status: of the answers; other than 200 nothing is taken.
        quotes: Whether a refusal repeats what was sent.
        drips: What of an answer comes in drops that never end: "header", "body" or nothing.
    """

    taken: dict[str, list[Any]] = field(default_factory=dict)
    status: int = 200
    quotes: bool = False
    drips: str = ""
    url: str = ""

    def answer(self, path: str, authorization: str | None, body: bytes) -> dict[str, Any]:
        url = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        document = json.loads(body)
        kind = url.path.strip("/")
        refusal = getattr(self, f"_{kind}")(query, authorization, document)
        if refusal:
            return dict(refusal)
        text = document.get("text", document.get("content"))
        said = document if kind in ("hook", "open") else text.get("content", text.get("text"))
        self.taken.setdefault(kind, []).append(said)
        return {"code": 0, "msg": "success"} if kind == "feishu" else {"errcode": 0, "errmsg": "ok"}

    def _hook(self, query: dict[str, str], login: str | None, body: Any) -> dict[str, Any] | None:
        return None if login == f"Bearer {TOKEN}" else {"error": "login"}

    def _open(self, query: dict[str, str], login: str | None, body: Any) -> None:
        """A webhook without a login."""

    def _dingtalk(
        self, query: dict[str, str], login: str | None, body: Any
    ) -> dict[str, Any] | None:
        text = f"{query.get('timestamp')}\n{SECRET}"
        if query.get("access_token") != TOKEN or query.get("sign") != signature(SECRET, text):
            return {"errcode": 310000, "errmsg": "sign not match"}
        if body["msgtype"] != "text" or "告警" not in body["text"]["content"]:
            return {"errcode": 310000, "errmsg": "keywords not in content"}
        return None

    def _feishu(self, query: dict[str, str], login: str | None, body: Any) -> dict[str, Any] | None:
        if body.get("sign") != signature(f"{body.get('timestamp')}\n{SECRET}", ""):
            return {"code": 19021, "msg": "sign match fail or timestamp is not within one hour"}
        return None if body["msg_type"] == "text" else {"code": 9499, "msg": "Bad Request"}

    def _wecom(self, query: dict[str, str], login: str | None, body: Any) -> dict[str, Any] | None:
        if query.get("key") != TOKEN:
            return {"errcode": 93000, "errmsg": "invalid webhook url"}
        if len(body["text"]["content"].encode()) > 2048:
            return {"errcode": 40058, "errmsg": "text.content exceed max length 2048"}
        return None


def signature(key: str, text: str) -> str:
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def drip(stream: Any, begin: bytes) -> None:
    """Send something that does not end until the other end is gone."""
    with suppress(OSError):
        stream.write(begin)
        while True:
            stream.write(b" ")
            time.sleep(0.1)


@contextmanager
def listening() -> Iterator[Robots]:
    robots = Robots()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said: dict[str, Any] = {}
            if robots.status == 200:
                said = robots.answer(self.path, self.headers["Authorization"], body)
            if robots.quotes:
                said = {"errcode": 1, "errmsg": f"{self.path} {body.decode()}"}
            content = json.dumps(said).encode()
            self.send_response(401 if "error" in said else robots.status)
            if robots.status == 302:
                self.send_header("Location", f"{robots.url}/elsewhere")
            if not robots.drips:
                self.send_header("Content-Length", str(len(content)))
            if robots.drips == "header":
                self.flush_headers()
                drip(self.wfile, b"X-")
            self.end_headers()
            if robots.drips:
                drip(self.wfile, b" ")
            self.wfile.write(content)

    with serve(Handler) as address:
        robots.url = f"http://{address}"
        yield robots
