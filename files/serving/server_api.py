"""The paths of mlu-fleet's own server: OpenAI's API, health and metrics.

Python 3.7 with fastapi 0.103, or newer.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from server_chat import ApiError, ChatAnswer, ChatRequest, encode_event, refuse
from server_model import Generation
from server_queue import Line
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

MAX_BODY_BYTES = 4 << 20
#: Status in the metrics of a request whose client went away, as nginx counts them.
CLIENT_GONE = 499


class Api:
    """The paths of the server.

    Args:
        line: Where questions wait.
        name: Name of the model.
        key_file: File with the key that clients have to send; None if they need none.
    """

    def __init__(self, line: Line, name: str, key_file: Path | None) -> None:
        self.line, self.name, self.key_file = line, name, key_file
        self.created = int(time.time())

    def build(self) -> FastAPI:
        """Build the application."""
        app = FastAPI(openapi_url=None)
        app.add_api_route("/health", self.tell_health)
        app.add_api_route("/metrics", self.tell_metrics)
        app.add_api_route("/v1/models", self.list_models)
        app.add_api_route("/v1/models/{name:path}", self.show_model)
        app.add_api_route("/v1/chat/completions", self.complete, methods=["POST"])
        app.add_exception_handler(ApiError, answer_error)
        app.add_exception_handler(HTTPException, answer_http_error)
        app.add_exception_handler(Exception, answer_fault)
        return app

    def check_key(self, request: Request) -> None:
        """Refuse a client that does not send the key.

        Args:
            request: The request.

        Raises:
            ApiError: the key is wrong or missing.
        """
        if self.key_file is None:
            return
        # read each time: a new key needs no new load of the model
        expected = read_key(self.key_file)
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(sent.strip().encode("latin-1"), expected)
        if scheme.lower() != "bearer" or not right:
            headers = {"WWW-Authenticate": "Bearer"}
            raise ApiError(401, "invalid_api_key", "The API key is wrong.", headers=headers)

    async def tell_health(self) -> Response:
        """Answer 200 while questions are taken."""
        usable = not (self.line.broken or self.line.closing)
        return JSONResponse({"status": "ok" if usable else "stopping"}, 200 if usable else 503)

    async def tell_metrics(self) -> Response:
        """Answer with the metrics."""
        line = self.line
        text = line.metrics.render(int(line.running is not None), len(line.waiting))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def list_models(self, request: Request) -> Response:
        """Answer with the one model.

        Args:
            request: The request.
        """
        self.check_key(request)
        return JSONResponse({"object": "list", "data": [self.describe_model()]})

    async def show_model(self, request: Request) -> Response:
        """Answer with the model that the path names.

        Args:
            request: The request.
        """
        self.check_key(request)
        self.check_model(request.path_params["name"])
        return JSONResponse(self.describe_model())

    def describe_model(self) -> dict[str, Any]:
        """Describe the model as OpenAI does."""
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": "mlu-fleet",
        }

    def check_model(self, name: str | None) -> None:
        """Refuse a model that is not the one.

        Args:
            name: What the client asks.

        Raises:
            ApiError: it is another.
        """
        if name != self.name:
            reason = f"The model `{name}` is not here, only `{self.name}` is."
            raise ApiError(404, "model_not_found", reason, "model")

    async def complete(self, request: Request) -> Response:
        """Answer a question.

        Args:
            request: The request.
        """
        try:
            response = await self.answer(request)
        except ApiError as error:
            self.line.metrics.count_request(error.status)
            raise
        except ClientDisconnect:
            response = Response(status_code=CLIENT_GONE)
        except Exception:
            self.line.metrics.count_request(500)
            raise
        self.line.metrics.count_request(response.status_code)
        return response

    async def answer(self, request: Request) -> Response:
        """Check a question and let the model answer it.

        Args:
            request: The request.

        Returns:
            The answer, whole or as a stream.

        Raises:
            ApiError: there is none.
        """
        self.check_key(request)
        chat = ChatRequest(await read_json(request))
        self.check_model(chat.model)
        loop = asyncio.get_event_loop()
        generation = await loop.run_in_executor(None, self.line.model.prepare, chat)
        events = self.line.enter(generation)
        watch = loop.create_task(watch_client(request, self.line, generation, events))
        try:
            # a stream begins with its first piece, so that what fails before has its status
            first = await events.get()
            if chat.stream and first[0] in ("text", "end"):
                pieces = self.stream(generation, events, first, watch)
                return StreamingResponse(pieces, media_type="text/event-stream")
            texts = []
            while first[0] == "text":
                texts.append(first[1])
                first = await events.get()
        except BaseException:
            self.line.end(generation)
            watch.cancel()
            raise
        watch.cancel()
        if first[0] == "gone":
            return Response(status_code=CLIENT_GONE)
        if first[0] == "error":
            raise first[1]
        answer = ChatAnswer(self.name)
        return JSONResponse(answer.build_whole("".join(texts), first[1], generation.usage))

    async def stream(
        self,
        generation: Generation,
        events: asyncio.Queue[tuple[str, Any]],
        event: tuple[str, Any],
        watch: asyncio.Task[None],
    ) -> AsyncIterator[str]:
        """Write an answer as server-sent events.

        Args:
            generation: What is answered.
            events: Its further events.
            event: The first of them.
            watch: What looks whether the client is still there.

        Yields:
            The events.
        """
        answer = ChatAnswer(self.name)
        try:
            yield encode_event(answer.build_piece({"role": "assistant", "content": ""}))
            while event[0] == "text":
                yield encode_event(answer.build_piece({"content": event[1]}))
                event = await events.get()
            if event[0] == "error":
                yield encode_event(event[1].describe())
            elif event[0] == "end":
                yield encode_event(answer.build_piece({}, event[1]))
                if generation.request.stream_usage:
                    yield encode_event(answer.build_usage(generation.usage))
                yield "data: [DONE]\n\n"
        finally:
            watch.cancel()
            self.line.end(generation)


async def watch_client(
    request: Request, line: Line, generation: Generation, events: asyncio.Queue[tuple[str, Any]]
) -> None:
    """End a generation when its client goes away.

    Args:
        request: The request, whose body has been read.
        line: Where it waits.
        generation: What is answered.
        events: Gets the last event.
    """
    while (await request.receive())["type"] != "http.disconnect":
        pass
    line.end(generation)
    events.put_nowait(("gone", None))


async def read_json(request: Request) -> Any:
    """Read the body of a request.

    Args:
        request: The request.

    Returns:
        What it says.

    Raises:
        ApiError: it is too long, or not JSON.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(413, "too_long", f"The body may have {MAX_BODY_BYTES} bytes.")
    try:
        return json.loads(bytes(body).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise refuse(f"The body is not JSON in UTF-8: {error}") from error


async def answer_error(request: Request, error: Any) -> Response:
    """Answer with an error in OpenAI's format.

    Args:
        request: The request.
        error: What is wrong.
    """
    return JSONResponse(error.describe(), error.status, error.headers)


async def answer_http_error(request: Request, error: Any) -> Response:
    """Answer with FastAPI's own error, such as an unknown path, in OpenAI's format.

    Args:
        request: The request.
        error: What is wrong.
    """
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return await answer_error(request, ApiError(error.status_code, code, error.detail))


async def answer_fault(request: Request, error: Any) -> Response:
    """Answer with an error that nobody expected; the server's log has its traceback.

    Args:
        request: The request.
        error: What went wrong.
    """
    return await answer_error(request, ApiError(500, "internal_error", type(error).__name__))


def read_key(file: Path) -> bytes:
    """Read the key.

    Args:
        file: Where it is.

    Returns:
        The key, without the newline at its end.

    Raises:
        ApiError: it cannot be read, or is empty; then nobody has the right one.
    """
    try:
        key = file.read_bytes().strip()
    except OSError:
        key = b""
    if not key:
        raise ApiError(503, "no_api_key", "The server cannot read its API key.")
    return key
