"""The questions that an endpoint is asked: for its models, whether it is ready, for an answer.

Python 3.6 and its standard library, as all of the client.
"""

import http.client
import json
import socket
import time
from contextlib import suppress
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from client_http import (
    BODY_LIMIT,
    EXCERPT_LENGTH,
    Address,
    CheckFailure,
    Unavailable,
    check_status,
    excerpt,
    parse_json,
    request_text,
    send,
)

#: Most tokens that an answer may have, for servers that know this limit. Answers end by themselves;
#: it keeps a model that does not stop from blocking its server.
MAX_TOKENS = 256
#: Temperature of the questions: nearly always the most probable word. It is not 0, which
#: transformers refuses when it samples, as the server of Chinese-LLaMA-Alpaca-2 does.
TEMPERATURE = 0.01
MODELS_PATH = "/v1/models"


class Answer(NamedTuple):
    """A complete answer.

    Attributes:
        text: The model's words.
        tokens: Their number as the server counts them; `None` if it does not.
        first_s: Seconds until the first words; of an answer in one piece until its end.
        last_s: Seconds until the last words.
        pieces: Number of pieces that contained words.
    """

    text: str
    tokens: Optional[int]
    first_s: float
    last_s: float
    pieces: int


def list_models(address: Address, timeout: float) -> List[str]:
    """List the models that an OpenAI API names.

    Args:
        address: The endpoint.
        timeout: Seconds for the answer.

    Raises:
        CheckFailure: There is no such list.
    """
    what = "GET " + MODELS_PATH
    status, text = request_text(address, "GET", MODELS_PATH, None, timeout)
    check_status(status, text, what)
    entries = parse_json(text, what).get("data")
    if not isinstance(entries, list):
        raise CheckFailure("SERVE_WRONG", f"{what}: no list of models: {excerpt(text)}")
    return [str(entry["id"]) for entry in entries if isinstance(entry, dict) and "id" in entry]


def check_ready(definition: Dict[str, Any], address: Address, timeout: float) -> None:
    """Check that the path that tells that the model is loaded answers.

    Args:
        definition: The supervisor's definition.
        address: The endpoint.
        timeout: Seconds for the answer.

    Raises:
        CheckFailure: It does not.
    """
    path = definition["ready_path"]
    if not path:
        try:
            socket.create_connection((address.host, address.port), timeout).close()
        except OSError as error:
            late = isinstance(error, socket.timeout)
            raise CheckFailure("SERVE_SILENT", f"connecting: {error}", late) from error
    elif definition["api"] == "openai" and path == MODELS_PATH:
        check_models(definition, list_models(address, timeout))
    else:
        status, text = request_text(address, "GET", path, None, timeout)
        check_status(status, text, "GET " + path)


def check_models(definition: Dict[str, Any], models: List[str]) -> None:
    """Check that the model is among those that an API lists."""
    if definition["model"] not in models:
        reason = "GET {}: lists {}, not {}".format(
            MODELS_PATH, ", ".join(models) or "no model", definition["model"]
        )
        raise Unavailable("SERVE_WRONG", reason[: 2 * EXCERPT_LENGTH])


def _build_chat(definition: Dict[str, Any], **options: Any) -> str:
    body = {
        "model": definition["model"],
        "messages": [{"role": "user", "content": definition["question"]}],
        "temperature": TEMPERATURE,
        "max_tokens": MAX_TOKENS,
    }
    return json.dumps(dict(body, **options), ensure_ascii=False)


def _find_words(choices: Any, part: str) -> str:
    """Return the assistant's words of a list of choices.

    The server of Chinese-LLaMA-Alpaca-2 lists the question as a choice too, before the answer.
    """
    words = ""
    for choice in choices if isinstance(choices, list) else []:
        message = choice.get(part) if isinstance(choice, dict) else None
        if isinstance(message, dict) and message.get("role") in (None, "assistant"):
            content = message.get("content")
            words = content if isinstance(content, str) and content else words
    return words


def _count_tokens(usage: Any, what: str) -> Optional[int]:
    """Return how many tokens a server says it made; `None` if it does not say (ChatGLM2-6B's)."""
    if usage is None:
        return None
    count = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if not isinstance(count, int) or count < 1:
        found = excerpt(json.dumps(usage))
        raise CheckFailure("SERVE_WRONG", f"{what}: usage counts no tokens: {found}")
    return count


def _check_words(definition: Dict[str, Any], words: str, what: str) -> None:
    if definition["expect"] not in words:
        reason = "{}: the answer has no {!r}: {}".format(what, definition["expect"], excerpt(words))
        raise CheckFailure("SERVE_WRONG", reason)


def ask(definition: Dict[str, Any], address: Address, timeout: float) -> Answer:
    """Ask the question and check the answer.

    Args:
        definition: The supervisor's definition.
        address: The endpoint.
        timeout: Seconds within which the answer must be complete.

    Returns:
        The answer, which contains the expected words.

    Raises:
        CheckFailure: It was not answered so; `ServerBusy` if the server is too busy to.
    """
    path = definition["question_path"]
    what = "POST " + path
    openai = definition["api"] == "openai"
    body = _build_chat(definition) if openai else definition["question"]
    began = time.monotonic()
    status, text = request_text(address, "POST", path, body, timeout)
    took = time.monotonic() - began
    check_status(status, text, what)
    if not openai:
        with suppress(ValueError):  # the API is free to answer with text
            text = json.dumps(json.loads(text), ensure_ascii=False)  # no \u escapes
        _check_words(definition, text, what)
        return Answer(text, None, took, took, 1)
    answer = parse_json(text, what)
    words = _find_words(answer.get("choices"), "message")
    _check_words(definition, words, what)
    return Answer(words, _count_tokens(answer.get("usage"), what), took, took, 1)


def _read_events(response: http.client.HTTPResponse) -> Iterator[str]:
    """Yield the data of server-sent events up to `[DONE]`."""
    size = 0
    while True:
        line = response.readline(BODY_LIMIT)
        size += len(line)
        if size >= BODY_LIMIT:
            raise CheckFailure("SERVE_WRONG", f"stream of more than {BODY_LIMIT} bytes")
        if not line:
            return
        if line.startswith(b"data:"):
            yield line[len(b"data:") :].decode("utf-8").strip()


def ask_streaming(definition: Dict[str, Any], address: Address, timeout: float) -> Answer:
    """Ask the question of an OpenAI API and have the answer streamed.

    Args:
        definition: The supervisor's definition.
        address: The endpoint.
        timeout: Seconds within which the answer must be complete.

    Returns:
        The answer, which contains the expected words.

    Raises:
        CheckFailure: It was not answered so; `ServerBusy` if the server is too busy to.
    """
    path = definition["question_path"]
    what = f"POST {path} (stream)"
    body = _build_chat(definition, stream=True, stream_options={"include_usage": True})
    times: List[float] = []
    words, tokens, ended = "", None, False
    began = time.monotonic()
    with send(address, "POST", path, body, timeout) as response:
        if response.status != 200:
            text = response.read(BODY_LIMIT).decode("utf-8", "replace")
            check_status(response.status, text, what)
        for data in _read_events(response):
            if data == "[DONE]":
                ended = True
                break
            event = parse_json(data, what)
            if event.get("error"):
                raise CheckFailure("SERVE_WRONG", f"{what}: {excerpt(data)}")
            piece = _find_words(event.get("choices"), "delta")
            if piece:
                words += piece
                times.append(time.monotonic() - began)
            if event.get("usage") is not None:
                tokens = _count_tokens(event["usage"], what)
    if not times:
        raise CheckFailure("SERVE_WRONG", f"{what}: an answer without words")
    if not ended:
        raise CheckFailure("SERVE_SILENT", f"{what}: ends before [DONE]")
    _check_words(definition, words, what)
    return Answer(words, tokens, times[0], times[-1], len(times))
