"""Prove as a client that an endpoint answers; the checks are the supervisor's as well.

Usage: client.py prove --url http://127.0.0.1:8000 --definition FILE [--key-file FILE]

Prints one line of JSON and exits with 0 if everything was as it should be, else with 1. It runs
under the Python of the vendor's image and on the controller: Python 3.6 and its standard library.
It asks the address itself: the environment's proxies are not used, redirections not followed.
"""

import argparse
import json
import os
import sys
import threading
import time
from typing import Any, Dict, List, Tuple
from urllib.parse import urlsplit

from client_http import Address, CheckFailure, ServerBusy, excerpt, read_key, request_text
from client_questions import (
    MODELS_PATH,
    Answer,
    ask,
    ask_streaming,
    check_models,
    check_ready,
    list_models,
)

#: Seconds between two tries while the server says that it is busy.
BUSY_PAUSE_S = 0.5


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
        An answer, and how many were given at the same time: fewer if the server refused some with
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
        return _ask_until_free(definition, address, streaming=False), 0
    return answers[0], len(answers)


def _check_refusal(definition: Dict[str, Any], address: Address) -> int:
    """Send a question without messages: it must be refused with a status from 400 to 499."""
    path = definition["question_path"]
    body = json.dumps({"model": definition["model"]})
    status, text = request_text(address, "POST", path, body, definition["answer_timeout"])
    if not 400 <= status < 500 or status in (401, 403, 404, 405, 429):
        reason = "POST {}: a request without messages gets status {} instead of 400 or 422: {}"
        raise CheckFailure("SERVE_WRONG", reason.format(path, status, excerpt(text)).rstrip(": "))
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
        check_models(definition, result["models"])
    _check_key(definition, address)
    streamed = _ask_until_free(definition, address, streaming=True)
    result["answer"] = excerpt(streamed.text)
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
    result["answer"] = excerpt(answer.text)
    result["answer_s"] = round(answer.last_s, 3)
    _, result["at_once"] = _ask_twice(definition, address)


def prove(definition: Dict[str, Any], address: Address) -> Dict[str, Any]:
    """Prove that an endpoint answers a client.

    Args:
        definition: The supervisor's definition.
        address: The endpoint and its key.

    Returns:
        Plain data: `ok`, and `code` and `reason` if it does not. Times are in seconds; `None` for
        what was not measured. `usage` tells whether the server counts tokens; `tokens_from`
        whether `tokens_per_s` was made of that count or of the pieces of the stream.
    """
    result: Dict[str, Any] = {
        "ok": False,
        "code": "",
        "reason": "",
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
        result = prove(definition, address)
    except CheckFailure as failure:
        result = {"ok": False, "code": failure.code, "reason": failure.reason}
    # ASCII only: the image's locale may be POSIX
    sys.stdout.write(json.dumps(result) + os.linesep)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
