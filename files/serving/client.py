"""Prove as a client that an endpoint answers; the checks are the supervisor's as well.

Usage: client.py prove --url http://127.0.0.1:8000 --definition FILE [--key-file FILE] [--cold FILE]

Prints one line of JSON and exits with 0 if everything was as it should be, else with 1. It runs
under the Python of the vendor's image and on the controller: Python 3.6 and its standard library.
It asks the address itself: the environment's proxies are not used, redirections not followed.
"""

import argparse
import http.client
import json
import os
import re
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

#: Most bytes of a body that are read.
BODY_LIMIT = 1 << 20
#: Characters of a foreign text that are repeated in a reason or in the result.
EXCERPT_LENGTH = 200
#: Most tokens that an answer may have, for servers that know this limit. Answers end by themselves;
#: it keeps a model that does not stop from blocking its server.
MAX_TOKENS = 256
#: Temperature of the questions: nearly always the most probable word. It is not 0, which
#: transformers refuses when it samples, as the server of Chinese-LLaMA-Alpaca-2 does.
TEMPERATURE = 0.01
#: Seconds between two tries while the server says that it is busy.
BUSY_PAUSE_S = 0.5
MODELS_PATH = "/v1/models"
#: What the vendor's software prints when a card fails: its errors by name or number, memory that
#: is used up, a device node that cannot be opened.
CARD_FAULT = re.compile(
    r"CNRT error|cnrtError\w+|MLU out of memory|"
    r"(?:No such (?:file|device)|Permission denied|Input/output error)[^\n]*/dev/cambricon|"
    r"/dev/cambricon[^\n]*(?:No such (?:file|device)|Permission denied|Input/output error)",
    re.IGNORECASE,
)


class CheckFailure(Exception):
    """What is wrong with an endpoint.

    Attributes:
        code: Failure code.
        reason: Its details.
        timed_out: Whether it was reached and only did not answer in time, as a busy server may.
    """

    def __init__(self, code: str, reason: str, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.code = "SERVE_CARD" if CARD_FAULT.search(reason) else code
        self.reason = reason
        self.timed_out = timed_out


class Unavailable(CheckFailure):
    """The server says itself that it does not answer yet, or not now.

    By a status other than 200, or by a list of models without its own, as a server does whose
    workers have not reported yet.
    """


class ServerBusy(CheckFailure):
    """The server refused a question with status 429, as too many wait: it is alive."""


class Address(NamedTuple):
    """Where an endpoint is, and the key that it wants ("" for none)."""

    host: str
    port: int
    key: str = ""


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


def is_wrong_answer(result: Any) -> bool:
    """Return whether a check failed because of what a complete answer with status 200 says."""
    is_failure = isinstance(result, CheckFailure) and not isinstance(result, Unavailable)
    return is_failure and result.code == "SERVE_WRONG"


def read_key(path: str) -> str:
    """Read the key that clients send; "" if there is no file to read."""
    if not path:
        return ""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckFailure("SERVE_WRONG", f"the key cannot be read: {error}") from error


class _Watchdog:
    """Ends a connection at a time: a server that sends a byte now and then is late as well."""

    def __init__(self, connection: http.client.HTTPConnection, timeout: float) -> None:
        self.late = False
        self._socket = connection.sock
        self._timer = threading.Timer(timeout, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        self.late = True
        with suppress(OSError):  # it may just have been closed
            self._socket.shutdown(socket.SHUT_RDWR)

    def cancel(self) -> None:
        self._timer.cancel()


def _excerpt(text: str) -> str:
    return " ".join(text.split())[:EXCERPT_LENGTH]


@contextmanager
def _send(
    address: Address, method: str, path: str, body: Optional[str], timeout: float
) -> Iterator[http.client.HTTPResponse]:
    """Send a request; its response is to be read within the block, all of it in time."""
    what = f"{method} {path}"
    headers = {"Connection": "close", "Accept": "*/*"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if address.key:
        headers["Authorization"] = "Bearer " + address.key
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    watchdog = None
    try:
        connection.connect()
        watchdog = _Watchdog(connection, timeout)
        connection.request(method, path, None if body is None else body.encode(), headers)
        yield connection.getresponse()
        if watchdog.late:
            raise socket.timeout()
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = isinstance(error, socket.timeout) or (watchdog is not None and watchdog.late)
        if late:
            reason = f"{what}: no complete answer within {timeout:g} s"
        else:
            reason = f"{what}: {_excerpt(str(error)) or type(error).__name__}"
        raise CheckFailure("SERVE_SILENT", reason, timed_out=late) from error
    finally:
        if watchdog is not None:
            watchdog.cancel()
        connection.close()


def request_text(
    address: Address, method: str, path: str, body: Optional[str], timeout: float
) -> Tuple[int, str]:
    """Send a request and read the whole answer.

    Args:
        address: The endpoint.
        method: GET or POST.
        path: The path.
        body: The body of a POST request; `None` for no body.
        timeout: Seconds for all of it.

    Returns:
        The status and the text.

    Raises:
        CheckFailure: It cannot be reached, drops the connection, is late or sends too much.
    """
    with _send(address, method, path, body, timeout) as response:
        content = response.read(BODY_LIMIT + 1)
        if response.length and len(content) <= BODY_LIMIT:
            raise http.client.IncompleteRead(content, response.length)
    what = f"{method} {path}"
    if len(content) > BODY_LIMIT:
        raise CheckFailure("SERVE_WRONG", f"{what}: more than {BODY_LIMIT} bytes")
    try:
        return response.status, content.decode("utf-8")
    except UnicodeDecodeError:
        raise CheckFailure("SERVE_WRONG", f"{what}: the answer is not UTF-8") from None


def _check_status(status: int, text: str, what: str) -> None:
    if status == 429:
        raise ServerBusy("SERVE_SILENT", f"{what}: status 429")
    if status != 200:
        raise Unavailable("SERVE_WRONG", f"{what}: status {status}: {_excerpt(text)}".rstrip(": "))


def _parse_json(text: str, what: str) -> Dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CheckFailure("SERVE_WRONG", f"{what}: no JSON object: {_excerpt(text)}")
    return value


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
    _check_status(status, text, what)
    entries = _parse_json(text, what).get("data")
    if not isinstance(entries, list):
        raise CheckFailure("SERVE_WRONG", f"{what}: no list of models: {_excerpt(text)}")
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
        _check_models(definition, list_models(address, timeout))
    else:
        status, text = request_text(address, "GET", path, None, timeout)
        _check_status(status, text, "GET " + path)


def _check_models(definition: Dict[str, Any], models: List[str]) -> None:
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
        found = _excerpt(json.dumps(usage))
        raise CheckFailure("SERVE_WRONG", f"{what}: usage counts no tokens: {found}")
    return count


def _check_words(definition: Dict[str, Any], words: str, what: str) -> None:
    if definition["expect"] not in words:
        reason = "{}: the answer has no {!r}: {}".format(
            what, definition["expect"], _excerpt(words)
        )
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
    _check_status(status, text, what)
    if not openai:
        with suppress(ValueError):  # the API is free to answer with text
            text = json.dumps(json.loads(text), ensure_ascii=False)  # no \u escapes
        _check_words(definition, text, what)
        return Answer(text, None, took, took, 1)
    answer = _parse_json(text, what)
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
    with _send(address, "POST", path, body, timeout) as response:
        if response.status != 200:
            text = response.read(BODY_LIMIT).decode("utf-8", "replace")
            _check_status(response.status, text, what)
        for data in _read_events(response):
            if data == "[DONE]":
                ended = True
                break
            event = _parse_json(data, what)
            if event.get("error"):
                raise CheckFailure("SERVE_WRONG", f"{what}: {_excerpt(data)}")
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


def _ask_until_free(definition: Dict[str, Any], address: Address, streaming: bool) -> Answer:
    """Ask, and again while the server is busy, until the time for an answer is over."""
    end = time.monotonic() + definition["answer_timeout"]
    question = ask_streaming if streaming else ask
    while True:
        try:
            return question(definition, address, definition["answer_timeout"])
        except ServerBusy:
            if time.monotonic() > end:
                raise
            time.sleep(BUSY_PAUSE_S)


def _ask_twice(definition: Dict[str, Any], address: Address) -> Tuple[Answer, int]:
    """Ask two questions at the same time.

    Returns:
        An answer, and how many were given: 1 if the server took one and refused the other with
        status 429.
    """
    answers: List[Answer] = []
    failures: List[CheckFailure] = []

    def run() -> None:
        try:
            # servers that answer one after the other need the time for both
            answers.append(ask(definition, address, 2 * definition["answer_timeout"]))
        except CheckFailure as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        if not isinstance(failure, ServerBusy):
            raise CheckFailure(failure.code, "two questions at the same time: " + failure.reason)
    if not answers:
        answers.append(_ask_until_free(definition, address, streaming=False))
    return answers[0], 2 - len(failures)


def _check_refusal(definition: Dict[str, Any], address: Address) -> int:
    """Send a question without messages: it must be refused with a status from 400 to 499."""
    path = definition["question_path"]
    body = json.dumps({"model": definition["model"]})
    status, text = request_text(address, "POST", path, body, definition["answer_timeout"])
    if not 400 <= status < 500 or status in (401, 403, 404, 405, 429):
        reason = "POST {}: a request without messages gets status {} instead of 400 or 422: {}"
        raise CheckFailure("SERVE_WRONG", reason.format(path, status, _excerpt(text)).rstrip(": "))
    return status


def _check_key(definition: Dict[str, Any], address: Address) -> None:
    """Check that a request with another key is refused, if clients have to send one."""
    if not address.key:
        return
    path = definition["question_path"]
    openai = definition["api"] == "openai"
    body = json.dumps({"model": definition["model"]}) if openai else definition["question"]
    other = address._replace(key="wrong-key")
    status, _ = request_text(other, "POST", path, body, definition["answer_timeout"])
    if status not in (401, 403):
        reason = "POST {}: a request with a wrong key gets status {} instead of 401"
        raise CheckFailure("SERVE_WRONG", reason.format(path, status))


def _prove_openai(definition: Dict[str, Any], address: Address, result: Dict[str, Any]) -> None:
    if definition["ready_path"] == MODELS_PATH:
        result["models"] = list_models(address, definition["answer_timeout"])
        _check_models(definition, result["models"])
    _check_key(definition, address)
    streamed = _ask_until_free(definition, address, streaming=True)
    result["answer"] = _excerpt(streamed.text)
    result["first_token_s"] = round(streamed.first_s, 3)
    result["pieces"] = streamed.pieces
    if streamed.pieces < 2:
        path = definition["question_path"]
        raise CheckFailure("SERVE_WRONG", f"POST {path}: streamed in one piece")
    whole, result["at_once"] = _ask_twice(definition, address)
    result["usage"] = whole.tokens is not None
    result["tokens_from"] = "pieces" if streamed.tokens is None else "usage"
    tokens = streamed.pieces if streamed.tokens is None else streamed.tokens
    span = streamed.last_s - streamed.first_s
    result["tokens_per_s"] = round((tokens - 1) / span, 2) if span > 0 and tokens > 1 else None
    result["refused_status"] = _check_refusal(definition, address)


def _prove_http(definition: Dict[str, Any], address: Address, result: Dict[str, Any]) -> None:
    if definition["ready_path"]:
        check_ready(definition, address, definition["answer_timeout"])
    _check_key(definition, address)
    answer = _ask_until_free(definition, address, streaming=False)
    result["answer"] = _excerpt(answer.text)
    result["answer_s"] = round(answer.last_s, 3)
    _, result["at_once"] = _ask_twice(definition, address)


def _read_cold(path: str) -> Optional[float]:
    """Read from the supervisor's file how long the first words took that the model ever said."""
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)["cold_first_token_s"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return float(value) if isinstance(value, (int, float)) else None


def prove(definition: Dict[str, Any], address: Address, cold_file: str = "") -> Dict[str, Any]:
    """Prove that an endpoint answers a client.

    Args:
        definition: The supervisor's definition.
        address: The endpoint and its key.
        cold_file: What the supervisor measured of the first answer (`.NAME.json` in its folder).

    Returns:
        Plain data: `ok`, and `code` and `reason` if it does not. Times are in seconds; `None` for
        what was not measured. `usage` tells whether the server counts tokens; `tokens_from`
        whether `tokens_per_s` was made of that count or of the pieces of the stream.
    """
    result: Dict[str, Any] = {
        "ok": False,
        "code": "",
        "reason": "",
        "cold_first_token_s": _read_cold(cold_file) if cold_file else None,
        "first_token_s": None,
        "tokens_per_s": None,
        "answer": "",
    }
    try:
        if definition["api"] == "openai":
            _prove_openai(definition, address, result)
        else:
            _prove_http(definition, address, result)
        result["ok"] = True
    except CheckFailure as failure:
        result["code"], result["reason"] = failure.code, failure.reason
    return result


def main(arguments: List[str]) -> int:
    """Run the command.

    Args:
        arguments: Its arguments.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description="Prove that an endpoint answers a client.")
    commands = parser.add_subparsers(dest="command")
    command = commands.add_parser("prove")
    command.add_argument("--url", required=True)
    command.add_argument("--definition", required=True)
    command.add_argument("--key-file", default="")
    command.add_argument("--cold", default="")
    options = parser.parse_args(arguments)
    if not options.command:
        parser.error("choose a command: prove")
    url = urlsplit(options.url)
    if url.scheme != "http" or not url.hostname:
        parser.error("--url: http://ADDRESS:PORT is needed, not " + options.url)
    with open(options.definition, encoding="utf-8") as file:
        definition = json.load(file)
    try:
        address = Address(url.hostname, url.port or 80, read_key(options.key_file))
        result = prove(definition, address, options.cold)
    except CheckFailure as failure:
        result = {"ok": False, "code": failure.code, "reason": failure.reason}
    # ASCII only: the image's locale may be POSIX
    sys.stdout.write(json.dumps(result) + os.linesep)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
