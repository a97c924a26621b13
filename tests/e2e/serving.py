"""One host whose small releases are served, and what a client of them gets."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

import yaml

from tests.lab import hosts as lab
from tests.runs import RELEASES, SITE, Done, mlufleet, until

HOST = "u1804"
FIRST, BESIDE, NEXT, BROKEN = (
    f"{RELEASES}/light-serving{which}.yml" for which in ("", "-beside", "-next", "-broken")
)
INVENTORY = ".lab/serving.py"
FIRST_PORT, BESIDE_PORT = 18000, 18100
#: folders of the host by which the servers are told how to fail
MODES = {"light-serving": "/data/modes/first", "light-serving-beside": "/data/modes/second"}
QUESTION = {"model": "light-serving", "messages": [{"role": "user", "content": "谁？"}]}
#: asks on the host, as ports are bound to its loopback; prints the status, then the body's lines
CLIENT = """
import json, sys, urllib.error, urllib.request
port, key, path, body = json.load(sys.stdin)
headers = {"Content-Type": "application/json"}
if key:
    headers["Authorization"] = "Bearer " + key
data = json.dumps(body).encode() if body else None
request = urllib.request.Request("http://127.0.0.1:%d%s" % (port, path), data, headers)
try:
    response = urllib.request.urlopen(request, timeout=60)
except urllib.error.HTTPError as error:
    response = error
print(response.status, flush=True)
for line in response:
    print(line.decode().rstrip(), flush=True)
"""
CLIENT_COMMAND = ("python3", "-c", CLIENT)


@dataclass(frozen=True)
class State:
    """What a supervisor says of an instance."""

    digest: str
    state: str
    pid: int
    started: int
    restarts: int
    code: str


def write_inventory(releases: dict[str, str], **fields: object) -> None:
    """Write the lab's inventory with these releases on the host."""
    fleet = yaml.safe_load((SITE / ".lab/inventory.yml").read_text())
    fleet["hosts"] = {HOST: {**fleet["hosts"][HOST], "releases": releases, **fields}}
    (SITE / ".lab/serving.yml").write_text(yaml.safe_dump(fleet))
    (SITE / INVENTORY).write_text(
        "from pathlib import Path\nfrom fleet.inventory import as_pyinfra_groups, load_hosts\n"
        'globals().update(as_pyinfra_groups(load_hosts(Path(".lab/serving.yml")), "lab"))\n'
    )


def deploy(*options: str) -> Done:
    return mlufleet("deploy", INVENTORY, *options)


def read_state(container: str = "light-serving", name: str = "0") -> State:
    """Read what a supervisor says; a state of "" if it says nothing."""
    said = lab.run(HOST, f"docker exec {container} cat /run/mlufleet-serve/{name}", check=False)
    fields = said.split("\t")
    if len(fields) != 9:
        return State("", "", 0, 0, 0, "")
    numbers = (int(fields[index]) for index in (2, 3, 5))
    return State(fields[0], fields[1], *numbers, fields[7])


def wait_until_ready(before: State, container: str = "light-serving") -> State:
    """Wait until another process than before is ready."""
    found = before

    def is_ready() -> bool:
        nonlocal found
        found = read_state(container)
        return found.state == "ready" and found.started > before.started

    until(is_ready, 90)
    return found


def wait_for_code(code: str) -> None:
    """Wait until the supervisor has found what a server does wrong."""
    until(lambda: read_state().code == code, 90)


def start_client(port: int, path: str, body: object = None, key: str = "") -> Any:
    """A client on the host, whose request runs while the test goes on."""
    command = ["docker", "exec", "-i", lab.PREFIX + HOST, *CLIENT_COMMAND]
    client = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert client.stdin is not None
    client.stdin.write(json.dumps([port, key, path, body]))
    client.stdin.close()
    return client


def ask(port: int, body: object = QUESTION, key: str = "") -> tuple[int, str]:
    """Ask an endpoint: status and body of its answer."""
    path = "/v1/chat/completions" if body else "/v1/models"
    client = start_client(port, path, body, key)
    status, _, text = client.stdout.read().partition("\n")
    assert client.wait(10) == 0, status + text
    return int(status), text


def read_answer(port: int, key: str = "") -> str:
    """What an endpoint answers to a question."""
    status, text = ask(port, key=key)
    assert status == 200, text
    return str(json.loads(text)["choices"][0]["message"]["content"])


def set_mode(mode: str, value: str = "", release: str = "light-serving") -> None:
    """Tell a server how to fail."""
    folder = MODES[release]
    lab.run(HOST, f"mkdir -p {folder} && cat > {folder}/{mode}", given=value or mode)


def clear_modes() -> None:
    lab.run(HOST, "rm -f /data/modes/*/*")
