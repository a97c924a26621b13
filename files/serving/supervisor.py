"""Run a release's servers, and keep them answering: the first process of its container.

Usage: supervisor.py [--folder FOLDER] [--state FOLDER]

It reads `definition.json` in its folder. Without that file it serves nothing and waits; the file is
looked at every second, and at once on SIGHUP. Another digest in it replaces the servers, without
the file they are drained. SIGTERM drains them and ends the supervisor with status 0.
Python 3.6 and its standard library.
"""

import argparse
import json
import os
import select
import signal
import sys
from typing import Any, Dict, List

from supervisor_instance import Instance
from supervisor_output import State, tell, write_file
from supervisor_processes import ProcessTable

DEFINITION_VERSION = 1
#: Fields that a definition, and each of its instances, must have.
FIELDS = (
    *("digest", "release", "model", "api", "path", "key_file", "ready_path", "question_path"),
    *("question", "expect", "load_timeout", "answer_timeout", "drain_timeout", "check_every"),
    "instances",
)
INSTANCE_FIELDS = ("name", "port", "workdir", "command", "environment")
STATE_FOLDER = "/run/mlufleet-serve"
#: Seconds between two looks at the definition.
DEFINITION_INTERVAL_S = 1.0


class Supervisor:
    """Follows the definition: its instances run, others do not."""

    def __init__(self, folder: str, state_folder: str) -> None:
        self._path = os.path.join(folder, "definition.json")
        self._state_folder = state_folder
        self._table = ProcessTable()
        self._instances: List[Instance] = []
        self._digest, self._seen = "", (-1, -1, -1)
        self._ends = self._hangup = self._reaps = False
        self._retries = 0

    def run(self) -> None:
        """Serve until SIGTERM."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGHUP, self._on_signal)
        signal.signal(signal.SIGCHLD, self._on_signal)
        clear_folder(self._state_folder)
        while not self._ends:
            retries, self._hangup = self._hangup, False
            if retries:
                self._seen = (-1, -1, -1)
                for instance in self._instances:
                    instance.retry()
            self._follow()
            if retries:  # nothing says any more that an instance was given up before
                self._retries += 1
                write_file(os.path.join(self._state_folder, ".retries"), f"{self._retries}\n")
            if self._reaps:
                self._reaps = False
                self._table.reap_strangers()
            if select.select([reader], [], [], DEFINITION_INTERVAL_S)[0]:
                os.read(reader, 4096)
        tell("ends")
        self._stop()

    def _on_signal(self, number: int, frame: Any) -> None:
        if number == signal.SIGHUP:
            self._hangup = True
        elif number == signal.SIGCHLD:
            self._reaps = True
        else:
            self._ends = True

    def _follow(self) -> None:
        """Look at the definition and do what it says."""
        try:
            found = os.stat(self._path)
        except OSError:
            if self._digest:
                tell("the definition is gone")
                self._stop()
                self._digest = ""
            self._seen = (-1, -1, -1)
            return
        seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        if seen == self._seen:
            return
        try:
            definition = read_definition(self._path)
        except (ValueError, TypeError) as error:
            tell(f"the definition cannot be used: {error}")
            self._seen = seen
            return
        except OSError:
            return  # it was removed or replaced meanwhile: the next look tells
        self._seen = seen
        if definition["digest"] != self._digest:
            self._stop()
            self._begin(definition)

    def _begin(self, definition: Dict[str, Any]) -> None:
        clear_folder(self._state_folder)
        self._digest = definition["digest"]
        tell("serves {}".format(definition["release"]))
        for instance in definition["instances"]:
            state = State(self._state_folder, instance["name"], self._digest)
            self._instances.append(Instance(definition, instance, state, self._table))
        for started in self._instances:
            started.start()

    def _stop(self) -> None:
        """Drain all instances, at the same time, and wait for them."""
        for instance in self._instances:
            instance.stop()
        for instance in self._instances:
            while instance.is_alive():
                instance.join(DEFINITION_INTERVAL_S)
                self._table.reap_strangers()
        self._instances = []


def read_definition(path: str) -> Dict[str, Any]:
    """Read the definition.

    Args:
        path: Its file.

    Raises:
        ValueError: It is not one that this supervisor understands.
    """
    with open(path, encoding="utf-8") as file:
        definition = json.load(file)
    if not isinstance(definition, dict) or definition.get("version") != DEFINITION_VERSION:
        raise ValueError(f"version {DEFINITION_VERSION} is needed")
    missing = [field for field in FIELDS if field not in definition]
    for instance in definition.get("instances", []):
        missing += ["instances: " + field for field in INSTANCE_FIELDS if field not in instance]
    if missing:
        raise ValueError("no {}".format(", ".join(missing)))
    return definition


def clear_folder(folder: str) -> None:
    """Make a folder, or remove the files in it: they tell of servers that are gone."""
    try:
        os.makedirs(folder, mode=0o755, exist_ok=True)
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
    except OSError as error:
        tell(f"cannot clear the state: {error}")


def main(arguments: List[str]) -> int:
    """Run the supervisor.

    Args:
        arguments: Its arguments.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description="Keep a release's servers answering.")
    parser.add_argument("--folder", default=os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--state", default=STATE_FOLDER)
    options = parser.parse_args(arguments)
    Supervisor(options.folder, options.state).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
