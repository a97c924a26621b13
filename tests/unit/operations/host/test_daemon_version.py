"""When the docker daemon is asked for its version, and when what it said before still holds."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from operations.host.scripts import read_script


class Machine:
    """A state folder, a pid file of docker, and a docker client that counts its calls."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pid_file = folder, folder / "docker.pid"
        (folder / "state").mkdir()
        client = folder / "docker"
        client.write_text(f'#!/bin/sh\necho "$*" >> {folder}/asked\ncat {folder}/version\n')
        client.chmod(0o755)
        self.version = "20.10.24"

    @property
    def version(self) -> str:
        return (self.folder / "version").read_text().strip()

    @version.setter
    def version(self, version: str) -> None:
        (self.folder / "version").write_text(version + "\n")

    @contextmanager
    def process(self, name: str = "dockerd") -> Iterator[int]:
        """A process that runs, and that the pid file names, which docker ends with no newline."""
        program = self.folder / name
        shutil.copy2("/bin/sleep", program)
        process = subprocess.Popen([program, "300"])
        self.pid_file.write_text(str(process.pid))
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()

    def run(self, script: str) -> str:
        text = "".join(read_script(f"lib/{name}") for name in ("common", "daemon"))
        text = text.replace("/var/run/docker.pid", str(self.pid_file))
        text = text.replace("/var/lib/mlufleet", f"{self.folder}/state")
        path = {"PATH": f"{self.folder}:{os.environ['PATH']}"}
        words = ["sh", "-uc", f"{text}\n{script}"]
        return subprocess.run(words, env=path, capture_output=True, text=True).stdout

    def recall(self) -> str:
        return self.run("recall_daemon || echo unknown").strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_daemon_that_runs_on_has_the_version_that_it_had(machine: Machine) -> None:
    with machine.process():
        assert machine.recall() == "unknown"
        machine.run("note_daemon")
        machine.version = "26.1.0"  # installed meanwhile, and not started
        assert machine.recall() == "20.10.24"
        assert (machine.folder / "asked").read_text() == "version --format {{.Server.Version}}\n"


def test_another_daemon_is_asked_itself(machine: Machine) -> None:
    with machine.process() as before:
        machine.run("note_daemon")
        assert machine.recall() == machine.version
    assert machine.recall() == "unknown"
    with machine.process() as after:
        assert before != after and machine.recall() == "unknown"


@pytest.mark.parametrize("change", ["s/^[^ ]*/another-boot/", r"s/ \([0-9]*\)\t/ \11\t/"])
def test_another_boot_or_another_start_is_another_daemon(machine: Machine, change: str) -> None:
    with machine.process():
        machine.run("note_daemon")
        assert machine.recall() == machine.version
        machine.run(f"sed -i '{change}' \"$state/daemon\"")
        assert machine.recall() == "unknown"


@pytest.mark.parametrize("content", ["", "x", "1 2", "4194305", "$(touch made)", "../1"])
def test_a_pid_file_that_names_no_daemon_is_no_daemon(machine: Machine, content: str) -> None:
    machine.pid_file.write_text(content)
    machine.run("note_daemon")
    assert machine.recall() == "unknown" and not (machine.folder / "state/daemon").exists()


def test_another_program_with_its_number_is_no_daemon(machine: Machine) -> None:
    with machine.process("postgres"):
        machine.run("note_daemon")
        assert machine.recall() == "unknown" and not (machine.folder / "state/daemon").exists()


def test_a_daemon_that_does_not_answer_is_not_kept(machine: Machine) -> None:
    (machine.folder / "docker").write_text("#!/bin/sh\nexit 1\n")
    with machine.process():
        machine.run("note_daemon")
        assert machine.recall() == "unknown" and not (machine.folder / "state/daemon").exists()
