"""Refuse an expectation of a smoke test that would pass without an answer of the model."""

from __future__ import annotations

import re

from fleet.language import _
from fleet.proof import scripts
from fleet.proof.inputs import ProofInputs
from fleet.proof.results import ProofResults
from fleet.release.model import SmokeTest
from fleet.release.serve import Serve

LOCATION = ("smoke", "expect")
#: What is printed while a model is loaded or a server starts, whatever it will answer.
LOADING_LINES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # a progress bar, or a part of one: "Loading checkpoint shards: 100%|████| 7/7 [00:10<…"
        r"(loading checkpoint shards:?)?\s*(\d{1,3}\s*%)?\s*(\|?[█▏▎▍▌▋▊▉\s]*\|)?"
        r"\s*(\d+\s*/\s*\d+)?\s*(\[\d+:\d\d<.*)?",
        r"loading( (checkpoint|shards|checkpoint shards|model|weights|tokenizer)){0,2}[.…:]*",
        r"explicitly passing a `?revision`? is encouraged.*",
        r"running on (local url|public url|http).*",
        r"(info:\s*)?(uvicorn running on|application startup complete|started server process).*",
        r"\[?cnnl\]?.*warning.*",
    )
)
#: Words of every answer of a server that speaks OpenAI's protocol, or a demo's.
ANSWER_KEYS = frozenset(
    (
        *("id", "object", "created", "model", "choices", "index", "message", "role", "content"),
        *("assistant", "user", "finish_reason", "stop", "usage", "prompt_tokens", "total_tokens"),
        *("completion_tokens", "chat.completion", "text_completion", "text", "response", "delta"),
        *("history", "status", "time", "200", "true", "null", "data", "result", "output", "answer"),
    )
)
JSON_MARKS = " \t\n\"':,{}[]"


def check_expectation(inputs: ProofInputs, results: ProofResults) -> None:
    """Check that the smoke test's expectation needs an answer of the model.

    Args:
        inputs: The files of the release.
        results: Collects what is wrong or unproved.
    """
    smoke = inputs.release.smoke
    if smoke.kind == "artefact" or not smoke.expect:
        return
    read = scripts.read_scripts(inputs)
    problem = find_problem(smoke) or _find_printed(smoke, read)
    if problem:
        results.add_finding(
            LOCATION,
            _("{expect!r} proves no answer: {problem}", expect=smoke.expect, problem=problem),
        )
        return
    for reason in read.unread:
        results.add_unproved(
            LOCATION, _("whether the program prints it itself: {reason}", reason=reason)
        )
    if smoke.kind != "stdin" and smoke.expect in smoke.stdin:
        results.add_warning(
            LOCATION,
            _(
                "{expect!r} is a part of the question, which an answer may repeat",
                expect=smoke.expect,
            ),
        )


def find_problem(smoke: SmokeTest) -> str:
    """Describe why an expectation proves no answer, as far as the release alone shows.

    Args:
        smoke: The smoke test.

    Returns:
        A clause; "" if nothing is wrong with it.
    """
    if smoke.kind == "artefact" or not smoke.expect:
        return ""
    return _find_own_line(smoke) or _find_echo(smoke)


def find_serve_problem(serve: Serve) -> str:
    """Describe why what a served model is expected to answer proves no answer.

    Args:
        serve: How the model is served.

    Returns:
        A clause; "" if nothing is wrong with it.
    """
    words = serve.expect.strip(JSON_MARKS)
    if not words or words.lower() in ANSWER_KEYS:
        return _("every well-formed answer contains it")
    if serve.expect in serve.question:
        return _("it is a part of the question, which an answer may repeat")
    return ""


def _find_own_line(smoke: SmokeTest) -> str:
    text = smoke.expect.strip()
    if any(pattern.fullmatch(text) for pattern in LOADING_LINES):
        return _("it is printed while the model is loaded")
    words = text.strip(JSON_MARKS)
    if smoke.kind == "http" and (not words or words.lower() in ANSWER_KEYS):
        return _("every well-formed answer contains it")
    return ""


def _find_echo(smoke: SmokeTest) -> str:
    """Describe how the echoed question would pass as the answer; "" if it cannot."""
    if smoke.kind != "stdin" or not smoke.echo:
        return ""
    if any(smoke.expect in line for line in smoke.stdin.splitlines()):
        return _("it is a part of the question, which the line with the answer repeats")
    return ""


def _find_printed(smoke: SmokeTest, read: scripts.CommandScripts) -> str:
    if any(smoke.expect in words for words in read.command.printed):
        return _("the command prints it")
    for script in read.scripts:
        for line, text in scripts.find_printable_texts(script):
            if smoke.expect in text:
                return _(
                    "it occurs in {place}",
                    place=script.describe_line(line + _count_lines(text, smoke)),
                )
    return ""


def _count_lines(text: str, smoke: SmokeTest) -> int:
    """Count the lines of a text before the expectation."""
    return text[: text.find(smoke.expect)].count("\n")
