"""Requests to web services and chat robots in the form that each of them wants.

Sources: the vendors' pages about custom robots. DingTalk: open.dingtalk.com, "custom robot access"
(signature over milliseconds and key, 20 messages a minute, `errcode` 0). Feishu: open.feishu.cn,
"custom bot" (signature with seconds and key as the key, `code` 0). WeCom:
developer.work.weixin.qq.com, path 91770 (text of at most 2048 bytes, `errcode` 0).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any
from urllib.parse import urlencode

from fleet.language import _
from fleet.secret_files import read_secret
from mlufleet.watch.notices.messages import Message
from mlufleet.watch.notices.receivers import (
    DingTalk,
    Feishu,
    HttpReceiver,
    Robot,
    Webhook,
    WeCom,
)

#: version of the webhook's JSON
WEBHOOK_VERSION = 1
#: bytes of a text message to WeCom, in UTF-8
WECOM_TEXT_BYTES = 2048
#: bytes of a text message to the others: a request may have 20 kB
ROBOT_TEXT_BYTES = 8000


@dataclass(frozen=True)
class HttpRequest:
    """A POST request.

    Attributes:
        url: Where it goes to; may hold a secret.
        body: JSON, encoded.
        headers: More headers; may hold a secret.
    """

    url: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@singledispatch
def build_request(receiver: HttpReceiver, message: Message, now: float) -> HttpRequest:
    """Return the request that brings a message to a receiver.

    Args:
        receiver: The receiver.
        message: The message.
        now: Seconds since the epoch, for signatures.

    Raises:
        InvalidInput: The file of a secret cannot be used any more.
    """
    raise TypeError(type(receiver).__name__)


@build_request.register
def _build_webhook(receiver: Webhook, message: Message, now: float) -> HttpRequest:
    changes = [
        {
            "time": change.time,
            "host": change.host,
            "kind": change.kind,
            "code": change.problem.code,
            "subject": change.problem.subject,
            "sentence": change.problem.sentence,
            "remedy": change.problem.remedy,
            "since": change.since,
            "run": change.run,
        }
        for change in message.changes
    ]
    document = {
        "version": WEBHOOK_VERSION,
        "id": message.identity,
        "title": message.title,
        "text": message.text,
        "changes": changes,
    }
    headers = {}
    if receiver.token_file:
        token = read_secret(receiver.token_file, f"{receiver.name}: token_file")
        headers["Authorization"] = f"Bearer {token}"
    return HttpRequest(receiver.read_url(), _encode(document), headers)


@build_request.register
def _build_dingtalk(receiver: DingTalk, message: Message, now: float) -> HttpRequest:
    url = receiver.read_url()
    if receiver.secret_file:
        secret = read_secret(receiver.secret_file, f"{receiver.name}: secret_file")
        stamp = str(round(now * 1000))
        sign = _sign(secret, f"{stamp}\n{secret}")
        separator = "&" if "?" in url else "?"
        url += separator + urlencode({"timestamp": stamp, "sign": sign})
    text = _write_text(receiver, message, ROBOT_TEXT_BYTES)
    return HttpRequest(url, _encode({"msgtype": "text", "text": {"content": text}}))


@build_request.register
def _build_feishu(receiver: Feishu, message: Message, now: float) -> HttpRequest:
    text = _write_text(receiver, message, ROBOT_TEXT_BYTES)
    document: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
    if receiver.secret_file:
        secret = read_secret(receiver.secret_file, f"{receiver.name}: secret_file")
        stamp = str(round(now))
        document |= {"timestamp": stamp, "sign": _sign(f"{stamp}\n{secret}", "")}
    return HttpRequest(receiver.read_url(), _encode(document))


@build_request.register
def _build_wecom(receiver: WeCom, message: Message, now: float) -> HttpRequest:
    text = _write_text(receiver, message, WECOM_TEXT_BYTES)
    document = {"msgtype": "text", "text": {"content": text}}
    return HttpRequest(receiver.read_url(), _encode(document))


def find_refusal(receiver: HttpReceiver, status: int, body: bytes) -> str:
    """Say why a receiver did not take a message; "" if it did.

    Args:
        receiver: The receiver.
        status: Status of its answer.
        body: Body of its answer; robots refuse messages with status 200.
    """
    if not 200 <= status < 300:
        return _("HTTP status {status}", status=status)
    if isinstance(receiver, Webhook):
        return ""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return _("its answer is not that of a robot (no JSON object)")
    names = ("code", "StatusCode") if isinstance(receiver, Feishu) else ("errcode",)
    code = next((answer[name] for name in names if name in answer), None)
    if code == 0:
        return ""
    said = answer.get("errmsg") or answer.get("msg") or answer.get("StatusMessage") or ""
    return _("it refused the message with code {code}: {said}", code=code, said=str(said)[:200])


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def _sign(key: str, text: str) -> str:
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _write_text(receiver: Robot, message: Message, limit: int) -> str:
    """Write a message as plain text: Markdown would let the words of a host draw links."""
    title = message.title
    if receiver.keyword and receiver.keyword not in message.text:
        title = f"[{receiver.keyword}] {title}"
    lines = [title, *message.lines]
    # <@user> (WeCom) and <at …> (Feishu) would call people
    return cut_lines([line.replace("<", "＜") for line in lines], limit)


def cut_lines(lines: list[str], limit: int) -> str:
    """Join lines, and leave out the last ones, or the end of the first, beyond a limit.

    Args:
        lines: The lines.
        limit: Bytes of the result in UTF-8, at least 100.
    """
    text = "\n".join(lines)
    if len(text.encode()) <= limit:
        return text
    for count in range(len(lines) - 1, 0, -1):
        text = "\n".join((*lines[:count], _("… and {count} more lines", count=len(lines) - count)))
        if len(text.encode()) <= limit:
            return text
    return lines[0].encode()[: limit - len("…".encode())].decode(errors="ignore") + "…"
