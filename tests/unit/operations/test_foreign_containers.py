from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from operations.host.scripts import read_script, script_text

ID = "1f" * 32
#: a docker with one container, whose state is in files
DOCKER = """#!/bin/sh
cd {0} || exit 1
echo "$*" >> calls
case $1 in
  inspect)
    [ $# = 5 ] || shift  # --format TEMPLATE or --format=TEMPLATE
    [ "$5" = "$(cat name)" ] || [ "$5" = {1} ] || exit 1
    case $4 in
      '{{{{.Name}}}}') echo "/$(cat name)" ;;
      *) echo "{1} $(cat removed) /$(cat name) $(cat policy) $(cat running)" ;;
    esac ;;
  update) echo "$3:0" > policy ;;
  rename) echo "$3" > name ;;
  stop) [ ! -e stuck ] || exit 1; echo false > running ;;
  start) echo true > running ;;
esac
"""


class Engine:
    """A docker that has one container."""

    def __init__(self, root: Path, **state: str) -> None:
        self.root = root
        self.give(name="torch", removed="false", policy="always:0", running="true")
        self.give(**state)
        (root / "docker").write_text(DOCKER.format(root, ID))
        (root / "docker").chmod(0o755)

    def give(self, **state: str) -> None:
        for name, text in state.items():
            (self.root / name).write_text(f"{text}\n")

    def run(self, *words: str) -> tuple[int, list[str]]:
        text = script_text("container").replace("/var/lib/mlufleet", str(self.root / "state"))
        done = subprocess.run(
            ["sh", "-c", text, "container", *words],
            env={"PATH": f"{self.root}:/usr/bin:/bin"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout.splitlines()

    def state(self) -> tuple[str, str, str]:
        name, policy, running = (
            (self.root / file).read_text().strip() for file in ("name", "policy", "running")
        )
        return name, policy, running


@pytest.mark.parametrize("policy", ["always:0", "on-failure:3", "no:0", "unless-stopped:0"])
def test_a_container_that_is_kept_is_put_back_as_it_was(tmp_path: Path, policy: str) -> None:
    engine = Engine(tmp_path, policy=policy)
    status, said = engine.run("keep", "torch")
    name, now, running = engine.state()
    assert status == 0 and name.startswith("torch-kept-") and (now, running) == ("no:0", "false")
    assert said[-1].startswith(f"kept what was at torch as {name}; to undo it: docker ")
    assert engine.run("put-back", ID)[0] == 0
    kept = policy if policy == "on-failure:3" else policy.removesuffix(":0")
    assert engine.state() == ("torch", f"{kept}:0", "true")


def test_the_command_that_is_printed_undoes_it(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    _, said = engine.run("keep", "torch")
    command = said[-1].split("to undo it: ")[1]
    subprocess.run(["sh", "-c", command], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    assert engine.state() == ("torch", "always:0", "true")


@pytest.mark.parametrize("verb", ["keep", "stop"])
def test_what_a_killed_run_has_done_is_not_taken_for_what_the_owner_wants(
    tmp_path: Path, verb: str
) -> None:
    engine = Engine(tmp_path)
    engine.give(stuck="")
    assert engine.run(verb, "torch")[0] == 1
    assert engine.state() == ("torch", "no:0", "true")
    (tmp_path / "stuck").unlink()
    engine.give(running="false")
    assert engine.run(verb, "torch")[0] == 0
    assert engine.run("put-back", ID)[0] == 0
    assert engine.state() == ("torch", "always:0", "true")


def test_a_container_that_was_stopped_may_be_kept_later(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    assert engine.run("stop", ID)[0] == 0 and engine.state() == ("torch", "no:0", "false")
    assert engine.run("keep", "torch")[0] == 0 and engine.state()[0] != "torch"
    assert engine.run("put-back", ID)[0] == 0
    assert engine.state() == ("torch", "always:0", "true")


def test_a_container_that_would_not_outlive_its_end_is_not_stopped(tmp_path: Path) -> None:
    engine = Engine(tmp_path, removed="true", policy="no:0")
    status, said = engine.run("stop", "torch")
    assert status == 1 and "--rm" in said[-1]
    assert engine.run("keep", "torch")[0] == 0
    name, *state = engine.state()
    assert name.startswith("torch-kept-") and state == ["no:0", "true"]
    assert "stop" not in [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()]


def test_a_container_that_is_gone_or_was_never_touched_is_not_put_back(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    assert engine.run("put-back", ID)[0] == 0
    assert not (tmp_path / "calls").exists()


def test_a_process_is_reported_once_with_the_cards_whose_nodes_it_has_open(tmp_path: Path) -> None:
    opened = {
        "7": ["cambricon_ctl", "cambricon_dev1", "cambricon_dev0", "cambricon_dev0"],
        "77": ["cambricon_ctl"],
        "8": ["cambricon_dev12 (deleted)", "cambricon_ipcm12", "null"],
        "9": ["null"],
    }
    for pid, nodes in opened.items():
        (tmp_path / pid / "fd").mkdir(parents=True)
        for number, node in enumerate(nodes):
            (tmp_path / pid / "fd" / str(number)).symlink_to(f"/dev/{node}")
    probe = read_script("probe")
    begin = probe.index("opened=$(find /proc/[0-9]*/fd")
    text = probe[begin : probe.index("server=", begin)].replace("/proc/", f"{tmp_path}/")
    text = 'holder() { echo "$1: $2"; }\n' + text
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["7: 0 1", "77: ", "8: 12"]
