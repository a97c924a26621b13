"""The proof by a client, against honest and lying servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.serving.conftest import SERVING, client, client_http, find_port

Serve = Callable[..., dict[str, Any]]


def prove(definition: dict[str, Any], key: str = "") -> dict[str, Any]:
    port = definition["instances"][0]["port"]
    result = client.prove(definition, client.Address("127.0.0.1", port, key))
    assert isinstance(result, dict)
    return result


def test_an_honest_server_is_proved(serve_liar: Serve) -> None:
    result = prove(serve_liar())
    assert (result["ok"], result["code"], result["reason"]) == (True, "", "")
    assert result["models"] == ["small"] and result["answer"] == "我是一个模型。"
    assert (result["pieces"], result["usage"], result["tokens_from"]) == (4, True, "usage")
    assert (result["at_once"], result["refused_status"]) == (2, 422)
    assert result["first_token_s"] > 0 and result["tokens_per_s"] > 0


def test_a_server_that_counts_no_tokens_is_said_to(serve_liar: Serve) -> None:
    result = prove(serve_liar("uncounted"))
    assert (result["ok"], result["usage"], result["tokens_from"]) == (True, False, "pieces")
    assert result["tokens_per_s"] > 0


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("other-model", "SERVE_WRONG", "lists other, not small"),
        ("garbage-models", "SERVE_WRONG", "no JSON object: <html>"),
        ("no-stream", "SERVE_WRONG", "without words"),
        ("one-piece", "SERVE_WRONG", "in one piece"),
        ("cut-stream", "SERVE_SILENT", "ends before [DONE]"),
        ("other-words", "SERVE_WRONG", "no '我是': 不知道"),
        ("zero-usage", "SERVE_WRONG", "usage counts no tokens"),
        ("refuses-with-500", "SERVE_WRONG", "status 500 instead of 400"),
        ("takes-all", "SERVE_WRONG", "status 200 instead of 400"),
        ("status-500", "SERVE_WRONG", "status 500: {"),
        ("drops", "SERVE_SILENT", "POST /v1/chat/completions: "),
    ],
)
def test_a_liar_is_found(serve_liar: Serve, fault: str, code: str, words: str) -> None:
    result = prove(serve_liar(fault))
    assert (result["ok"], result["code"]) == (False, code)
    assert words in result["reason"]


@pytest.mark.parametrize("fault", ["hangs", "hangs-streaming", "drips"])
def test_the_time_for_an_answer_is_that_of_all_of_it(serve_liar: Serve, fault: str) -> None:
    result = prove(serve_liar(fault, answer_timeout=1))
    assert result["code"] == "SERVE_SILENT" and "within 1 s" in result["reason"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [("endless", "SERVE_WRONG"), ("cut", "SERVE_SILENT"), ("garbage", "SERVE_WRONG")],
)
def test_a_body_is_read_whole_and_not_without_end(serve_liar: Serve, fault: str, code: str) -> None:
    definition = serve_liar(fault)
    address = client.Address("127.0.0.1", definition["instances"][0]["port"])
    with pytest.raises(client.CheckFailure) as caught:
        client.ask(definition, address, 30)
    assert caught.value.code == code and not caught.value.timed_out


def test_a_busy_server_is_no_broken_one(serve_liar: Serve) -> None:
    definition = serve_liar("busy")
    address = client.Address("127.0.0.1", definition["instances"][0]["port"])
    for question in (client.ask, client.ask_streaming):
        with pytest.raises(client.ServerBusy):
            question(definition, address, 30)


def test_a_key_is_sent_and_must_be_asked_for(serve_liar: Serve) -> None:
    asks = serve_liar("key")
    assert prove(asks, "secret")["ok"]
    assert "status 401" in prove(asks)["reason"]
    result = prove(serve_liar(), "secret")
    assert (result["ok"], result["code"]) == (False, "SERVE_WRONG")
    assert "wrong key gets status 422" in result["reason"] and "secret" not in str(result)


def test_any_other_api_is_asked_with_the_body_of_the_release(serve_liar: Serve) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "你好"}]})
    definition = serve_liar(api="http", ready_path="", question=body)
    result = prove(definition)
    assert result["ok"] and "我是一个模型" in result["answer"] and result["at_once"] == 2
    result = prove({**definition, "expect": "别的"})
    assert (result["ok"], result["code"]) == (False, "SERVE_WRONG")


def test_nothing_listens() -> None:
    definition = {
        **{"api": "openai", "model": "small", "ready_path": "/v1/models", "answer_timeout": 5},
        **{"instances": [{"port": find_port()}]},
    }
    result = prove(definition)
    assert result["code"] == "SERVE_SILENT" and "refused" in result["reason"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("RuntimeError: CNRT error: invalid argument.", True),
        ("RuntimeError: MLU out of memory. Tried to allocate 2.00 GiB", True),
        ("cnrtErrorNoDevice", True),
        ("open /dev/cambricon_dev0: No such device", True),
        ("[CNNL] [Warning]:[cnnlGather] is deprecated", False),
        ("UserWarning:  MLU operators dont support 64-bit calculation", False),
        ("FileNotFoundError: No such file or directory: './config.json'", False),
    ],
)
def test_lines_that_tell_of_a_card(line: str, fault: bool) -> None:
    assert bool(client_http.CARD_FAULT.search(line)) == fault


def test_the_command_prints_one_line_and_takes_no_proxy(serve_liar: Serve, tmp_path: Path) -> None:
    definition = serve_liar("key")
    (tmp_path / "definition.json").write_text(json.dumps(definition))
    (tmp_path / "key").write_text("secret\n")
    port = definition["instances"][0]["port"]
    files = [f"--definition={tmp_path}/definition.json", f"--key-file={tmp_path}/key"]
    command = [sys.executable, str(SERVING / "client.py"), "prove", *files]
    proxy = f"http://127.0.0.1:{find_port()}"
    environment = {**os.environ, "http_proxy": proxy, "HTTP_PROXY": proxy, "LC_ALL": "C"}
    done = subprocess.run(
        [*command, f"--url=http://127.0.0.1:{port}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1 and result["ok"]
    done = subprocess.run(
        [*command, f"--url={proxy}"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and json.loads(done.stdout)["code"] == "SERVE_SILENT"
