"""Serves one model with OpenAI's API, for releases whose model brings no server of its own.

Usage: server.py --model FOLDER --name NAME [options]; `--help` lists them. The key that clients
have to send is read from a file: --key-file, or $MLUFLEET_SERVE_KEY_FILE, or `key` beside this
file if there is one.

One generation runs at a time, others wait in their order. It needs fastapi and uvicorn, with
Python 3.7 (fastapi 0.103, uvicorn 0.22) or newer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import uvicorn
from server_api import Api, read_key
from server_chat import ApiError
from server_model import QUESTION_FIELD, Model
from server_queue import Line

KEY_VARIABLE = "MLUFLEET_SERVE_KEY_FILE"
KEY_FILE = Path(__file__).resolve().with_name("key")
#: Seconds of the drain timeout in which generations are ended and their clients told.
ENDING_S = 2


class Server(uvicorn.Server):
    """uvicorn, which ends the generations themselves when their time to drain is over.

    Args:
        config: uvicorn's settings.
        line: Where questions wait.
        drain_timeout: Seconds that running generations have.
    """

    def __init__(self, config: uvicorn.Config, line: Line, drain_timeout: int) -> None:
        super().__init__(config)
        self.line, self.drain_timeout = line, drain_timeout

    async def run_until_stopped(self) -> None:
        """Serve until a signal comes or the device cannot be used further."""
        self.loop = asyncio.get_event_loop()
        working = self.loop.create_task(self.line.work())
        working.add_done_callback(lambda task: setattr(self, "should_exit", True))
        await self.serve()
        self.line.broken = working.done()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to drain; uvicorn calls this for SIGTERM and SIGINT.

        Args:
            sig: Number of the signal.
            frame: Where the program was.
        """
        super().handle_exit(sig, frame)
        remaining = max(0, self.drain_timeout - ENDING_S)
        self.loop.call_soon_threadsafe(self.loop.call_later, remaining, self.line.close)


def parse_options(words: list[str]) -> argparse.Namespace:
    """Read the command line.

    Args:
        words: Its arguments.

    Returns:
        The options.
    """
    parser = argparse.ArgumentParser(description="Serve one model with OpenAI's API.")
    parser.add_argument("--model", required=True, help="folder that the model is loaded from")
    parser.add_argument("--name", required=True, help="name of the model in the API")
    parser.add_argument("--device", default="mlu", help="device of PyTorch")
    parser.add_argument("--prompt", default=QUESTION_FIELD, help="prompt of a question")
    parser.add_argument("--queue", type=int, default=16, help="requests that may wait")
    parser.add_argument("--answer-timeout", type=int, default=300, help="seconds of an answer")
    parser.add_argument("--drain-timeout", type=int, default=60, help="seconds to end answers in")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on")
    named = os.environ.get(KEY_VARIABLE)
    beside = KEY_FILE if KEY_FILE.exists() else None
    parser.add_argument(
        "--key-file", type=Path, default=Path(named) if named else beside, help="file with the key"
    )
    options = parser.parse_args(words)
    if QUESTION_FIELD not in options.prompt:
        parser.error(f"--prompt: {options.prompt!r} does not contain {QUESTION_FIELD}")
    if options.key_file is not None:
        try:
            read_key(options.key_file)
        except ApiError:
            parser.error(f"--key-file: {options.key_file} cannot be read or is empty")
    return options


async def serve(options: argparse.Namespace, model: Model) -> bool:
    """Serve a model until the server is stopped.

    Args:
        options: The command line.
        model: The model.

    Returns:
        Whether the device could be used until the end.
    """
    line = Line(model, options.queue)
    config = uvicorn.Config(
        Api(line, options.name, options.key_file).build(),
        host=options.host,
        port=options.port,
        access_log=False,
        timeout_graceful_shutdown=max(1, options.drain_timeout),
    )
    await Server(config, line, options.drain_timeout).run_until_stopped()
    return not line.broken


def main() -> None:
    """Load the model, then serve it."""
    options = parse_options(sys.argv[1:])
    model = Model(options.model, options.device, options.prompt, options.answer_timeout)
    # uvicorn raises the signal again that it was stopped by, which is no failure
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    usable = asyncio.run(serve(options, model))
    sys.stdout.flush()
    sys.stderr.flush()
    # at once: a generation that hangs in the card's driver would keep an interpreter that ends
    os._exit(0 if usable else 1)


if __name__ == "__main__":
    main()
