"""What the probe prints of servers and ports, and what becomes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from operations.host.endpoint_lines import parse_listener, parse_published
from operations.host.facts import EndpointFacts
from operations.host.probe_parser import ProbeError
from operations.host.scripts import read_script
from tests.unit.conftest import BARE, probe
from tests.unit.operations.stage_helpers import only

TOLD = "d1|ready|7|1760000000|3.50|2|1760000009|-|-"
READY = EndpointFacts("0", "d1", "ready", True, 7, 1760000000, 3.5, 2, 1760000009)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"endpoint|0|yes|{TOLD}", READY),
        ("endpoint|0|", EndpointFacts("0", "", "", False)),
        (
            "endpoint|1||d1|failed|0|0|-1|6|0|SERVE_CARD|no memory",
            EndpointFacts(
                "1", "d1", "failed", False, restarts=6, code="SERVE_CARD", reason="no memory"
            ),
        ),
        # a container may print anything
        (
            f"endpoint|1||d1|ready|0|0|1e9|0|0|NO_CODE|{'x' * 400}",
            EndpointFacts("1", "d1", "ready", False, reason="x" * 300),
        ),
    ],
)
def test_an_instance_is_what_its_supervisor_says(line: str, expected: EndpointFacts) -> None:
    assert only(probe(*BARE, line)).endpoints == {expected.name: expected}


@pytest.mark.parametrize(
    "line",
    [
        "endpoint|0|yes|d1|ready|seven",
        "endpoint|0|yes|d1|ready|-7",
        f"endpoint|0|yes|d1|ready|{1 << 41}",
        "listens|0100007F",
        "listens|0100007F|8000x",
        "listens|127.0.0.1|1F40",
        'container|id1|image|true|9|spec|""|ten',
        'container|id1|image|true|9|spec|""|10|127.0.0.1:http ',
        "retired|old|ID|127.0.0.1:65536 ",
    ],
)
def test_what_is_no_number_or_place_is_not_understood(line: str) -> None:
    with pytest.raises(ProbeError):
        probe(*BARE, line)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),
        ("0500000A", "10.0.0.5"),
        ("0" * 32, "::"),
        ("00000000000000000000000001000000", "::1"),
        ("000080FE00000000FF565002BD9900FE", "fe80::250:56ff:fe00:99bd"),
        ("0000000000000000FFFF00000500000A", "10.0.0.5"),
    ],
)
def test_addresses_are_read_as_the_kernel_prints_them(address: str, found: str) -> None:
    assert parse_listener(address, "1F40") == (found, 8000)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", set()),
        ("127.0.0.1:8000 10.0.0.5:8001 ", {("127.0.0.1", 8000), ("10.0.0.5", 8001)}),
        (":8000 ", {("0.0.0.0", 8000), ("::", 8000)}),
        ("0.0.0.0:8000 ", {("0.0.0.0", 8000), ("::", 8000)}),
        (":::8000 127.0.0.1: ", {("0.0.0.0", 8000), ("::", 8000)}),
    ],
)
def test_published_ports_have_the_addresses_that_docker_binds(
    text: str, places: set[tuple[str, int]]
) -> None:
    assert parse_published(text) == places


def test_servers_of_former_releases_are_told_apart_by_their_container() -> None:
    facts = probe(*BARE, "host", f"former|old|0|{TOLD}", f"former|older|0|{TOLD}")
    assert {key: one.state for key, one in facts.former_endpoints.items()} == {
        ("old", "0"): "ready",
        ("older", "0"): "ready",
    }
    assert only(facts).endpoints == {}


#: a docker that has the container old, made by this tool, and one of somebody else
DOCKER = """#!/bin/sh
echo "$*" >> {0}/calls
for name; do :; done
case $name in
  old) printf '42\\tabc\\t127.0.0.1:8000 \\n' ;;
  torch) printf '43\\t\\n' ;;
  *) exit 1 ;;
esac
"""


def run_probe_part(root: Path, begin: str, end: str, variables: str) -> list[str]:
    """What a part of the probe prints, up to a line that is not run any more."""
    whole = read_script("probe")
    start = whole.index(begin)
    text = whole[start : whole.index(end, start)]
    helpers = whole[whole.index("first() {") : whole.index("ask() {")]
    text = text.replace("/proc/", f"{root}/proc/")
    preamble = f"T='\t'\nstate={root}/state\nquiet() {{ shift; \"$@\" 2>/dev/null; }}\n{helpers}\n"
    done = subprocess.run(
        ["sh", "-c", f"{preamble}\n{variables}\n{text}"],
        env={"PATH": f"{root}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "docker").write_text(DOCKER.format(tmp_path))
    (tmp_path / "docker").chmod(0o755)
    for slot, name in (("", "old"), ("torch/", "torch"), ("gone/", "gone")):
        stamp = tmp_path / f"state/stamps/{slot}container-name"
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(f"{name}\n")
    for pid in ("42", "43"):
        told = tmp_path / f"proc/{pid}/root/run/mlufleet-serve"
        told.mkdir(parents=True)
        for file in ("0", "12", ".retries"):
            (told / file).write_text(TOLD.replace("|", "\t") + "\n")
    return tmp_path


PART = 'for known in "$state"/stamps/container-name', "# a partial file of a swarm"


@pytest.mark.parametrize(
    ("containers", "serving", "defined", "said"),
    [
        # what a release serves has been told of already
        ("old torch gone", "old torch", ("", "torch/"), []),
        ("old torch gone", "", (), []),
        ("old torch gone", "", ("torch/",), ["former torch 0", "former torch 12"]),
        (
            "torch",
            "torch",
            (),
            ["retired old abc 127.0.0.1:8000 ", "former old 0", "former old 12", "retired gone  "],
        ),
    ],
)
def test_what_is_to_be_served_no_more_is_looked_at_where_there_is_something(
    host: Path, containers: str, serving: str, defined: tuple[str, ...], said: list[str]
) -> None:
    for slot in defined:
        definition = host / f"state/serve/{slot}definition.json"
        definition.parent.mkdir(parents=True, exist_ok=True)
        definition.write_text("{}\n")
    variables = f"CONTAINERS='{containers}' SERVING='{serving}'"
    lines = run_probe_part(host, *PART, variables)
    assert [
        line.replace("\t", " ").removesuffix(TOLD.replace("|", " ")).rstrip() for line in lines
    ] == [line.rstrip() for line in said]
    asked = (host / "calls").read_text().splitlines() if (host / "calls").exists() else []
    assert len(asked) == len({line.split()[1] for line in said})


def test_the_hosts_listeners_are_read_once(host: Path) -> None:
    net = host / "proc/net"
    net.mkdir()
    (net / "tcp").write_text(
        "  sl  local_address rem_address   st\n"
        "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
        "   1: 0500000A:1F41 0100000A:1F40 01 00000000:00000000 00:00000000 00000000     0\n"
    )
    (net / "tcp6").write_text(f"   0: {'0' * 32}:1F41 {'0' * 32}:0000 0A 00000000:00000000\n")
    variables = "SERVED=/nowhere SERVERS='' PORTS='1F40 1F41 1F42'\n"
    parts = ("observe_servers() {", "observe() {")
    count = f'grep() {{ echo x >> {host}/greps; command grep "$@"; }}\n'
    calls = "observe_servers ''; PORTS=1F41; observe_servers ''"
    whole = read_script("probe")
    begin = whole.index(parts[0])
    body = whole[begin : whole.index(parts[1], begin)].replace("/proc/", f"{host}/proc/")
    helpers = whole[whole.index("first() {") : whole.index("ask() {")]
    done = subprocess.run(
        ["sh", "-c", f"{count}{variables}{helpers}{body}{calls}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "listens\t0100007F\t1F40",
        f"listens\t{'0' * 32}\t1F41",
        f"listens\t{'0' * 32}\t1F41",
    ]
    assert (host / "greps").read_text() == "x\n"
