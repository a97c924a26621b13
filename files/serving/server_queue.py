"""The requests of mlu-fleet's own server that wait for the model: one runs at a time.

Python 3.7 or newer.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from server_chat import ApiError
from server_metrics import Metrics
from server_model import Generation, Model


class Line:
    """Requests that wait for the model, and the one that runs.

    Everything here happens in the event loop; only the model has a thread of its own.

    Args:
        model: The model.
        places: How many may wait.
    """

    def __init__(self, model: Model, places: int) -> None:
        self.model, self.places = model, places
        self.thread = ThreadPoolExecutor(1)
        self.queue: asyncio.Queue[Generation] = asyncio.Queue()
        self.waiting: list[Generation] = []
        self.running: Generation | None = None
        self.broken = self.closing = False
        self.metrics = Metrics()

    def enter(self, generation: Generation) -> asyncio.Queue[tuple[str, Any]]:
        """Let a request wait for its turn.

        Args:
            generation: The request.

        Returns:
            Its events, as they come.

        Raises:
            ApiError: no place is free, or the server ends.
        """
        if self.broken or self.closing:
            raise ApiError(503, "stopping", "The server is about to end.")
        if len(self.waiting) + bool(self.running) > self.places:
            retry = {"Retry-After": str(max(1, math.ceil(self.metrics.mean_generation_s)))}
            reason = f"{len(self.waiting)} requests are waiting, more are not taken. Try later."
            raise ApiError(429, "queue_full", reason, headers=retry)
        loop = asyncio.get_event_loop()
        events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        generation.tell = lambda event: _call_in(loop, events.put_nowait, event)
        self.waiting.append(generation)
        self.queue.put_nowait(generation)
        return events

    def end(self, generation: Generation) -> None:
        """End a generation with its next token, or before it begins.

        Args:
            generation: The request.
        """
        generation.ended.set()
        if generation in self.waiting:
            self.waiting.remove(generation)

    def close(self) -> None:
        """End all generations and tell their clients."""
        self.closing = True
        stopping = ApiError(503, "stopping", "The server was stopped before the answer was whole.")
        for generation in [*self.waiting, *([self.running] if self.running else [])]:
            generation.tell(("error", stopping))
            self.end(generation)

    async def work(self) -> None:
        """Run one generation after the other until the device cannot be used further."""
        loop = asyncio.get_event_loop()
        while not self.broken:
            generation = await self.queue.get()
            if generation not in self.waiting:
                continue
            self.waiting.remove(generation)
            self.running = generation
            usable = await loop.run_in_executor(self.thread, self.model.run, generation)
            self.running = None
            self.metrics.add(generation)
            if not usable:
                self.broken = True
                self.close()


def _call_in(loop: Any, function: Any, *arguments: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, so nobody waits for it
        loop.call_soon_threadsafe(function, *arguments)
