"""The small real model, served on a host of each kind: asked by OpenAI's client, and up again.

One deployment serves it on all hosts, another one at the end takes it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from tests.lab import hosts as lab
from tests.runs import CONTAINER, HOSTS, LAB, RELEASES, SITE, Done, mlufleet, pyinfra
from tests.waiting import PATIENCE_S, until

RELEASE = f"{RELEASES}/baichuan-7b-lab-serving.yml"
SERVED = ".lab/served.py"
MODEL, PORT = "baichuan-7b-lab-serving", 8000
QUESTION = [{"role": "user", "content": "登鹳雀楼->"}]
#: the host whose servers are bound to its own address, which the controller reaches
REACHED, REBOOTED, CUT = "u1804", "u1604", "c7"
STATE = f"docker exec {CONTAINER} cat /run/mlufleet-serve/0"


@pytest.fixture(scope="module")
def served(provisioned: Done) -> Iterator[Done]:
    fleet = yaml.safe_load((SITE / ".lab/inventory.yml").read_text())
    fleet["defaults"] |= {"release": RELEASE, "serve_address": "0.0.0.0"}
    fleet["hosts"][REACHED]["serve_address"] = lab.address(REACHED)
    (SITE / SERVED).with_suffix(".yml").write_text(yaml.safe_dump(fleet))
    source = (SITE / LAB).read_text()
    (SITE / SERVED).write_text(source.replace(".lab/inventory.yml", ".lab/served.yml"))
    yield mlufleet("deploy", SERVED)
    back = pyinfra("-y")
    assert (back.failures(), back.status) == ({}, 0)
    assert all(not host["endpoints"] for host in back.report["hosts"].values())


def on_all(do: Any) -> dict[str, Any]:
    """What something comes to on every host, all at once."""
    with ThreadPoolExecutor(len(HOSTS)) as threads:
        return dict(zip(HOSTS, threads.map(do, HOSTS), strict=True))


def ask(host: str) -> tuple[list[str], str, str]:
    """What an unchanged client of OpenAI is told: models, an answer whole, and one in pieces."""
    # not above: it imports ssl, which gevent has to change before
    import openai

    url = f"http://{lab.address(host)}:{PORT}/v1"
    client: Any = openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=PATIENCE_S)
    whole = client.chat.completions.create(model=MODEL, messages=QUESTION)
    pieces = client.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        stream=True,
    )
    words = [piece.choices[0].delta.content for piece in pieces if piece.choices]
    assert len([word for word in words if word]) > 1
    models = [model.id for model in client.models.list()]
    return models, whole.choices[0].message.content or "", "".join(filter(None, words))


def started(host: str) -> int:
    """When the server that is ready was started; 0 if none is ready."""
    fields = lab.run(host, STATE, check=False).split("\t")
    return int(fields[3]) if len(fields) == 9 and fields[1] == "ready" else 0


def test_one_deployment_serves_it_on_all_hosts_and_tells_from_where_it_was_asked(
    served: Done,
) -> None:
    assert (served.failures(), served.status) == ({}, 0)
    for host in HOSTS:
        (endpoint,) = served.host(host)["endpoints"]
        assert (endpoint["state"], len(endpoint["cards"])) == ("ready", HOSTS[host])
        assert "王之涣" in endpoint["answer"] and endpoint["tokens_per_s"] > 0
        reached = host == REACHED
        assert endpoint["proved_from"] == ["host", "controller"][: 1 + reached]
        assert bool(endpoint["controller_reason"]) == (not reached)


def test_openai_s_client_is_answered_by_all_of_them(served: Done) -> None:
    answers = on_all(ask)
    assert answers == dict.fromkeys(HOSTS, ([MODEL], "王之涣", "王之涣"))


@pytest.mark.long  # of the small release as well: test_serving.py
def test_it_is_ready_again_without_a_run_and_then_a_run_changes_nothing(served: Done) -> None:
    def strike(host: str) -> None:
        before = started(host)
        assert before
        if host == REBOOTED:
            lab.reboot(host)
        elif host == CUT:
            lab.power_off(host)
            lab.power_on(host)
        else:
            lab.run(host, f"docker exec {CONTAINER} kill -9 $({STATE} | cut -f3)")
            until(lambda: started(host) > before)
            before = started(host)
            lab.run(host, f"docker restart {CONTAINER}")
        until(lambda: started(host) > before)

    on_all(strike)
    again = mlufleet("deploy", SERVED)
    assert again.statuses() == dict.fromkeys(HOSTS, "ok"), again.output
    assert on_all(ask) == dict.fromkeys(HOSTS, ([MODEL], "王之涣", "王之涣"))
