"""44, 45, 46, 47, 48: served for real, proved, up again by itself, and no liar is believed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.serving import (
    BESIDE,
    BESIDE_PORT,
    BESIDE_SERVED,
    BROKEN,
    DRIVER,
    FIRST,
    FIRST_PORT,
    FIRST_SERVED,
    HOST,
    INVENTORY,
    NEXT,
    QUESTION,
    Served,
    ask,
    clear_modes,
    deploy,
    freeze,
    read_answer,
    read_state,
    set_mode,
    start_client,
    take_card,
    thaw,
    wait_for_codes,
    wait_until_ready,
    write_inventory,
)
from tests.e2e.test_one_connection import requests, told
from tests.journals import read_new_lines
from tests.lab import hosts as lab
from tests.looks import looking
from tests.runs import LAB, LOADED, SITE, Done, begin, mlufleet, needed_later, report_in
from tests.waiting import PATIENCE_S, until

AUDIT = "wc -l < /var/lib/mlufleet/audit.log; docker ps -a --format '{{.ID}}'"
CONTAINER = "docker inspect --format '{{.Id}}' light-serving"
KEY = "kept-from-everybody-7391"
#: what keeps a port of the host
LISTENER = f"import socket; s = socket.create_server(('127.0.0.1', {BESIDE_PORT})); s.accept()"


@pytest.fixture(scope="module", autouse=True)
def host(request: pytest.FixtureRequest) -> Iterator[None]:
    """The host is what all of the lab's are again afterwards, where that is of use."""
    clear_modes()
    yield
    thaw()
    clear_modes()
    if needed_later(request):
        back = mlufleet("deploy", LAB, "--limit", HOST)
        assert back.status == 0, back.output
    lab.run(HOST, "docker image rm registry.lab/light-serving:v1", check=False)


def finish(run: subprocess.Popen[str]) -> Done:
    """The end of a run that was begun."""
    output, _ = run.communicate(timeout=PATIENCE_S)
    print(output)
    return Done(run.returncode, output, report_in(output))


def test_a_release_is_served_and_a_client_proves_it() -> None:
    write_inventory({FIRST: "0"})
    done = deploy()
    assert done.status == 0, done.output
    assert done.changed(HOST)[-1].split()[0] == "serve"
    (endpoint,) = done.host(HOST)["endpoints"]
    assert (endpoint["release"], endpoint["state"]) == ("light-serving", "ready")
    assert endpoint["address"] == f"http://127.0.0.1:{FIRST_PORT}" and endpoint["cards"] == [0]
    assert endpoint["proved"] and endpoint["proved_from"] == ["host"]
    figures = [endpoint[name] for name in ("ready_s", "first_token_s", "tokens_per_s")]
    assert min(figures) > 0
    assert "王之涣" in endpoint["answer"]
    assert "王之涣" in read_answer(FIRST_PORT)


def test_a_second_run_changes_nothing_by_one_connection_and_one_command() -> None:
    with told(HOST):
        place = lab.heard(HOST)
        again = deploy()
        lines = lab.heard_since(HOST, place)
    assert again.statuses() == {HOST: "ok"}, again.output
    assert again.host(HOST)["endpoints"][0]["state"] == "ready"
    assert len([line for line in lines if line.startswith("Accepted publickey")]) == 1
    assert requests(lines) == ["exec"]


@pytest.mark.parametrize(
    "strike",
    [
        # these two are struck in tests/e2e/test_supervised_container.py as well
        pytest.param(
            "docker exec light-serving sh -c 'kill -9 $(cut -f3 /run/mlufleet-serve/0)'",
            id="the server is killed",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "docker restart light-serving", id="the container is restarted", marks=pytest.mark.long
        ),
        pytest.param(
            "docker kill light-serving; docker start light-serving", id="the container is killed"
        ),
    ],
)
def test_it_is_ready_again_without_a_run(strike: str) -> None:
    before = read_state()
    lab.run(HOST, strike)
    after = wait_until_ready(before)
    assert after.digest == before.digest
    assert "王之涣" in read_answer(FIRST_PORT)


def test_it_is_ready_after_other_boots_and_a_run_then_changes_nothing() -> None:
    before = read_state()
    lab.reboot(HOST)
    before = wait_until_ready(before)
    lab.power_off(HOST)
    lab.power_on(HOST)
    wait_until_ready(before)
    again = deploy()
    assert again.statuses() == {HOST: "ok"}, again.output


def test_a_port_that_something_else_has_is_refused_before_anything_is_done() -> None:
    write_inventory({FIRST: "0", BESIDE: "1-3"})
    before = lab.run(HOST, AUDIT)
    lab.run(HOST, f'setsid python3 -c "{LISTENER}" >/dev/null 2>&1 </dev/null & echo $! > /tmp/p')
    try:
        done = deploy()
    finally:
        lab.run(HOST, "kill $(cat /tmp/p); rm /tmp/p")
    assert done.status == 2
    failure = done.host(HOST)["failure"]
    assert failure["code"] == "PORT_TAKEN" and str(BESIDE_PORT) in failure["sentence"]
    assert lab.run(HOST, AUDIT) == before


def test_two_releases_are_served_beside_each_other_on_cards_and_ports_of_their_own() -> None:
    before = read_state()
    done = deploy()
    assert done.status == 0, done.output
    assert all("beside" in stage for stage in done.changed(HOST)), done.changed(HOST)
    assert found(done) == {
        ("light-serving", "0"): ([0], "ready", ""),
        **{("light-serving-beside", str(n)): ([n + 1], "ready", "") for n in range(3)},
    }
    assert all("王之涣" in read_answer(served.port) for served in (FIRST_SERVED, *BESIDE_SERVED))
    now = read_state()
    assert (now.pid, now.started) == (before.pid, before.started)


def found(done: Done) -> dict[tuple[str, str], tuple[list[int], str, str]]:
    """What a run says of the host's endpoints: (release, name) -> cards, state, code."""
    return {
        (one["release"], one["name"]): (one["cards"], one["state"], one["code"])
        for one in done.host(HOST)["endpoints"]
    }


def look() -> dict[str, tuple[str, str]]:
    """What `mlufleet endpoints` says: port -> state, code."""
    done = mlufleet("endpoints", INVENTORY, "--json")
    rows = json.loads(done.output[done.output.index("{") :])["endpoints"]
    assert (done.status == 0) == all(row["state"] == "ready" for row in rows)
    return {row["address"].rpartition(":")[2]: (row["state"], row["code"]) for row in rows}


def test_no_server_that_does_not_answer_rightly_is_called_ready() -> None:
    stuck, silent, card = BESIDE_SERVED
    # one answers wrongly from the start: the run that waits for it fails
    set_mode("answer", "杜甫")
    lab.run(HOST, "docker restart light-serving")
    run = begin(inventory=INVENTORY)
    freeze(stuck)
    set_mode("garbage", served=silent)
    set_mode("memory", served=card)
    states = wait_for_codes(
        {FIRST_SERVED: "SERVE_WRONG", silent: "SERVE_WRONG", card: "SERVE_CARD"}
    )
    assert "杜甫" in states[FIRST_SERVED].reason and "out of memory" in states[card].reason
    seen = look()
    assert {code for state, code in seen.values() if state != "ready"} >= {
        "SERVE_WRONG",
        "SERVE_CARD",
    }
    for served in (FIRST_SERVED, silent, card):
        assert seen[str(served.port)][0] != "ready", seen
    clear_modes(BESIDE_SERVED)
    for served in (silent, card):
        wait_until_ready(states[served], served)
    # headers and then nothing; a card that is gone; a process that the kernel keeps
    set_mode("silent", served=silent)
    take_card(card, 3, there=False)
    states = wait_for_codes({silent: "SERVE_SILENT", card: "SERVE_CARD", stuck: "SERVE_STUCK"})
    assert "no device" in states[card].reason
    failed = finish(run)
    assert failed.status == 2
    failure = failed.host(HOST)["failure"]
    assert failure["code"] == "SERVE_WRONG" and "杜甫" in failure["sentence"]
    assert any("Uvicorn running" in line for line in failure["tail"]), failure["tail"]
    doctor = mlufleet("doctor", INVENTORY)
    assert doctor.status == 2
    for code in ("SERVE_WRONG", "SERVE_CARD", "SERVE_STUCK"):
        assert code in doctor.output
    assert "ready" not in {state for state, _ in look().values()}
    take_card(card, 3, there=True)  # a node that is missing would explain all of the servers
    # the silent one has been started again by now, and is silent while it loads
    silence = ("SERVE_SILENT", "SERVE_LOAD")
    watch_servers({FIRST_SERVED: ("SERVE_WRONG",), silent: silence, stuck: ("SERVE_STUCK",)})
    thaw()
    clear_modes()
    done = deploy()
    assert done.status == 0, done.output
    assert {state for _, state, _ in found(done).values()} == {"ready"}


def watch_servers(wanted: Mapping[Served, tuple[str, ...]]) -> None:
    """Look as the watch does, until each server's fault is told: once, by a code of a run.

    A server that is started again just then is not judged, so that it may take more looks.
    """
    told: list[str] = []
    expected = [
        {f"{code} {served.container}/{served.name}" for code in codes}
        for served, codes in wanted.items()
    ]
    with looking(SITE, INVENTORY) as looks:
        assert looks.track(HOST) == []

        def have_been_told() -> bool:
            told.extend(change.problem.key for change in looks.track(HOST))
            return all(keys & set(told) for keys in expected)

        until(have_been_told)
    assert all(len(keys & set(told)) == 1 for keys in expected), told
    assert len(told) == len(set(told)), told


def begin_while_streaming() -> tuple[subprocess.Popen[str], Any]:
    """A run, and a client whose answer streams for ten seconds from the run's first stage on."""
    # its check asks the server every five seconds, and is believed when it fails twice
    set_mode("pace", "0.45")
    known = set((SITE / "runs").glob("2*"))
    run = begin(inventory=INVENTORY)

    def has_begun() -> bool:
        return any(event["kind"] == "stage" for event in read_new_lines(SITE / "runs", known))

    until(lambda: has_begun() or run.poll() is not None)
    client = start_client(FIRST_PORT, "/v1/chat/completions", {**QUESTION, "stream": True})
    assert client.stdout.readline() == "200\n"
    return run, client


def test_a_running_answer_ends_before_its_server_is_replaced_by_one_that_wants_a_key(
    tmp_path: Path,
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    write_inventory({NEXT: "0"}, serve_key=str(file))
    run, client = begin_while_streaming()
    until(lambda: read_state().state == "draining")
    # the successor is to be asked at its own pace
    clear_modes()
    text = client.stdout.read()
    done = finish(run)
    assert client.wait(PATIENCE_S) == 0 and "[DONE]" in text, text
    assert done.status == 0, done.output
    assert done.host(HOST)["endpoints"][0]["release"] == "light-serving-next"
    assert ask(FIRST_PORT)[0] == 401 and ask(FIRST_PORT, key="another")[0] == 401
    assert "更上一层楼" in read_answer(FIRST_PORT, key=KEY)
    assert KEY not in done.output
    for path in (SITE / "runs" / done.report["run"]).rglob("*"):
        assert not path.is_file() or KEY not in path.read_text(errors="replace"), path
    seen = lab.run(
        HOST,
        "docker inspect $(docker ps -aq); docker logs light-serving 2>&1; ps -eo args; "
        "cat /var/lib/mlufleet/audit.log; cat /var/lib/mlufleet/jobs/*/* 2>/dev/null || true",
    )
    assert "light-serving" in seen and KEY not in seen
    left = lab.run(
        HOST, f"grep -rlF --exclude-dir=docker {KEY} /var/lib /var/log /tmp /etc", check=False
    )
    (kept,) = left.splitlines()
    assert lab.run(HOST, f"stat -c '%a %U' {kept}") == "600 root"
    assert deploy().statuses() == {HOST: "ok"}


def test_a_successor_that_is_not_proved_leaves_the_old_one_serving() -> None:
    # and without the key in the inventory everybody is answered again
    write_inventory({BROKEN: "0"})
    done = mlufleet("rollout", INVENTORY)
    assert done.status == 5, done.output
    host = done.host(HOST)
    assert host["status"] == "rolled back" and host["failure"]["code"] == "SERVE_NOT_PROVED"
    assert "更上一层楼" in read_answer(FIRST_PORT)
    key = "ls /var/lib/mlufleet/serve*/key /var/lib/mlufleet/serve*/*/key 2>/dev/null"
    assert lab.run(HOST, key, check=False) == ""


def test_a_driver_change_drains_and_is_served_again_in_the_same_run() -> None:
    before = lab.run(HOST, CONTAINER)
    write_inventory({DRIVER: "0"})
    run, client = begin_while_streaming()
    text = client.stdout.read()
    # the server is to be asked at its own pace
    clear_modes()
    done = finish(run)
    assert client.wait(PATIENCE_S) == 0 and "[DONE]" in text, text
    assert done.status == 0, done.output
    assert "driver" in done.changed(HOST) and lab.run(HOST, LOADED) == "5.10.22"
    # nothing but the driver has changed
    assert lab.run(HOST, CONTAINER) == before
    (endpoint,) = done.host(HOST)["endpoints"]
    assert endpoint["state"] == "ready" and endpoint["proved"]
    assert "更上一层楼" in read_answer(FIRST_PORT)
    assert deploy().statuses() == {HOST: "ok"}
