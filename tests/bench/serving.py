"""What the own server costs beside the same generate in a bare loop, in one container.

python -m tests.bench.serving [CLIENTS…] > figures.json
python -m tests.bench.serving memory MINUTES > figures.json
Answers have the same number of tokens in both. The loop and the server run in turn, never at once.
`memory` asks a question about every second, whole and streamed in turn, and tells what the server's
process has in memory each minute.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import measured
from tests.lab import engine
from tests.lab.vendor.serving import MODEL, PORTS, QUESTION, Server, running_container

CLIENTS = (1, 4, 16)
ROUNDS, ANSWERS, TOKENS = 5, 24, 128
PAUSE_S = 1.0
#: As the tutorial's inference.py, but with answers of a fixed length.
LOOP = f"""
import time, torch, torch_mlu
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("/weights", trust_remote_code=True)
model = AutoModelForCausalLM.from_pretrained(
    "/weights", torch_dtype=torch.float16, trust_remote_code=True).to("mlu")
for turn in range({ANSWERS} + 1):
    if turn == 1:
        began = time.monotonic()
    inputs = tokenizer({QUESTION[0]["content"]!r}, return_tensors="pt").to("mlu")
    length = inputs["input_ids"].shape[1] + {TOKENS}
    output = model.generate(
        **inputs, max_new_tokens={TOKENS}, min_length=length, repetition_penalty=1.1)
    assert output.shape[1] == length
    tokenizer.decode(output.cpu()[0], skip_special_tokens=True)
print({ANSWERS} * {TOKENS} / (time.monotonic() - began))
"""


def run_loop(container: str) -> float:
    """Tokens a second of the bare loop."""
    python = "/torch/venv3/pytorch/bin/python"
    return float(engine.docker("exec", container, python, "-c", LOOP).splitlines()[-1])


def ask(client: Any) -> float:
    """Stream an answer, and return the seconds to its first token."""
    began, first = time.monotonic(), 0.0
    options = {"max_tokens": TOKENS, "extra_body": {"min_tokens": TOKENS}}
    for piece in client.chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True, **options
    ):
        if not first and piece.choices and piece.choices[0].delta.content:
            first = time.monotonic() - began
    return first


def run_clients(server: Server, clients: int) -> tuple[float, float]:
    """Tokens a second of so many clients, and the median of seconds to the first token."""
    client = server.client()
    ask(client)
    began = time.monotonic()
    with ThreadPoolExecutor(clients) as threads:
        firsts = list(threads.map(lambda _: ask(client), range(ANSWERS)))
    return ANSWERS * TOKENS / (time.monotonic() - began), statistics.median(firsts)


def measure_memory(server: Server) -> float:
    """MiB that the server's process has in memory."""
    status = f"cat /proc/$(cat /run/{server.port}.pid)/status"
    text = engine.docker("exec", server.container, "sh", "-c", status)
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def compare(server: Server, clients: int) -> dict[str, float]:
    """Both ways in turn."""
    loops, served = [], []
    for turn in range(ROUNDS):
        measured.note(f"{clients} clients, {turn}")
        loops.append(run_loop(server.container))
        served.append(run_clients(server, clients))
    speeds, firsts = zip(*served, strict=True)
    ratios = [speed / loop for loop, speed in zip(loops, speeds, strict=True)]
    return {
        "bare tokens/s": round(statistics.median(loops), 1),
        "server tokens/s": round(statistics.median(speeds), 1),
        "ratio": round(statistics.median(ratios), 3),
        "first token s": round(statistics.median(firsts), 4),
    }


def measure_growth(server: Server) -> Iterator[float]:
    """MiB after each 200 further answers."""
    client = server.client()
    for _ in range(3):
        for _ in range(200):
            client.chat.completions.create(model=MODEL, messages=QUESTION)
        yield round(measure_memory(server), 1)


def measure_minutes(server: Server, minutes: int) -> dict[str, Any]:
    """MiB after each minute of about one question a second."""
    client, answers, memory = server.client(), 0, []
    began = time.monotonic()
    for minute in range(1, minutes + 1):
        while time.monotonic() < began + 60 * minute:
            asked = client.chat.completions.create(
                model=MODEL, messages=QUESTION, stream=bool(answers % 2)
            )
            answers += 1
            if answers % 2 == 0:
                assert list(asked)
            time.sleep(PAUSE_S)
        memory.append(round(measure_memory(server), 1))
        measured.note(f"minute {minute}: {answers} answers, {memory[-1]} MiB")
    return {"minutes": minutes, "answers": answers, "MiB by minute": memory}


@contextmanager
def running_server() -> Iterator[Server]:
    """The server with a queue for all clients."""
    with tempfile.TemporaryDirectory() as folder, running_container(Path(folder)) as container:
        server = Server(container, PORTS[0], Path(folder) / "log", "--queue", "16")
        server.wait_ready()
        yield server
        server.stop()


def main(*words: str) -> None:
    figures: dict[str, Any] = {"cores": multiprocessing.cpu_count()}
    with running_server() as server:
        if words[:1] == ("memory",):
            figures |= measure_minutes(server, int(words[1]))
        else:
            counts = [int(word) for word in words] or CLIENTS
            figures["clients"] = {str(count): compare(server, count) for count in counts}
            figures["MiB by 200 answers"] = list(measure_growth(server))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
