"""A host whose small releases are served; what clients get, and how servers are made to fail."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.lab import hosts as lab
from tests.runs import RELEASES, SITE, Done, mlufleet
from tests.waiting import PATIENCE_S, until

HOST = "u1804"
FIRST, BESIDE, DRIVER, NEXT, BROKEN = (
    f"{RELEASES}/light-serving{which}.yml"
    for which in ("", "-beside", "-driver", "-next", "-broken")
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
    response = urllib.request.urlopen(request, timeout=300)
except urllib.error.HTTPError as error:
    response = error
print(response.status, flush=True)
for line in response:
    print(line.decode().rstrip(), flush=True)
"""
#: names the control group of a server that was frozen
GRIP = "/tmp/frozen"
CLIENT_COMMAND = ("python3", "-c", CLIENT)


@dataclass(frozen=True)
class Served:
    """An instance of a release's server."""

    container: str
    name: str
    port: int


@dataclass(frozen=True)
class State:
    """What a supervisor says of an instance."""

    digest: str
    state: str
    pid: int
    started: int
    restarts: int
    code: str
    reason: str


FIRST_SERVED = Served("light-serving", "0", FIRST_PORT)
#: a server for each of three cards
BESIDE_SERVED = tuple(
    Served("light-serving-beside", str(number), BESIDE_PORT + number) for number in range(3)
)


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


def read_state(served: Served = FIRST_SERVED) -> State:
    """Read what a supervisor says; a state of "" if it says nothing."""
    command = f"docker exec {served.container} cat /run/mlufleet-serve/{served.name}"
    fields = lab.run(HOST, command, check=False).split("\t")
    if len(fields) != 9:
        return State("", "", 0, 0, 0, "", "")
    pid, started, restarts = (int(fields[index]) for index in (2, 3, 5))
    return State(fields[0], fields[1], pid, started, restarts, fields[7], fields[8])


def wait_until_ready(before: State, served: Served = FIRST_SERVED) -> State:
    """Wait until another process than before is ready."""
    found = before

    def is_ready() -> bool:
        nonlocal found
        found = read_state(served)
        return found.state == "ready" and found.started > before.started

    until(is_ready)
    return found


def wait_for_codes(wanted: Mapping[Served, str]) -> dict[Served, State]:
    """Wait until the supervisors have found what servers do wrong; none of them is ready then."""
    found: dict[Served, State] = {}

    def are_found() -> bool:
        found.update({served: read_state(served) for served in wanted})
        return all(found[served].code == code for served, code in wanted.items())

    until(are_found)
    assert all(state.state in ("unhealthy", "loading", "failed") for state in found.values())
    return found


def start_client(port: int, path: str, body: object = None, key: str = "") -> Any:
    """A client on the host, whose request runs while the test goes on."""
    command = lab.enter(HOST, *CLIENT_COMMAND)
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
    assert client.wait(PATIENCE_S) == 0, status + text
    return int(status), text


def read_answer(port: int, key: str = "") -> str:
    """What an endpoint answers to a question."""
    status, text = ask(port, key=key)
    assert status == 200, text
    return str(json.loads(text)["choices"][0]["message"]["content"])


def set_mode(mode: str, value: str = "", served: Served = FIRST_SERVED) -> None:
    """Tell a server how to fail."""
    folder = MODES[served.container]
    command = f"mkdir -p {folder} && cat > {folder}/{mode}-{served.port}"
    lab.run(HOST, command, given=value or mode)


def clear_modes(servers: Iterable[Served] = (FIRST_SERVED, *BESIDE_SERVED)) -> None:
    """These servers are not told to fail any more."""
    files = " ".join(f"{MODES[served.container]}/*-{served.port}" for served in servers)
    lab.run(HOST, f"rm -f {files}")


def freeze(served: Served) -> None:
    """Stop a server in the kernel: it does nothing more, and not even SIGKILL ends it."""
    lab.run(
        HOST,
        f"pid=$(pgrep -f '^python3.11 /server.py {served.port} '); "
        "grip=/sys/fs/cgroup/freezer$(sed -n 's/.*:freezer://p' /proc/$pid/cgroup)/stuck; "
        'mkdir "$grip" && echo $pid > "$grip/cgroup.procs" && echo FROZEN > "$grip/freezer.state" '
        f'&& echo "$grip" > {GRIP}',
    )


def thaw() -> None:
    """Let go of the server that was frozen, if there is one."""
    lab.run(
        HOST,
        f"[ -e {GRIP} ] || exit 0; read -r grip < {GRIP}; rm {GRIP}; "
        'echo THAWED > "$grip/freezer.state"; until rmdir "$grip"; do sleep 0.1; done',
    )


def take_card(served: Served, number: int, there: bool) -> None:
    """Take the node of a card from a container, or give it back."""
    node = f"/dev/cambricon_dev{number}"
    command = f"mknod -m 666 {node} c 1 3" if there else f"rm {node}"
    lab.run(HOST, f"docker exec {served.container} {command}")
