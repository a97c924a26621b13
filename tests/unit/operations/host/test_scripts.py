"""The scripts that run on hosts."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from operations.host.scripts import SCRIPTS_DIR, script_text

#: what one script sets and another uses
KNOWN = "SC2034,SC2154"


def test_the_scripts_are_posix_and_shellcheck_finds_nothing_in_them() -> None:
    """Words that are meant to be split, say, are marked where they stand."""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    words = [shellcheck, "--shell", "sh", "--exclude", KNOWN, *sorted(SCRIPTS_DIR.rglob("*.sh"))]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_of_a_partial_file_with_holes_only_what_is_there_counts(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    with (tmp_path / "incoming/image.a.0.part").open("wb") as sparse:
        sparse.seek(64 << 20)
        sparse.write(b"end")
    (tmp_path / "incoming/image.b.0.part").write_bytes(b"whole")
    lines = (SCRIPTS_DIR / "probe.sh").read_text().splitlines()
    begin, say = (
        next(number for number, line in enumerate(lines) if line.startswith(words))
        for words in ('find "$state/incoming"', "say()")
    )
    script = "\n".join(
        [f"state={tmp_path}", lines[say], *lines[begin : lines.index("done", begin) + 1]]
    )
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout
    found = dict(line.split("\t")[1:] for line in said.splitlines())
    assert 3 <= int(found["image.a.0.part"]) < 1 << 20
    assert found["image.b.0.part"] == "5"


@pytest.mark.parametrize(
    ("words", "status", "asked"),
    [
        ("repository docker-engine docker-ce", 0, ["docker-engine", "docker-ce"]),
        ("repository docker-ce docker", 0, ["docker-ce"]),  # what comes next may be podman
        ("repository", 0, ["docker-ce"]),
        ("repository docker-engine", 1, ["docker-engine"]),
        ("install a.rpm b.rpm", 0, ["--disablerepo=* a.rpm b.rpm"]),
        ("start", 0, []),
    ],
)
def test_docker_is_the_first_package_that_the_repositories_have(
    tmp_path: Path, words: str, status: int, asked: list[str]
) -> None:
    log = tmp_path / "log"
    fakes = {
        "yum": f'echo "$*" >> {log}; case $* in *docker-engine) exit 1 ;; esac',
        "systemctl": "exit 0",
        "timeout": "exit 0",
    }
    for name, text in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    script = (
        (SCRIPTS_DIR / "lib/packages.sh").read_text()
        + "wait_for_packages() { :; }; repair_packages() { :; }; uptime() { echo 0; }\n"
        + (SCRIPTS_DIR / "engine.sh").read_text()
    )
    done = subprocess.run(
        ["/bin/sh", "-c", script, "engine", *words.split()],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    lines = log.read_text().splitlines() if log.exists() else []
    said = [line.replace("-y ", "").replace("install ", "") for line in lines]
    assert (done.returncode, said) == (status, asked), done.stderr


def test_two_hosts_that_have_one_folder_place_a_file_by_names_of_their_own(tmp_path: Path) -> None:
    sha = hashlib.sha256(b"weights").hexdigest()
    moved = set()
    for host in ("mlu1", "mlu2"):
        state, programs = tmp_path / host / "state", tmp_path / host / "bin"
        (state / "incoming").mkdir(parents=True)
        programs.mkdir()
        (state / "incoming/weights.0.part").write_bytes(b"weights")
        fakes = {"uname": f"echo {host}", "mv": f"echo $* >> {tmp_path}/{host}/moved"}
        for name, text in fakes.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        script = script_text("place-files").replace("/var/lib/mlufleet", str(state))
        subprocess.run(
            ["sh", "-c", script, "place-files", "end", "weights"],
            text=True,
            check=True,
            input=f"{sha} weights.0.part {tmp_path}/shared/model.bin\n",
            env={"PATH": f"{programs}:{os.environ['PATH']}"},
        )
        first, second = (tmp_path / host / "moved").read_text().splitlines()
        assert second.split()[-1] == f"{tmp_path}/shared/model.bin"
        moved.add(first.split()[-1])
    assert len(moved) == 2 and all(name.endswith(".mlufleet-part") for name in moved)
