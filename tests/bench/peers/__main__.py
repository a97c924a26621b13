"""A look at hosts that are right, by this project and by its peers: same hosts, all at once.

python -m tests.bench.peers [COUNT [TIMES]] > figures.json
Hosts need Python 3 for the peers only. They run in turn; medians.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import lab, measured
from tests.bench.noop import right
from tests.lab import paths

HERE = Path(__file__).parent
VENV = lab.FOLDER / "peers"


def environment() -> Path:
    """The peers' programs, pinned."""
    if not (VENV / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        pip = [str(VENV / "bin/pip"), "install", "--quiet", "-r", str(HERE / "requirements.txt")]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        (VENV / "ready").touch()
    return VENV / "bin"


def ansible(at: Sequence[tuple[str, int]], mitogen: Path | None) -> None:
    """Ansible at its best: as many forks as hosts, pipelining, connections that last a run."""
    lines = [
        f"bench{i:03d} ansible_host={where} ansible_port={port}"
        for i, (where, port) in enumerate(at)
    ]
    options = f"-o UserKnownHostsFile={lab.KNOWN_HOSTS} -o ControlMaster=auto -o ControlPersist=60s"
    common = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": paths.SSH_KEY,
        "ansible_become": "true",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": f"'{options}'",
    }
    lines += ["[all:vars]", *(f"{name}={value}" for name, value in common.items())]
    (lab.FOLDER / "hosts.ini").write_text("\n".join(lines) + "\n")
    config = [
        "[defaults]",
        f"forks = {len(at)}",
        "gathering = explicit",
        "[ssh_connection]",
        "pipelining = true",
    ]
    if mitogen:
        config[1:1] = [f"strategy_plugins = {mitogen}", "strategy = mitogen_linear"]
    name = "mitogen.cfg" if mitogen else "ansible.cfg"
    (lab.FOLDER / name).write_text("\n".join(config) + "\n")


def main(count: int = 20, times: int = 5) -> None:
    names, programs = lab.roots(), environment()
    strategy = next(VENV.glob("lib/*/site-packages/ansible_mitogen/plugins/strategy"))
    right(names)
    at = lab.places(names, count)
    fleet = str(lab.inventory(names, at))
    ansible(at, None)
    ansible(at, strategy)
    play = [
        str(programs / "ansible-playbook"),
        "-i",
        str(lab.FOLDER / "hosts.ini"),
        str(HERE / "playbook.yml"),
    ]
    pyinfra = [sys.executable, "-m", "pyinfra", "-y", "--parallel", str(count), fleet]
    last = f"bench{count - 1:03d}"
    ways = {
        "mlu-fleet": ([*pyinfra, "deploy.py"], f"{count} of {count} hosts needed no change", ""),
        "pyinfra": ([*pyinfra, str(HERE / "stock.py")], "Docker runs", ""),
        "mitogen": (play, f"{last} ", "mitogen.cfg"),
        "ansible-core": (play, f"{last} ", "ansible.cfg"),
    }
    runs: dict[str, list[measured.Cost]] = {way: [] for way in ways}
    with lab.crowded(names):
        for _ in range(times):
            for way, (words, expected, config) in ways.items():
                measured.note(way)
                os.environ["ANSIBLE_CONFIG"] = str(lab.FOLDER / config) if config else ""
                log = lab.FOLDER / f"{way}.log"
                runs[way].append(measured.cost(words, names, expected, log))
                measured.note(json.dumps(runs[way][-1].rounded()))
    medians = {way: measured.median(costs) for way, costs in runs.items()}
    ours = medians["mlu-fleet"]
    figures = {
        way: {
            **cost.rounded(),
            "times our wall": round(cost.wall / ours.wall, 1),
            "times our CPU": round(cost.cpu / ours.cpu, 1),
        }
        for way, cost in medians.items()
    }
    print(json.dumps({"hosts": count, "times": times, **figures}, indent=1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
