"""Run a release's servers, and keep them answering: the first process of its container.

Usage: supervisor.py [--folder FOLDER] [--state FOLDER]

It reads `definition.json` in its folder. Without that file it serves nothing and waits; the file is
looked at every second, and at once on SIGHUP. Another digest in it replaces the servers, without
the file they are drained. SIGTERM drains them and ends the supervisor with status 0.

Each instance is an actor: a thread that reads events from a queue (its process ended, a check is
done, it is to stop) and owns all that is known of it. Python 3.6 and its standard library.
"""

import argparse
import collections
import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Set, Tuple

import client

DEFINITION_VERSION = 1
STATE_FOLDER = "/run/mlufleet-serve"
#: Environment variable by which the processes of an instance are known wherever they go.
INSTANCE_VARIABLE = "MLUFLEET_SERVE_INSTANCE"
#: Seconds between two looks at the definition.
DEFINITION_INTERVAL_S = 1.0
#: Seconds between two looks at the processes of a server that is to end.
END_INTERVAL_S = 0.05
#: Consecutive failures of the ready path, and of the question, before a server is stopped.
READY_FAILURES, QUESTION_FAILURES = 3, 2
#: Lines of a server's output that are kept for the reason of its end, and characters of each.
LINES_KEPT, LINE_LENGTH = 20, 500
REASON_LENGTH = 300
#: Bytes of a line of output that are waited for before it is passed on without its end.
LINE_LIMIT = 8192
#: Seconds that a server that has failed gets to end by itself before it is killed.
FAILED_GRACE_S = 10.0
#: Fields of the definition that need not be in it, in seconds or numbers.
DEFAULTS: Dict[str, float] = {
    "load_every": 1,  # between two looks while a server loads
    "ready_every": 5,  # between two looks at the ready path
    "ready_timeout": 10,  # for an answer of the ready path
    "backoff_first": 1,  # before the second start
    "backoff_limit": 60,
    "steady_after": 60,  # ready for so long: the count of starts begins again
    "starts_limit": 6,
    "kill_timeout": 10,  # for the kernel to end a process that was killed
}


class StopRequested(Exception):
    """The instance is to be drained and stopped."""


class Event(NamedTuple):
    """What an instance is told: `kind`, the start that it is about (-1 for none), and details."""

    kind: str
    start: int = -1
    value: Any = None


class ProcessTable:
    """The servers' processes: started here, waited for here, everything else reaped here.

    As the first process of a container the supervisor is the parent of every orphan. `waitpid` for
    any child would take the status of servers from their threads, so only strangers are reaped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own: Set[int] = set()

    def start(self, **options: Any) -> "subprocess.Popen[bytes]":
        """Start a server in a session and process group of its own."""
        with self._lock:
            process = subprocess.Popen(
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
            self._own.add(process.pid)
        return process

    def wait(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait for the end of a server."""
        status = process.wait()
        with self._lock:
            self._own.discard(process.pid)
        return status

    def reap_strangers(self) -> None:
        """Collect the orphans that have ended."""
        for pid in list_children(os.getpid()):
            with self._lock:
                if pid not in self._own:
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)


def _read_stat(pid: str) -> List[str]:
    """Read the fields of /proc/PID/stat after the name: state, parent, group, session, …."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().decode("latin-1").rpartition(")")[2].split()
    except OSError:
        return []  # it has just ended


def list_children(parent: int) -> List[int]:
    """List the child processes that have ended and not been waited for."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        stat = _read_stat(pid)
        if stat and stat[0] == "Z" and int(stat[1]) == parent:
            found.append(int(pid))
    return found


def list_members(leader: int, mark: str) -> List[int]:
    """List the living processes of a server.

    Args:
        leader: Its process id: that of its group and session.
        mark: Value of `INSTANCE_VARIABLE` in its environment, which finds daemons as well.
    """
    wanted = f"{INSTANCE_VARIABLE}={mark}".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        stat = _read_stat(pid)
        if not stat or stat[0] in "ZX" or int(pid) == os.getpid():
            continue
        if str(leader) in (stat[2], stat[3]) or wanted in _read_environment(pid):
            found.append(int(pid))
    return found


def _read_environment(pid: str) -> List[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def send_signal(pids: List[int], number: int) -> None:
    """Send a signal to processes that may have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


_output_lock = threading.Lock()


def write_output(line: bytes) -> None:
    """Write a line to the container's log; if that is closed, there is none."""
    with _output_lock:
        try:
            while line:
                line = line[os.write(1, line) :]
        except OSError:
            pass


class Output(threading.Thread):
    """Passes the output of a server on and remembers its last lines."""

    def __init__(self, pipe: Any, prefix: bytes, on_fault: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._prefix = prefix
        self._on_fault = on_fault
        self._lines: Deque[str] = collections.deque(maxlen=LINES_KEPT)
        #: the first line that tells of a fault of a card
        self.card_fault = ""

    def run(self) -> None:
        """Read until all processes that write have ended."""
        rest = b""
        while True:
            content = os.read(self._pipe.fileno(), 65536)
            if not content:
                break
            *lines, rest = (rest + content).split(b"\n")
            if len(rest) > LINE_LIMIT:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._take(line)
        if rest:
            self._take(rest)
        self._pipe.close()

    def _take(self, line: bytes) -> None:
        write_output(self._prefix + line + b"\n")
        text = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2].strip()
        if not text:
            return
        self._lines.append(text[:LINE_LENGTH])
        if not self.card_fault and client.CARD_FAULT.search(text):
            self.card_fault = text[:LINE_LENGTH]
            self._on_fault()

    def last_lines(self) -> str:
        """Return the end of the output, as much as a reason has room for."""
        return " | ".join(self._lines)[-REASON_LENGTH // 2 :]


class State:
    """What is told of an instance: one line in a file."""

    def __init__(self, folder: str, name: str, digest: str) -> None:
        self._path, self._hidden = os.path.join(folder, name), os.path.join(folder, "." + name)
        self.digest = digest
        self.state, self.pid, self.started, self.ready_s = "loading", 0, 0, -1.0
        self.restarts, self.answered, self.code, self.reason = 0, 0, "", ""

    def update(self, **fields: Any) -> None:
        """Change fields and write the line."""
        for field, value in fields.items():
            setattr(self, field, value)
        reason = " ".join(self.reason.split())[:REASON_LENGTH]
        ready = "-1" if self.ready_s < 0 else f"{self.ready_s:.2f}"
        values = (self.digest, self.state, self.pid, self.started, ready, self.restarts)
        words = [str(value) for value in (*values, self.answered, self.code or "-", reason or "-")]
        write_file(self._path, "\t".join(words) + "\n")

    def write_cold(self, first_s: Optional[float]) -> None:
        """Write what the client's proof cannot measure any more: the first answer's first words.

        The file is `.NAME.json`; a shell's `*` does not find it.
        """
        measured = {"digest": self.digest, "cold_first_token_s": first_s, "pid": self.pid}
        write_file(self._hidden + ".json", json.dumps(measured) + "\n")


def write_file(path: str, text: str) -> None:
    """Replace a file in one step; what cannot be written is told in the log."""
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")
    try:
        with open(temporary, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        tell(f"cannot write the state: {error}")


def tell(text: str) -> None:
    """Write a line of the supervisor's own to the container's log."""
    write_output(f"mlufleet-serve: {text}\n".encode("utf-8", "replace"))


class Instance(threading.Thread):
    """One server: started, watched, asked, stopped, started again."""

    def __init__(
        self,
        definition: Dict[str, Any],
        instance: Dict[str, Any],
        state: State,
        table: ProcessTable,
    ) -> None:
        super().__init__(daemon=True)
        self._definition, self._instance = definition, instance
        self._settings = {key: definition.get(key, value) for key, value in DEFAULTS.items()}
        self._state, self._table = state, table
        self._events: queue.Queue[Event] = queue.Queue()
        self._several = len(definition["instances"]) > 1
        #: number of the current start, and how many of them count towards giving up
        self._start, self._attempts = 0, 0
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._output: Optional[Output] = None
        self._mark = ""

    def send(self, kind: str) -> None:
        """Tell it to `stop`, or, if it has given up, to `retry`."""
        self._events.put(Event(kind))

    def run(self) -> None:
        """Serve until it is told to stop."""
        try:
            while True:
                self._run_once()
        except StopRequested:
            self._state.update(state="draining")
            self._end_server(self._definition["drain_timeout"])
            self._state.update(state="stopped", pid=0)

    def _run_once(self) -> None:
        """Start the server, watch it until it fails, end it, and wait until the next start."""
        failure = self._serve()
        output = self._output
        if output is not None and output.card_fault and failure.code != "SERVE_CARD":
            reason = f"{failure.reason}; {output.card_fault}"
            failure = client.CheckFailure("SERVE_CARD", reason)
        self._tell(f"{failure.code}: {failure.reason}")
        self._state.update(state="unhealthy", code=failure.code, reason=failure.reason)
        self._end_server(min(FAILED_GRACE_S, self._definition["drain_timeout"]))
        # a server that could not be ended may have been told of: its reason stays with the first
        self._state.update(pid=0, code=failure.code, reason=failure.reason)
        if self._attempts >= self._settings["starts_limit"]:
            self._tell(f"gives up after {self._attempts} starts")
            self._state.update(state="failed")
            self._wait_for("retry", None)
            self._attempts = 0
            return
        delay = self._settings["backoff_first"] * 2 ** max(0, self._attempts - 1)
        self._wait_for("retry", min(delay, self._settings["backoff_limit"]))

    def _wait_for(self, kind: str, seconds: Optional[float]) -> None:
        """Wait for an event or until the time is over, whichever comes first."""
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            event = self._next_event(end)
            if event is None or event.kind == kind:
                return

    def _next_event(self, end: Optional[float]) -> Optional[Event]:
        """Return the next event of this start; `None` if the time comes first."""
        while True:
            try:
                timeout = None if end is None else max(0.0, end - time.monotonic())
                event = self._events.get(timeout=timeout)
            except queue.Empty:
                return None
            if event.kind == "stop":
                raise StopRequested
            if event.start in (-1, self._start):
                return event

    def _tell(self, text: str) -> None:
        tell("instance {}: {}".format(self._instance["name"], text))

    # the process

    def _start_server(self) -> None:
        """Start the process and the threads that wait for its output and its end."""
        self._start += 1
        self._attempts += 1
        self._output = self._process = None
        start = self._start
        self._mark = "{}-{}-{}".format(os.getpid(), self._instance["name"], start)
        environment = dict(os.environ, PYTHONUNBUFFERED="1", PATH=self._definition["path"])
        environment.update(self._instance["environment"])
        environment[INSTANCE_VARIABLE] = self._mark
        self._state.update(
            state="loading", pid=0, started=int(time.time()), ready_s=-1.0, restarts=start - 1
        )
        try:
            process = self._table.start(
                args=self._instance["command"], cwd=self._instance["workdir"], env=environment
            )
        except (OSError, ValueError) as error:
            raise client.CheckFailure("SERVE_CRASHED", f"cannot be started: {error}") from None
        self._process = process
        prefix = "[{}] ".format(self._instance["name"]).encode() if self._several else b""
        fault = Event("fault", start)
        self._output = Output(process.stdout, prefix, lambda: self._events.put(fault))
        self._output.start()
        threading.Thread(target=self._await_end, args=(process, start), daemon=True).start()
        self._state.update(pid=process.pid)
        self._tell("started as process {}: {}".format(process.pid, self._instance["command"][0]))

    def _await_end(self, process: "subprocess.Popen[bytes]", start: int) -> None:
        self._events.put(Event("exit", start, self._table.wait(process)))

    def _end_server(self, grace: float) -> None:
        """End all processes of the server: SIGTERM, after `grace` seconds SIGKILL.

        One that the kernel does not end keeps its card. It is told as SERVE_STUCK and waited for,
        as no other server could use the card.
        """
        if self._process is None:
            return
        leader = self._process.pid
        send_signal(list_members(leader, self._mark), signal.SIGTERM)
        if not self._await_members(grace):
            waited = 0.0
            while True:
                send_signal(list_members(leader, self._mark), signal.SIGKILL)
                if self._await_members(self._settings["kill_timeout"]):
                    break
                waited += self._settings["kill_timeout"]
                left = list_members(leader, self._mark)
                reason = f"process {left} does not end, {waited:g} s after SIGKILL"
                self._tell("SERVE_STUCK: " + reason)
                self._state.update(state="unhealthy", code="SERVE_STUCK", reason=reason)
        if self._output is not None:
            self._output.join(1.0)
        self._process = None

    def _await_members(self, seconds: float) -> bool:
        """Wait until no process of the server lives; say whether that came in time."""
        assert self._process is not None
        end = time.monotonic() + seconds
        while list_members(self._process.pid, self._mark):
            if time.monotonic() >= end:
                return False
            time.sleep(END_INTERVAL_S)
        return True

    # the checks

    def _address(self) -> client.Address:
        key = client.read_key(self._definition["key_file"])
        return client.Address("127.0.0.1", self._instance["port"], key)

    def _check(self, kind: str) -> None:
        """Begin a check in a thread of its own; its result comes as an event."""
        start = self._start

        def run() -> None:
            value: Any
            try:
                value = self._run_check(kind)
            except client.CheckFailure as failure:
                value = failure
            except Exception as error:  # a check must not end without a result
                value = client.CheckFailure("SERVE_WRONG", f"{kind}: {error!r}")
            self._events.put(Event(kind, start, value))

        threading.Thread(target=run, daemon=True).start()

    def _run_check(self, kind: str) -> Optional[client.Answer]:
        definition, address = self._definition, self._address()
        if kind == "ready":
            client.check_ready(definition, address, self._settings["ready_timeout"])
            return None
        if kind == "cold" and definition["api"] == "openai":
            try:
                return client.ask_streaming(definition, address, definition["answer_timeout"])
            except client.CheckFailure as failure:
                if failure.code != "SERVE_WRONG":
                    raise
                # it may answer without a stream, as it does later: that the proof tells
        answer = client.ask(definition, address, definition["answer_timeout"])
        return answer._replace(first_s=-1.0) if kind == "cold" else answer

    def _serve(self) -> client.CheckFailure:
        """Start the server and watch it.

        Returns:
            What it failed with.
        """
        try:
            self._start_server()
            self._load()
            return self._watch()
        except client.CheckFailure as failure:
            return failure

    def _await_check(self, kind: str, end: Optional[float] = None) -> Any:
        """Do a check and wait for its result: a failure, an answer or `None` (as after `end`).

        Raises:
            CheckFailure: The process ended before.
        """
        self._check(kind)
        while True:
            event = self._next_event(end)
            if event is None:
                return None
            self._raise_exit(event)
            if event.kind == kind:
                return event.value

    def _raise_exit(self, event: Event) -> None:
        if event.kind != "exit":
            return
        assert self._output is not None
        self._output.join(1.0)  # its last lines may still be in the pipe
        status = event.value
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        reason = ": ".join(filter(None, (how, self._output.last_lines())))
        raise client.CheckFailure("SERVE_CRASHED", reason)

    def _pause(self, end: float) -> Optional[Event]:
        """Wait until a time, or for an event that ends the pause: `fault`."""
        event = self._next_event(end)
        if event is not None:
            self._raise_exit(event)
        return event

    def _load(self) -> None:
        """Wait until the server is ready: its ready path answers, and the question has its answer.

        Raises:
            CheckFailure: It does not become ready.
        """
        began = time.monotonic()
        end = began + self._definition["load_timeout"]
        kind, failures, last = "ready", 0, "no answer yet"
        while True:
            result = self._await_check(kind, end if kind == "ready" else None)
            if kind == "cold" and not isinstance(result, client.CheckFailure):
                self._become_ready(time.monotonic() - began, result)
                return
            if kind == "cold" and not isinstance(result, client.ServerBusy):
                failures += 1
                if failures >= QUESTION_FAILURES:
                    raise result
            if isinstance(result, client.CheckFailure):
                last = result.reason
            elif result is None and time.monotonic() < end:
                kind = "cold"
                continue
            if time.monotonic() >= end:
                limit = self._definition["load_timeout"]
                raise client.CheckFailure("SERVE_LOAD", f"not ready after {limit:g} s: {last}")
            self._pause(min(end, time.monotonic() + self._settings["load_every"]))

    def _become_ready(self, seconds: float, answer: client.Answer) -> None:
        self._state.write_cold(answer.first_s if answer.first_s >= 0 else None)
        self._state.update(
            state="ready", ready_s=seconds, answered=int(time.time()), code="", reason=""
        )
        self._tell(f"ready after {seconds:.1f} s")

    def _watch(self) -> client.CheckFailure:
        """Look at a server that is ready until it fails.

        A server that answers one request after the other, as ChatGLM's do, is silent while it
        makes a long answer. So a ready path that is only late counts as failed once nothing was
        answered for as long as an answer may take.

        Returns:
            How it failed.

        Raises:
            CheckFailure: Its process ended.
        """
        now = time.monotonic()
        ready_since, answered, asked = now, now, now
        ready_failures = question_failures = 0
        ask_at = now + self._definition["check_every"]
        while True:
            pause_end = min(ask_at, time.monotonic() + self._settings["ready_every"])
            event = self._pause(pause_end)
            if event is not None and event.kind == "fault":
                ask_at = time.monotonic()  # does it still answer?
            if time.monotonic() - ready_since >= self._settings["steady_after"]:
                self._attempts = 0
            asks = time.monotonic() >= ask_at
            result = self._await_check("question" if asks else "ready")
            asked = time.monotonic()
            busy = isinstance(result, client.ServerBusy)
            if asks and not busy and isinstance(result, client.CheckFailure):
                question_failures += 1
                if question_failures >= QUESTION_FAILURES:
                    return result
                ask_at = asked + self._settings["ready_every"]
                continue
            if asks:
                ask_at = asked + self._definition["check_every"]
                if not busy:
                    question_failures = 0
                    self._state.update(answered=int(time.time()))
            if busy or not isinstance(result, client.CheckFailure):
                answered = asked
                ready_failures = ready_failures if asks else 0
                continue
            ready_failures += 1
            patience = self._definition["answer_timeout"] if result.timed_out else 0
            if ready_failures >= READY_FAILURES and asked - answered >= patience:
                return result


class Supervisor:
    """Follows the definition: its instances run, others do not."""

    def __init__(self, folder: str, state_folder: str) -> None:
        self._path = os.path.join(folder, "definition.json")
        self._state_folder = state_folder
        self._table = ProcessTable()
        self._instances: List[Instance] = []
        self._digest, self._seen = "", (-1, -1, -1)
        self._ends = self._hangup = False
        self._complaint = ""

    def run(self) -> None:
        """Serve until SIGTERM."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGHUP, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        clear_folder(self._state_folder)
        while not self._ends:
            if self._hangup:
                self._hangup, self._seen = False, (-1, -1, -1)
                for instance in self._instances:
                    instance.send("retry")
            self._follow()
            self._table.reap_strangers()
            if select.select([reader], [], [], DEFINITION_INTERVAL_S)[0]:
                os.read(reader, 4096)
        tell("ends")
        self._stop()

    def _on_signal(self, number: int, frame: Any) -> None:
        if number == signal.SIGHUP:
            self._hangup = True
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
        except ValueError as error:
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
            instance.send("stop")
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
    needed: Tuple[str, ...] = ("digest", "release", "model", "api", "path", "key_file")
    needed += ("ready_path", "question_path", "question", "expect", "load_timeout")
    needed += ("answer_timeout", "drain_timeout", "check_every", "instances")
    missing = [field for field in needed if field not in definition]
    for instance in definition.get("instances", []):
        fields = ("name", "port", "workdir", "command", "environment")
        missing += ["instances: " + field for field in fields if field not in instance]
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
