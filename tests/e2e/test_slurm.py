"""A host's verdict on itself, held against the watch's, and what Slurm does with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import yaml

from mlufleet.watch import causes
from mlufleet.watch.look_messages import (
    Observed,
    Ready,
    Round,
    RoundEnded,
    decode_message,
    encode_message,
)
from mlufleet.watch.problems import DRIFT
from operations import container, engine
from tests.lab import hosts as lab
from tests.lab import slurm
from tests.runs import RELEASES, SITE, mlufleet
from tests.waiting import until

HOST = "u1804"
INVENTORY = ".lab/slurm.py"
VERDICT = "sh /var/lib/mlufleet/verdict.sh; echo $?"
#: stage that would change something -> the code of what the host finds wrong
STAGE_CODES = {stage.name: stage.unverified_code for stage in (engine.STAGE, container.STAGE)}


@pytest.fixture(scope="module", autouse=True)
def host() -> None:
    """A host with the small release, whose verdict is that of this version."""
    fleet = yaml.safe_load((SITE / ".lab/inventory.yml").read_text())
    fleet["hosts"] = {HOST: fleet["hosts"][HOST]}
    fleet["defaults"]["release"] = f"{RELEASES}/light.yml"
    (SITE / ".lab/slurm.yml").write_text(yaml.safe_dump(fleet))
    (SITE / INVENTORY).write_text(
        "from pathlib import Path\nfrom fleet.inventory import as_pyinfra_groups, load_hosts\n"
        'globals().update(as_pyinfra_groups(load_hosts(Path(".lab/slurm.yml")), "lab"))\n'
    )
    done = mlufleet("deploy", INVENTORY, "--data", "smoke=record")
    assert done.status == 0, done.output


def ask() -> tuple[int, str]:
    """The host's verdict; a host that is busy may not see all in time."""
    line, _, status = lab.run(HOST, VERDICT).rpartition("\n")
    return int(status), line


def wait_for_verdict(word: str) -> str:
    """Wait for a verdict, and return what follows its word."""
    until(lambda: ask()[1].startswith(word))
    return ask()[1].removeprefix(word)


@pytest.fixture(scope="module")
def look() -> Iterator[Callable[[], set[str]]]:
    """Looks at the host as the watch does, and gives the codes of what is wrong."""
    words = (sys.executable, "-m", "mlufleet.watch.look_process", INVENTORY)
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=SITE, stdin=pipe, stdout=pipe) as process:
        assert process.stdin and process.stdout
        output, requests = process.stdout, process.stdin
        assert isinstance(decode_message(output.readline()), Ready)

        def look() -> set[str]:
            requests.write(encode_message(Round(1, [HOST])))
            requests.flush()
            codes: set[str] = set()
            while not isinstance(message := decode_message(output.readline()), RoundEnded):
                if isinstance(message, Observed):
                    found = causes.judge(message.observation).problems
                    codes |= {one.code if one.code != DRIFT else one.subject for one in found}
            return {STAGE_CODES.get(code, code) for code in codes}

        yield look
        requests.close()


def lie(name: str) -> tuple[str, str]:
    """The commands that switch a lie of the lab on and off."""
    return f"/usr/lib/mlu-lab/lie {name} on", f"/usr/lib/mlu-lab/lie {name} off"


CORE = "/proc/driver/cambricon/mlus/$(tail -n 1 /etc/mlu-lab/cards | cut -d' ' -f1)/core_state"
UNLOAD = "docker stop -t 1 light; modprobe -r cambricon_drv"
#: code -> the commands that break the host, and that repair it
FAULTS = {
    "CARDS_MISSING": lie("card-off-bus"),
    "CARD_DROPPED": lie("card-rev-ff"),
    "CARD_UNHEALTHY": (f"echo CN_BOOTERR > {CORE}", f"echo CN_RUNNING > {CORE}"),
    "CONTAINER": ("docker stop -t 1 light", "docker start light"),
    "DRIVER_NOT_PROVED": (UNLOAD, "modprobe cambricon_drv; docker start light"),
    "ENGINE": ("systemctl stop docker.socket docker", "systemctl start docker"),
}


@contextmanager
def broken(code: str) -> Iterator[None]:
    fault, repair = FAULTS[code]
    lab.run(HOST, fault)
    try:
        yield
    finally:
        lab.run(HOST, repair)


def test_a_host_sees_what_the_watch_sees(look: Callable[[], set[str]]) -> None:
    assert wait_for_verdict("ready") == "" and look() == set()
    for code in FAULTS:
        with broken(code):
            said = wait_for_verdict("broken: ")
            assert {problem.split(":")[0].split()[0] for problem in said.split("; ")} == {code}
            assert look() == {code}, said
    until(lambda: ask() == (0, "ready"))


def test_no_job_starts_on_a_broken_node_which_is_drained_with_the_reason() -> None:
    with slurm.running(HOST) as node:
        node.wait_for_job(node.submit())
        lab.run(HOST, "docker stop -t 1 light")
        job = node.submit()
        assert node.wait_for_drain() == "mlufleet broken: CONTAINER light: it does not run"
        assert not node.has_run(job)

        assert mlufleet("deploy", INVENTORY).status == 0
        node.resume(job)
        node.wait_for_job(job)
        assert node.drain_reason() == ""

        # without any job
        with broken("CARD_DROPPED"):
            node.check_health()
            assert node.wait_for_drain().startswith("mlufleet broken: CARD_DROPPED ")
            assert mlufleet("verdict", INVENTORY, HOST).status == 2
