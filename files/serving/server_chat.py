"""What OpenAI's API says about a chat: requests that are checked, and the bodies of answers.

Only what is here is taken; whatever would change the answer and cannot be done is refused.
Python 3.7 or newer, with nothing but its standard library.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

#: Below this a sampled answer is the most likely one, and scores divided by it overflow in half
#: precision.
LOWEST_TEMPERATURE = 0.01
ROLES = ("system", "developer", "user", "assistant")
#: Fields that ask for what transformers' generate cannot do here -> values that ask for nothing.
NOT_OFFERED = {
    "n": (None, 1),
    "tools": (None, []),
    "functions": (None, []),
    "logprobs": (None, False),
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "logit_bias": (None, {}),
    "response_format": (None, {"type": "text"}),
}


class ApiError(Exception):
    """An error in OpenAI's format.

    Attributes:
        status: HTTP status.
        code: What a program tells errors apart by.
        param: Field of the request that is wrong, if it is one.
        headers: HTTP headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.headers = status, code, param, headers

    def describe(self) -> dict[str, Any]:
        """Return the body of the answer."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


def refuse(message: str, param: str | None = None) -> ApiError:
    """Build the error for a wrong request.

    Args:
        message: What is wrong, and what would be right.
        param: Field of the request.

    Returns:
        The error, with status 400.
    """
    return ApiError(400, "invalid_value", message, param)


class ChatRequest:
    """A checked request.

    Attributes:
        model: Name of the model that is asked.
        messages: Roles and texts.
        max_tokens: Most tokens of the answer; None for the model's own limit.
        min_tokens: Tokens before which it does not end by itself, as in vLLM's API.
        temperature: 0 for the most likely answer.
        top_p: Share of the probability that is sampled from.
        repetition_penalty: Factor of transformers; None for the server's own.
        stop: Texts at which the answer ends.
        stream: Whether the answer comes in pieces.
        stream_usage: Whether a stream ends with the number of tokens.
    """

    def __init__(self, body: Any) -> None:
        if not isinstance(body, dict):
            raise refuse("The body has to be a JSON object.")
        for field, harmless in NOT_OFFERED.items():
            if body.get(field) not in harmless:
                raise refuse(f"This server does not offer `{field}`: leave it out.", field)
        self.model = body.get("model")
        if not isinstance(self.model, str):
            raise refuse("`model` has to be the name of a model in /v1/models.", "model")
        self.messages = _read_messages(body.get("messages"))
        limit = "max_tokens" if body.get("max_tokens") is not None else "max_completion_tokens"
        self.max_tokens = _read_number(body, limit, 1, 1 << 30, whole=True)
        self.min_tokens = _read_number(
            body, "min_tokens", 0, self.max_tokens or 1 << 30, whole=True
        )
        temperature = _read_number(body, "temperature", 0, 2) or 0
        top_p = _read_number(body, "top_p", 0, 1)
        self.top_p = 1.0 if top_p is None else float(top_p)
        greedy = temperature < LOWEST_TEMPERATURE or self.top_p == 0
        self.temperature = 0.0 if greedy else float(temperature)
        self.repetition_penalty = _read_number(body, "repetition_penalty", 0.1, 10)
        self.stop = _read_stop(body.get("stop"))
        self.stream = _read_flag(body, "stream")
        options = body.get("stream_options") or {}
        if not isinstance(options, dict):
            raise refuse("`stream_options` has to be an object.", "stream_options")
        self.stream_usage = _read_flag(options, "include_usage")

    def join_messages(self) -> str:
        """Return all texts in their order, for models without a chat template."""
        return "\n".join(message["content"] for message in self.messages)


def _read_messages(messages: Any) -> list[dict[str, str]]:
    if not isinstance(messages, list) or not messages:
        raise refuse("`messages` has to be a list with at least one message.", "messages")
    read = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise refuse(f"`{where}.role` has to be one of {', '.join(ROLES)}.", where)
        read.append({"role": message["role"], "content": _read_content(message, where)})
    return read


def _read_content(message: dict[str, Any], where: str) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    found = [part.get("text") for part in parts if isinstance(part, dict)]
    texts = [text for text in found if isinstance(text, str)]
    if len(texts) != len(parts):
        raise refuse(f"`{where}.content` has to be text.", where)
    return "".join(texts)


def _read_number(
    body: dict[str, Any], field: str, lowest: float, highest: float, whole: bool = False
) -> Any:
    value = body.get(field)
    if value is None:
        return None
    kinds = (int,) if whole else (int, float)
    # a bool is an int, and NaN is not between anything
    if isinstance(value, bool) or not isinstance(value, kinds) or not lowest <= value <= highest:
        kind = "a whole number" if whole else "a number"
        raise refuse(f"`{field}` has to be {kind} from {lowest} to {highest}.", field)
    return value


def _read_flag(body: dict[str, Any], field: str) -> bool:
    value = body.get(field)
    if value not in (None, True, False):
        raise refuse(f"`{field}` has to be true or false.", field)
    return bool(value)


def _read_stop(stop: Any) -> list[str]:
    texts = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise refuse("`stop` has to be a text, or a list of texts that are not empty.", "stop")
    return texts


class ChatAnswer:
    """The bodies that make up one answer.

    Args:
        model: Name of the model in the API.
    """

    def __init__(self, model: str) -> None:
        self.head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }

    def build_whole(self, text: str, reason: str, usage: dict[str, int]) -> dict[str, Any]:
        """Build the body of an answer that is not streamed.

        Args:
            text: The answer.
            reason: Why it ended: stop or length.
            usage: Numbers of tokens.

        Returns:
            The body.
        """
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return dict(self.head, object="chat.completion", choices=[choice], usage=usage)

    def build_piece(self, delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
        """Build a piece of a streamed answer.

        Args:
            delta: What is new in the message.
            reason: Why the answer ended, in the last piece.

        Returns:
            The body of the piece.
        """
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return dict(self.head, object="chat.completion.chunk", choices=[choice])

    def build_usage(self, usage: dict[str, int]) -> dict[str, Any]:
        """Build the piece with the numbers of tokens, which has no choice.

        Args:
            usage: Numbers of tokens.

        Returns:
            The body of the piece.
        """
        return dict(self.head, object="chat.completion.chunk", choices=[], usage=usage)


def encode_event(body: dict[str, Any]) -> str:
    """Write a piece as a server-sent event.

    Args:
        body: What the event says.

    Returns:
        The event, with the empty line that ends it.
    """
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
