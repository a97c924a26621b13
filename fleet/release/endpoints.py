"""The endpoints of a release on a host: its instances with their ports and cards, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from fleet import paths
from fleet.release import host_paths
from fleet.release.model import compute_digest
from fleet.release.serve import CARDS_VARIABLE, MODEL_FIELD, PORT_FIELD, Serve
from fleet.release.target import ReleaseTarget

#: Version of the definition that the supervisor reads.
DEFINITION_VERSION = 1
#: Length of the digest of a definition in hex digits.
DIGEST_DIGITS = 16
#: Where programs of the image's system lie.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Name of the stamp that keeps what the last proof of an instance measured, by its number.
FIGURES_STAMP = "serve-figures-{}"
#: Path of the metrics of the server that mlu-fleet brings.
METRICS_PATH = "/metrics"
#: A figure in that stamp that was not measured.
UNKNOWN_FIGURE = "-"


@dataclass(frozen=True)
class Endpoint:
    """One instance of a release's server.

    Attributes:
        name: Its number, from 0.
        port: TCP port of the host.
        container_port: TCP port in the container.
        cards: Its cards, counted from 0 within those of the container.
    """

    name: str
    port: int
    container_port: int
    cards: tuple[int, ...]


@dataclass(frozen=True)
class Figures:
    """What the proof of an endpoint measured; None for what it could not measure.

    Attributes:
        ready_s: Seconds from the start of the server until it was ready.
        cold_first_token_s: Seconds until the first piece of the first answer after that.
        first_token_s: Seconds until the first piece of a later answer.
        tokens_per_s: Tokens a second of that answer after its first one.
    """

    ready_s: float | None = None
    cold_first_token_s: float | None = None
    first_token_s: float | None = None
    tokens_per_s: float | None = None


def format_figures(figures: Figures) -> str:
    """Return the text of the stamp named by :data:`FIGURES_STAMP`.

    Args:
        figures: What was measured.
    """
    values = (getattr(figures, field.name) for field in fields(Figures))
    return " ".join(UNKNOWN_FIGURE if value is None else f"{value:.3f}" for value in values)


def parse_figures(text: str) -> Figures:
    """Return the figures in a stamp; each that is missing or not a number is None.

    Args:
        text: What :func:`format_figures` returned, or "" if the host has no such stamp.
    """
    return Figures(*map(_parse_figure, text.split()[: len(fields(Figures))]))


def _parse_figure(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def format_url(address: str, port: int) -> str:
    """Return the URL of an endpoint, without a path.

    Args:
        address: IPv4 address of the host that its servers are bound to.
        port: The endpoint's port of the host.
    """
    return f"http://{address}:{port}"


def get_model_name(target: ReleaseTarget) -> str:
    """Return the name of the model in the API.

    Args:
        target: A release with `serve`.
    """
    return get_serve(target).name or target.release.name


def get_metrics_path(target: ReleaseTarget) -> str:
    """Return the path of the servers' metrics for Prometheus; "" if it is not known.

    Args:
        target: A release with `serve`.
    """
    return "" if get_serve(target).command else METRICS_PATH


def list_serving_files() -> list[Path]:
    """List the files of this project that run in the container of a release that is served."""
    return sorted((paths.FILES_FOLDER / "serving").glob("*.py"))


@cache
def serving_files_digest() -> str:
    """Return the digest of these files."""
    return compute_digest([file.read_text(encoding="utf-8") for file in list_serving_files()])


def get_serve(target: ReleaseTarget) -> Serve:
    """Return how a release that is served is served.

    Args:
        target: A release with `serve`.
    """
    assert target.release.serve is not None
    return target.release.serve


def list_endpoints(target: ReleaseTarget, card_count: int) -> list[Endpoint]:
    """List the instances of a release's server.

    Args:
        target: The release.
        card_count: Number of cards in the host.

    Returns:
        The instances in the order of their ports; empty if the release is not served.
    """
    serve = target.release.serve
    if serve is None:
        return []
    own = range(len(target.card_numbers(card_count)))
    groups: list[tuple[int, ...]]
    if serve.each == "release":
        groups = [tuple(own)]
    elif serve.each == "card":
        groups = [(number,) for number in own]
    else:
        groups = [tuple(numbers) for numbers in serve.each]
    first = serve.listens or serve.port
    return [
        Endpoint(str(number), serve.port + number, first + number, cards)
        for number, cards in enumerate(groups)
    ]


def build_definition(target: ReleaseTarget, card_count: int) -> dict[str, Any]:
    """Build what the supervisor in the container reads.

    Args:
        target: A release that is served.
        card_count: Number of cards in the host.

    Returns:
        Plain data. `digest` is the digest of everything else in it.
    """
    serve, release = get_serve(target), target.release
    name = get_model_name(target)
    python = release.image.python
    definition: dict[str, Any] = {
        "version": DEFINITION_VERSION,
        "release": release.name,
        "model": name,
        "api": serve.api,
        "path": f"{python.rpartition('/')[0]}:{SYSTEM_PATH}",
        "key_file": f"{host_paths.SERVE_IN_CONTAINER}/key" if target.api_key else "",
        # another key is another definition; the folder is root's alone
        "key_digest": compute_digest([release.name, target.api_key]) if target.api_key else "",
        # so are other files of the server
        "files": serving_files_digest(),
        "ready_path": serve.ready_path,
        "question_path": serve.question_path,
        "question": serve.question,
        "expect": serve.expect,
        "load_timeout": serve.load_timeout,
        "answer_timeout": serve.answer_timeout,
        "drain_timeout": serve.drain_timeout,
        "check_every": serve.check_every,
        "instances": [
            _build_instance(serve, endpoint, _command(serve, name, python))
            for endpoint in list_endpoints(target, card_count)
        ],
    }
    return {"digest": compute_digest(definition)[:DIGEST_DIGITS], **definition}


def _build_instance(serve: Serve, endpoint: Endpoint, command: list[str]) -> dict[str, Any]:
    def fill_port(text: str) -> str:
        return text.replace(PORT_FIELD, str(endpoint.container_port))

    return {
        "name": endpoint.name,
        "port": endpoint.container_port,
        "workdir": serve.workdir,
        "command": [fill_port(word) for word in command],
        "environment": {
            CARDS_VARIABLE: ",".join(map(str, endpoint.cards)),
            **{key: fill_port(value) for key, value in serve.environment.items()},
        },
    }


def _command(serve: Serve, name: str, python: str) -> list[str]:
    if serve.command:
        words = [python if word == "python" else word for word in serve.command]
        return [word.replace(MODEL_FIELD, serve.model or MODEL_FIELD) for word in words]
    options = {
        "--model": serve.model or "",
        "--name": name,
        "--device": serve.device,
        "--prompt": serve.prompt,
        "--queue": str(serve.queue),
        "--answer-timeout": str(serve.answer_timeout),
        "--drain-timeout": str(serve.drain_timeout),
        "--port": PORT_FIELD,
    }
    server = f"{host_paths.SERVE_IN_CONTAINER}/server.py"
    return [python, server, *(word for pair in options.items() for word in pair)]
