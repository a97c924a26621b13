"""Kills a run, or its host, again and again: `python -m tests.faults.kills --points 100`.

A host is made bare. At each point a run is started and, inside or at the beginning of the next
stage, the controller is killed with SIGKILL or the host loses its power; then the next run goes on
from there. After the last point one run is left alone: the host must be what an uninterrupted run
makes of it. A kill that leaves something behind that no later run finishes shows at the end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import click

from operations.stages import STAGES
from tests.lab import hosts as lab
from tests.lab import up
from tests.runs import CONTAINER, LAB, RELEASES, SITE, WORK, Done, begin, mlufleet

PYTHON = "/torch/venv3/pytorch/bin/python"


def system(container: str) -> str:
    """A script that says what the driver, docker and this container are, without times and ids."""
    return f"""
dpkg-query -W -f '${{Package}} ${{Version}} ${{Status}}\\n' 'cambricon*'
sed -n '/Driver Version/p' /proc/driver/cambricon/mlus/*/information; ls /dev/cambricon_*
docker image ls --no-trunc --format '{{{{.ID}}}} {{{{.Repository}}}}:{{{{.Tag}}}}'
docker ps -a --format '{{{{.Names}}}} {{{{.State}}}}'
for what in .Image .HostConfig.Devices .HostConfig.Binds .HostConfig.RestartPolicy; do
  docker inspect --format "{{{{json $what}}}}" {container} | tr , '\\n' | tr -d '[]' | LC_ALL=C sort
done
(cd /var/lib/mlufleet; ls stamps shared incoming)
"""


#: and what a model's release puts beside them
MODEL = f"""
docker exec {CONTAINER} {PYTHON} -m pip freeze
cd /data && find . \\( -name .git -o -name __pycache__ -o -name '*.egg-info' \\) -prune -o -type f \
  -exec sha256sum {{}} + | LC_ALL=C sort -k 2
find . -name .git -prune -o -type l -printf '%p -> %l\\n' | LC_ALL=C sort
for tree in {WORK}/transformers {WORK}/baichuan-7B; do
  cd $tree && git -c safe.directory='*' log -1 --format=%H && git -c safe.directory='*' status -s
done
ls /var/lib/mlufleet/shared/wheels
cd /var/lib/mlufleet/serve && stat -c '%a %U %n' . * && sha256sum -- *
docker exec {CONTAINER} cut -f1,2 /run/mlufleet-serve/0
"""


@dataclass(frozen=True)
class Target:
    """A host that is struck."""

    name: str
    inventory: str
    #: stage -> seconds that it takes at least, measured on a bare host; a point lies within them
    spans: Mapping[str, float]
    #: a script that says everything about the host that a run is answerable for
    look: str
    run: Callable[..., str]
    #: takes the host back to where nobody has worked on it
    bare: Callable[[], object]
    power_off: Callable[[], object]
    power_on: Callable[[], object]
    #: more options of its runs
    options: tuple[str, ...] = ()

    def looked(self) -> list[str]:
        return self.run(self.look, timeout=120).splitlines()

    def deploy(self) -> Done:
        return mlufleet("deploy", self.inventory, "--limit", self.name, *self.options)


def on_lab(host: str) -> Target:
    """A host of the lab, with the model, which is served."""
    spans = {
        "driver": 8,
        "engine": 0,
        "image": 16,
        "sources": 4,
        "weights": 1,
        "container": 1,
        "migration": 12,
        "patch": 1,
        "packages": 25,
        "smoke": 12,
        "serve": 12,
    }
    does = (partial(what, host) for what in (lab.run, up.reset, lab.power_off, lab.power_on))
    served = ("--data", f"release={RELEASES}/baichuan-7b-lab-serving.yml")
    return Target(host, LAB, spans, system(CONTAINER) + MODEL, *does, options=served)


@dataclass(frozen=True)
class Point:
    stage: str
    #: seconds after the stage began
    delay: float
    power: bool

    def __str__(self) -> str:
        what = "power" if self.power else "controller"
        return f"{what} at {self.stage} + {self.delay:.1f} s"


def points(spans: Mapping[str, float], count: int, seed: int) -> Iterator[list[Point]]:
    """So many points, in rounds through the stages; every third one at a stage's very beginning."""
    dice = random.Random(seed)
    names = [stage.name for stage in STAGES if stage.name in spans]
    while count > 0:
        chosen = names[: min(count, len(names))]
        yield [
            Point(
                name,
                0 if dice.random() < 1 / 3 else dice.uniform(0, spans[name]),
                dice.random() < 0.4,
            )
            for name in chosen
        ]
        count -= len(chosen)


def reached(run: subprocess.Popen[str], stage: str, known: set[str]) -> bool:
    """Whether the run that was just begun has come to a stage; False when it ended before."""
    while run.poll() is None:
        for name in set(os.listdir(SITE / "runs")) - known - {"latest"}:
            journal = SITE / "runs" / name / "journal.jsonl"
            for line in journal.read_text().splitlines() if journal.exists() else []:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if event["kind"] == "stage" and event.get("stage") == stage:
                    return True
        time.sleep(0.05)
    return False


def strike(target: Target, point: Point) -> bool:
    """One run that does not survive. Whether it came to its point."""
    known = set(os.listdir(SITE / "runs"))
    run = begin("--limit", target.name, *target.options, inventory=target.inventory)
    there = reached(run, point.stage, known)
    if there:
        time.sleep(point.delay)
    if point.power:
        target.power_off()
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    if point.power:
        target.power_on()
    return there


def alone(target: Target) -> list[str]:
    """What one run that nothing disturbs makes of a bare host."""
    target.bare()
    assert target.deploy().status == 0
    return target.looked()


def chain(target: Target, round_: list[Point], wanted: list[str]) -> list[str]:
    """A bare host, struck at every point, then one run alone. What differs; nothing is right."""
    target.bare()
    for point in round_:
        there = strike(target, point)
        click.echo(f"  {point}{'' if there else ': the run had ended before'}")
    done = target.deploy()
    if done.status:
        return [f"the last run ended with {done.status}", done.output[-2000:]]
    again = target.deploy()
    if again.statuses()[target.name] != "ok":
        return [f"one more run changed {again.changed(target.name)}"]
    now = target.looked()
    lost, added = sorted(set(wanted) - set(now)), sorted(set(now) - set(wanted))
    return [*(f"- {line}" for line in lost), *(f"+ {line}" for line in added)]


@click.command()
@click.option("--points", "count", default=100, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--host", default="u1604", show_default=True)
def main(count: int, seed: int, host: str) -> None:
    """Strike a host of the lab at random points and say what was found."""
    target = on_lab(host)
    wanted, struck, wrong = alone(target), 0, 0
    for number, round_ in enumerate(points(target.spans, count, seed), 1):
        started = time.monotonic()
        differs = chain(target, round_, wanted)
        struck, wrong = struck + len(round_), wrong + bool(differs)
        seconds = time.monotonic() - started
        click.echo(
            f"round {number}: {'WRONG' if differs else 'right'}, {struck} points, {seconds:.0f} s",
            color=False,
        )
        for line in differs:
            click.echo(f"    {line}")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
