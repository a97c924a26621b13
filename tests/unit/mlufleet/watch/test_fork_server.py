"""Rounds of looks as processes: one that hangs, dies or says nothing harms no other."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from mlufleet.watch.look_messages import (
    MachineSeen,
    Message,
    Observed,
    Round,
    RoundEnded,
    decode_message,
    encode_message,
)
from mlufleet.watch.look_process import ForkServer, LineBuffer
from mlufleet.watch.observation import SEEN, Observation
from tests.waiting import PATIENCE_S

LIMIT_S = 2.0


def look(wanted: Round, others: Mapping[str, MachineSeen], tell: Callable[[Message], None]) -> None:
    """What a host does is its name; of the others, the names are told as its boot."""
    for name in wanted.hosts:
        if name == "hangs":
            time.sleep(600)
        if name == "fails":
            raise ValueError("of the test")
        tell(MachineSeen(name, name, []))
        found = Observation(name, 0, 1, SEEN, boot_id=",".join(sorted(others)))
        tell(Observed(wanted.number, found))


def test_what_is_no_text_becomes_text_that_can_be_stored() -> None:
    found = Observation("one", 0, 1, SEEN, boot_id="a\udc80\u5bd2b")
    said = decode_message(encode_message(Observed(1, found)))
    assert isinstance(said, Observed) and said.observation.boot_id == "a?\u5bd2b"


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    words = [sys.executable, "-m", __name__]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def exchange(server: subprocess.Popen[bytes], *rounds: list[str]) -> list[Message]:
    """Ask for rounds at once, and return what is said until all have ended."""
    assert server.stdin and server.stdout
    asked = [Round(number, hosts) for number, hosts in enumerate(rounds, 1)]
    server.stdin.write(b"".join(map(encode_message, asked)))
    server.stdin.flush()
    said: list[Message] = []
    while sum(isinstance(each, RoundEnded) for each in said) < len(rounds):
        said.append(decode_message(server.stdout.readline()))
    return said


def test_a_round_that_hangs_is_killed_and_no_other_waits_for_it(
    server: subprocess.Popen[bytes],
) -> None:
    said = exchange(server, ["good", "hangs"], ["fails"], ["other"])
    ended = [each for each in said if isinstance(each, RoundEnded)]
    assert ended[-1] == RoundEnded(1, is_overdue=True, reason="signal 9")
    assert {RoundEnded(2, reason="exit status 1"), RoundEnded(3)} == set(ended[:2])
    seen = {each.observation.host for each in said if isinstance(each, Observed)}
    assert seen == {"good", "other"}


def test_a_round_knows_the_machines_of_other_hosts(server: subprocess.Popen[bytes]) -> None:
    exchange(server, ["a"])
    exchange(server, ["b"])
    (observed, _) = exchange(server, ["a"])
    assert isinstance(observed, Observed) and observed.observation.boot_id == "b"


def test_the_end_of_the_watch_is_the_end_of_all(server: subprocess.Popen[bytes]) -> None:
    assert server.stdin and server.stdout
    server.stdin.write(encode_message(Round(1, ["good", "hangs"])))
    server.stdin.flush()
    assert isinstance(decode_message(server.stdout.readline()), Observed)
    server.stdin.close()
    assert server.wait(PATIENCE_S) == 0
    assert server.stdout.read() == b""  # at once, as nobody has the pipe any more


def test_lines_are_put_together() -> None:
    buffer = LineBuffer()
    assert buffer.add(b"on") == []
    assert buffer.add(b"e\ntwo\n\nth") == [b"one", b"two"]
    assert buffer.add(b"ree\n") == [b"three"]


if __name__ == "__main__":
    ForkServer(look, LIMIT_S, 0, 1).serve()
