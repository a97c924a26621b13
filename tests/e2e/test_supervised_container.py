"""The supervisor as the first process of a container, under a real engine."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fleet.release import endpoints
from fleet.release import files as release_files
from fleet.release.target import ReleaseTarget
from operations.host.scripts import read_script
from tests.lab import engine, hosts, paths
from tests.lab.steps import LabError
from tests.lab.vendor import light_images
from tests.waiting import until

NAME = f"{hosts.PREFIX}supervised"
SERVING = paths.SOURCE / "files/serving"
SOURCE = paths.SOURCE / "tests/lab/releases/light-serving-beside.yml"
PYTHON = "/usr/bin/python3.11"


def build_definition() -> dict[str, Any]:
    """What a release with a server for each of its two cards gives to its supervisor."""
    release = release_files.load_release(SOURCE)
    target = SimpleNamespace(
        release=release, card_numbers=lambda count: tuple(range(count)), api_key="a key"
    )
    return endpoints.build_definition(cast(ReleaseTarget, target), 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A container whose supervisor has nothing to serve yet; what it reads is in this folder."""
    root = tmp_path_factory.mktemp("supervised")
    shutil.copytree(SERVING, root / "serve")
    (root / "modes").mkdir()
    (root / "serve/key").write_text("a key\n")
    light_images.build()
    image = light_images.IMAGES[-1]
    engine.docker("load", "--input", str(image.file))
    engine.docker(
        *("run", "--detach", "--init", "--name", NAME, "--network", "none"),
        *(f"--device=/dev/null:/dev/cambricon_dev{number}" for number in range(2)),
        *("--volume", f"{root}/serve:/etc/mlufleet-serve:ro", "--volume", f"{root}/modes:/modes"),
        *(image.reference, PYTHON, "/etc/mlufleet-serve/supervisor.py"),
    )
    yield root
    engine.docker("rm", "--force", NAME)


def read_states() -> list[list[str]]:
    """The fields of the state of both instances."""
    try:
        said = engine.docker("exec", NAME, "sh", "-c", "cat /run/mlufleet-serve/[01]")
    except LabError:
        return []
    return [line.split("\t") for line in said.splitlines()]


def wait_for(*states: str) -> list[list[str]]:
    """Wait until both instances have one of these states."""
    until(lambda: len(found := read_states()) == 2 and {one[1] for one in found} <= {*states})
    return read_states()


def prove(port: int) -> dict[str, Any]:
    """What a client in the container finds."""
    key = ("--key-file", "/etc/mlufleet-serve/key")
    said = engine.docker(
        *("exec", NAME, PYTHON, "/etc/mlufleet-serve/client.py", "prove", *key),
        *("--url", f"http://127.0.0.1:{port}"),
        *("--definition", "/etc/mlufleet-serve/definition.json"),
    )
    found: dict[str, Any] = json.loads(said)
    return found


def define(folder: Path) -> None:
    (folder / "serve/part").write_text(json.dumps(build_definition()))
    (folder / "serve/part").rename(folder / "serve/definition.json")


def test_docker_says_what_the_probe_asks_of_a_container_that_publishes_ports(folder: Path) -> None:
    template = re.search(r"^published='(.*)'$", read_script("probe"), re.MULTILINE)
    assert template
    name = f"{NAME}-publishes"
    made = engine.docker(
        *("create", "--name", name, "--stop-timeout", "70", "--publish", "127.0.0.1:18099:80"),
        *(light_images.IMAGES[-1].reference, "true"),
    )
    try:
        asked = "{{.ID}} {{with .Config.StopTimeout}}{{.}}{{end}} " + template[1]
        said = engine.docker("inspect", "--type", "container", "--format", asked, name)
    finally:
        engine.docker("rm", name)
    assert said.split() == [made.strip(), "70", "127.0.0.1:18099"]


def test_both_instances_are_ready_and_proved_by_a_client(folder: Path) -> None:
    assert read_states() == []
    define(folder)
    found = wait_for("ready")
    assert {one[0] for one in found} == {build_definition()["digest"]}
    for port in (18100, 18101):
        proof = prove(port)
        assert proof["ok"] and proof["pieces"] > 1 and proof["at_once"] == 2, proof
        assert "王之涣" in proof["answer"] and proof["refused_status"] == 422


def test_a_killed_server_and_a_restarted_container_serve_again(folder: Path) -> None:
    pids = [one[2] for one in wait_for("ready")]
    engine.docker("exec", NAME, "kill", "-9", pids[0])
    until(lambda: (now := wait_for("ready"))[0][2] != pids[0] and now[0][5] == "1")
    assert read_states()[1][2] == pids[1], "the other one goes on"
    engine.docker("restart", "-t", "40", NAME)
    until(lambda: {one[5] for one in wait_for("ready")} == {"0"})
    assert prove(18100)["ok"]


def test_a_server_that_answers_garbage_is_found_and_comes_back(folder: Path) -> None:
    (folder / "modes/garbage").touch()
    try:
        until(lambda: {one[7] for one in read_states()} == {"SERVE_WRONG"})
    finally:
        (folder / "modes/garbage").unlink()
    wait_for("ready")


def test_without_its_definition_nothing_is_served_and_the_container_stays(folder: Path) -> None:
    wait_for("ready")
    (folder / "serve/definition.json").unlink()
    wait_for("stopped")
    assert "/server.py" not in engine.docker("exec", NAME, "ps")
    engine.docker("stop", "-t", "40", NAME)
    assert engine.docker("inspect", "--format", "{{.State.ExitCode}}", NAME) == "0"
