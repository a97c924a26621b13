"""An instance of a release's server: started, watched, asked, stopped and started again.

It is an actor: a thread that reads events from a queue (its process ended, a check is done, it is
to stop) and owns all that is known of the server. Python 3.6 and its standard library.
"""

import os
import queue
import signal
import subprocess
import threading
import time
from typing import Any, Dict, NamedTuple, Optional

import client
from supervisor_output import Output, State, tell
from supervisor_processes import INSTANCE_VARIABLE, ProcessTable, list_members, send_signal

#: Seconds between two looks at the processes of a server that is to end.
END_INTERVAL_S = 0.05
#: Consecutive failures of the ready path, and of the question, before a server is stopped.
READY_FAILURES, QUESTION_FAILURES = 3, 2
#: Environment variable by which mlu-fleet's own server finds the key; others may use it.
KEY_VARIABLE = "MLUFLEET_SERVE_KEY_FILE"
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
    "wrong_limit": 2,  # starts whose first answer is wrong: the next one's would be, too
    "kill_timeout": 10,  # for the kernel to end a process that was killed
}


class StopRequested(Exception):
    """The instance is to be drained and stopped."""


class Event(NamedTuple):
    """What an instance is told: `kind`, the start that it is about (-1 for none), and details."""

    kind: str
    start: int = -1
    value: Any = None


def encode(word: str) -> bytes:
    """Encode a word of a command as UTF-8, whatever the locale of the image says."""
    return word.encode("utf-8", "surrogateescape")


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
        #: whether it has ever been ready, and how many of the last starts answered wrongly
        self._was_ready, self._wrong_starts = False, 0
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._output: Optional[Output] = None
        self._mark = ""
        #: whether starts from now on do not add to those before; guarded by the lock
        self._counts_anew, self._retry_lock = False, threading.Lock()

    def stop(self) -> None:
        """Tell it to drain its server and to end."""
        self._events.put(Event("stop"))

    def retry(self) -> None:
        """Tell it to start its server again if it has given up, and not to give up before that.

        When this returns, its state does not say any more that it has given up.
        """
        with self._retry_lock:
            self._counts_anew = True
            if self._state.state == "failed":
                self._state.update(state="loading")
        self._events.put(Event("retry"))

    def _gives_up(self) -> bool:
        """Return whether it was started too often, and tell so; not if it is to try again."""
        with self._retry_lock:
            if self._counts_anew:
                self._counts_anew, self._attempts, self._wrong_starts = False, 0, 0
            is_in_vain = self._wrong_starts >= self._settings["wrong_limit"]
            if not is_in_vain and self._attempts < self._settings["starts_limit"]:
                return False
            self._state.update(state="failed")
        self._tell(f"gives up after {self._attempts} starts")
        return True

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
        is_wrong = client.is_wrong_answer(failure) and not self._was_ready
        self._wrong_starts = self._wrong_starts + 1 if is_wrong else 0
        self._tell(f"{failure.code}: {failure.reason}")
        self._state.update(state="unhealthy", code=failure.code, reason=failure.reason)
        self._end_server(min(FAILED_GRACE_S, self._definition["drain_timeout"]))
        # a server that could not be ended may have been told of: its reason stays with the first
        self._state.update(pid=0, code=failure.code, reason=failure.reason)
        if self._gives_up():
            self._wait_for("retry", None)
            with self._retry_lock:
                self._counts_anew, self._attempts, self._wrong_starts = False, 0, 0
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
        environment[KEY_VARIABLE] = self._definition["key_file"]
        environment.update(self._instance["environment"])
        environment[INSTANCE_VARIABLE] = self._mark
        if not environment[KEY_VARIABLE]:
            del environment[KEY_VARIABLE]
        self._state.update(
            state="loading", pid=0, started=int(time.time()), ready_s=-1.0, restarts=start - 1
        )
        try:
            process = self._table.start(
                args=[encode(word) for word in self._instance["command"]],
                cwd=self._instance["workdir"],
                env={encode(name): encode(value) for name, value in environment.items()},
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
            failures = self._count_failures(kind, result, failures)
            if isinstance(result, client.CheckFailure):
                last = result.reason
            elif result is None and time.monotonic() < end:
                kind, failures = "cold", 0
                continue
            if time.monotonic() >= end:
                limit = self._definition["load_timeout"]
                raise client.CheckFailure("SERVE_LOAD", f"not ready after {limit:g} s: {last}")
            self._pause(min(end, time.monotonic() + self._settings["load_every"]))

    def _count_failures(self, kind: str, result: Any, before: int) -> int:
        """Count what a server that loads cannot come back from, and raise it if that is too much.

        The ready path may fail while it loads, but not answer something else than it must.
        """
        if kind == "ready":
            failures = before + 1 if client.is_wrong_answer(result) else 0
        else:
            failures = before if isinstance(result, client.ServerBusy) else before + 1
        if failures >= (READY_FAILURES if kind == "ready" else QUESTION_FAILURES):
            raise result
        return failures

    def _become_ready(self, seconds: float, answer: client.Answer) -> None:
        assert self._output is not None
        self._was_ready = True
        self._output.card_fault = ""
        self._state.write_cold(answer.first_s if answer.first_s >= 0 else None)
        self._state.update(
            state="ready", ready_s=seconds, answered=int(time.time()), code="", reason=""
        )
        self._tell(f"ready after {seconds:.1f} s")

    def _note_answer(self) -> None:
        assert self._output is not None
        self._output.card_fault = ""  # the card works: it was that of one request
        self._state.update(answered=int(time.time()))

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
        ready_since = answered = question_at = now
        ready_failures = question_failures = 0
        ask_at = now + self._definition["check_every"]
        while True:
            pause_end = min(ask_at, time.monotonic() + self._settings["ready_every"])
            event = self._pause(pause_end)
            if event is not None and event.kind == "fault":
                # does it still answer? but a fault that each question causes asks no more at once
                ask_at = min(ask_at, question_at + self._settings["ready_every"])
            if time.monotonic() - ready_since >= self._settings["steady_after"]:
                self._attempts = 0
            asks = time.monotonic() >= ask_at
            result = self._await_check("question" if asks else "ready")
            asked = time.monotonic()
            question_at = asked if asks else question_at
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
                    self._note_answer()
            if busy or not isinstance(result, client.CheckFailure):
                answered = asked
                ready_failures = ready_failures if asks else 0
                continue
            ready_failures += 1
            patience = self._definition["answer_timeout"] if result.timed_out else 0
            if ready_failures >= READY_FAILURES and asked - answered >= patience:
                return result
