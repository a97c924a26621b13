"""Asks the operator while hosts are worked on."""

from __future__ import annotations

import os
import sys

import click
import gevent
from gevent.event import Event
from gevent.socket import wait_read

from fleet.language import _

#: bytes of an answer: a terminal gives a line at a time
MAX_ANSWER_BYTES = 1024
#: answers that approve, and those that do not
ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


def ask_operator(question: str, stopping: Event) -> bool:
    """Ask a question on the terminal, without keeping others from their work.

    It is no thread that waits for the answer: one that still waits when the run is interrupted
    would keep Python from ending.

    Args:
        question: The question, without its possible answers.
        stopping: Ends the wait: the run is to stop.

    Returns:
        Whether the operator approves. The end of the input, as of a terminal that is closed, and
        a run that is to stop do not.
    """
    while not stopping.is_set():
        click.echo(f"{question} [y/N]: ", nl=False, err=True)
        readable = gevent.spawn(wait_read, sys.stdin.fileno())
        try:
            gevent.wait([readable, stopping], count=1)
            if not readable.ready():
                break
            answer = os.read(sys.stdin.fileno(), MAX_ANSWER_BYTES)
        finally:
            readable.kill()
        word = answer.decode(errors="replace").strip().lower()
        if word in ANSWERS:
            return ANSWERS[word]
        click.echo(_("Answer y or n."), err=True)
    return False
