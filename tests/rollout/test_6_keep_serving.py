"""Hosts that serve go through one after the other; a client counts who answers all the while."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.lab import hosts as lab
from tests.rollout.fleet import FLEET, LIGHT, audits, begun
from tests.runs import LAB, RELEASES, Done, mlufleet, report_in, start
from tests.waiting import PATIENCE_S

#: each with one endpoint
SERVED = FLEET[:3]
PORT = 18000
FIRST, NEXT = (f"release={RELEASES}/light-serving{which}.yml" for which in ("", "-next"))
MODES = "/data/modes/first"
#: a client on a host, as ports are bound to its loopback: it asks again and again until its
#: standard input ends, and prints when it asked, when it knew, and whether it was answered
COUNTER = f"""
import json, select, sys, time, urllib.request
while not select.select([sys.stdin], [], [], 0.2)[0]:
    asked, status = time.time(), 0
    try:
        status = urllib.request.urlopen("http://127.0.0.1:{PORT}/v1/models", timeout=20).status
    except OSError:
        pass
    print(json.dumps([asked, time.time(), status == 200]), flush=True)
"""
#: one whose answer takes a while; prints what it got when it has ended
READER = f"""
import json, urllib.request
messages = [{{"role": "user", "content": "?"}}]
question = {{"model": "light-serving", "stream": True, "messages": messages}}
request = urllib.request.Request(
    "http://127.0.0.1:{PORT}/v1/chat/completions", json.dumps(question).encode()
)
answer = urllib.request.urlopen(request, timeout=300)
print(answer.status, flush=True)
print(answer.read().decode())
"""


def run_client(host: str, script: str) -> subprocess.Popen[str]:
    command = lab.enter(host, "python3", "-c", script)
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=sys.stderr, text=True)


@pytest.fixture
def served(fleet_up: None) -> Iterator[None]:
    """Some hosts of the fleet serve; afterwards they have the small release that is not served."""
    where = ("--limit", ",".join(SERVED), "--data")
    for host in SERVED:
        lab.run(host, f"mkdir -p {MODES} && rm -f {MODES}/*")
    done = mlufleet("deploy", LAB, *where, FIRST)
    assert done.status == 0, done.output
    yield
    done = mlufleet("deploy", LAB, *where, LIGHT.release)
    assert done.status == 0, done.output


def roll_out(share: str) -> list[str]:
    options = ("--canary", "0", "--window", "3", "--keep-serving", share)
    return ["rollout", LAB, "--limit", ",".join(SERVED), "--data", NEXT, *options]


def list_gaps(answers: list[list[float]]) -> list[tuple[float, float]]:
    """When an endpoint did not answer: from the first failure to the last one in a row."""
    gaps: list[tuple[float, float]] = []
    was_ready = True
    for asked, knew, is_ready in answers:
        if not is_ready:
            gaps.append((asked if was_ready else gaps.pop()[0], knew))
        was_ready = bool(is_ready)
    return gaps


def test_a_client_never_finds_fewer_endpoints_than_promised(served: None) -> None:
    before = audits(*SERVED)
    refused = mlufleet(*roll_out("75%"))
    assert (refused.status, refused.report["rollout"]["stopped"]) == (5, "serving")
    assert "--keep-serving 66%" in refused.report["rollout"]["serving"]["remedy"]
    assert set(refused.statuses().values()) == {"not started"} and audits(*SERVED) == before

    counters = {host: run_client(host, COUNTER) for host in SERVED}
    # the host that goes first is in the middle of an answer
    lab.run(SERVED[0], f"echo 0.45 > {MODES}/pace")
    run = start(*roll_out("66%"))
    reader = run_client(SERVED[0], READER)
    assert reader.stdout and reader.stdout.readline() == "200\n"
    text = reader.stdout.read()
    lab.run(SERVED[0], f"rm {MODES}/pace")
    output, _ = run.communicate(timeout=PATIENCE_S)
    done = Done(run.returncode, output, report_in(output))
    found = {}
    for host, counter in counters.items():
        said, _ = counter.communicate(timeout=PATIENCE_S)
        found[host] = list_gaps([json.loads(line) for line in said.splitlines()])
    assert done.status == 0 and set(done.statuses().values()) == {"changed"}, done.output
    assert begun(done)[0] == SERVED[0]
    assert reader.wait(PATIENCE_S) == 0 and "[DONE]" in text, text
    assert all(found.values()), "each of them was away once"
    gaps = sorted(gap for each in found.values() for gap in each)
    for (_, ended), (began, _) in pairwise(gaps):
        assert ended < began, gaps
