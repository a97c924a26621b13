"""An instance of a release's server: started, watched, asked, stopped and started again.

It is an actor: a thread that reads events from a queue (its process ended, a check is done, it is
to stop) and owns all that is known of the server. Python 3.6 and its standard library.
"""

import queue
import signal
import threading
import time
from typing import Any, Dict, NamedTuple, Optional

from client_http import CheckFailure, ServerBusy, is_wrong_answer
from client_questions import Answer
from supervisor_output import State, tell
from supervisor_processes import ProcessTable
from supervisor_server import Server, run_check
from supervisor_starts import StartCount

#: Consecutive failures of the ready path, and of the question, before a server is stopped.
READY_FAILURES, QUESTION_FAILURES = 3, 2
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
        #: number of the current start
        self._start = 0
        self._count = StartCount(self._settings, state)
        self._server: Optional[Server] = None
        #: whether a fault of a card was told since the question was asked last
        self._is_fault_told = False

    def stop(self) -> None:
        """Tell it to drain its server and to end."""
        self._events.put(Event("stop"))

    def retry(self) -> None:
        """Tell it to start its server again if it has given up, and not to give up before that.

        When this returns, its state does not say any more that it has given up.
        """
        self._count.retry()
        self._events.put(Event("retry"))

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
        fault = self._server.card_fault if self._server else ""
        if fault and failure.code != "SERVE_CARD":
            failure = CheckFailure("SERVE_CARD", f"{failure.reason}; {fault}")
        self._count.add_failure(failure)
        self._tell(f"{failure.code}: {failure.reason}")
        self._state.update(state="unhealthy", code=failure.code, reason=failure.reason)
        self._end_server(min(FAILED_GRACE_S, self._definition["drain_timeout"]))
        # a server that could not be ended may have been told of: its reason stays with the first
        self._state.update(pid=0, code=failure.code, reason=failure.reason)
        if self._count.gives_up():
            self._tell(f"gives up after {self._count.starts} starts")
            self._wait_for("retry", None)
            self._count.reset()
            return
        self._wait_for("retry", self._count.delay_s)

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

    def _start_server(self) -> None:
        """Start the process of the next start; what becomes of it comes as events."""
        self._start += 1
        self._count.starts += 1
        start, self._server = self._start, None
        self._state.update(
            state="loading", pid=0, started=int(time.time()), ready_s=-1.0, restarts=start - 1
        )
        server = Server(self._definition, self._instance, self._table, start)
        server.start(lambda kind, value: self._events.put(Event(kind, start, value)))
        self._server = server
        self._state.update(pid=server.pid)
        self._tell("started as process {}: {}".format(server.pid, self._instance["command"][0]))

    def _end_server(self, grace: float) -> None:
        if self._server is not None:
            self._server.end(grace, self._settings["kill_timeout"], self._tell_stuck)
            self._server = None

    def _tell_stuck(self, reason: str) -> None:
        self._tell("SERVE_STUCK: " + reason)
        self._state.update(state="unhealthy", code="SERVE_STUCK", reason=reason)

    def _check(self, kind: str) -> None:
        """Begin a check in a thread of its own; its result comes as an event."""
        start, port, timeout = self._start, self._instance["port"], self._settings["ready_timeout"]

        def run() -> None:
            value = run_check(kind, self._definition, port, timeout)
            self._events.put(Event(kind, start, value))

        threading.Thread(target=run, daemon=True).start()

    def _serve(self) -> CheckFailure:
        """Start the server and watch it.

        Returns:
            What it failed with.
        """
        try:
            self._start_server()
            self._load()
            return self._watch()
        except CheckFailure as failure:
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
            self._note_event(event)
            if event.kind == kind:
                if kind != "ready":  # it is the answer to a fault that was told before it
                    self._is_fault_told = False
                return event.value

    def _note_event(self, event: Event) -> None:
        """Keep that a fault was told; raise how the process ended, if it did."""
        if event.kind == "fault":
            self._is_fault_told = True
        if event.kind != "exit":
            return
        assert self._server is not None
        status = event.value
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        if status == -signal.SIGKILL:
            how += ", as by the kernel when memory is used up"
        reason = ": ".join(filter(None, (how, self._server.read_last_lines())))
        raise CheckFailure("SERVE_CRASHED", reason)

    def _pause(self, end: float) -> None:
        """Wait until a time, or for an event that ends the pause: `fault`."""
        event = self._next_event(end)
        if event is not None:
            self._note_event(event)

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
            if kind == "cold" and not isinstance(result, CheckFailure):
                self._become_ready(time.monotonic() - began, result)
                return
            failures = self._count_failures(kind, result, failures)
            if isinstance(result, CheckFailure):
                last = result.reason
            elif result is None and time.monotonic() < end:
                kind, failures = "cold", 0
                continue
            if time.monotonic() >= end:
                limit = self._definition["load_timeout"]
                raise CheckFailure("SERVE_LOAD", f"not ready after {limit:g} s: {last}")
            self._pause(min(end, time.monotonic() + self._settings["load_every"]))

    def _count_failures(self, kind: str, result: Any, before: int) -> int:
        """Count what a server that loads cannot come back from, and raise it if that is too much.

        The ready path may fail while it loads, but not answer something else than it must.
        """
        if kind == "ready":
            failures = before + 1 if is_wrong_answer(result) else 0
        else:
            failures = before if isinstance(result, ServerBusy) else before + 1
        if failures >= (READY_FAILURES if kind == "ready" else QUESTION_FAILURES):
            raise result
        return failures

    def _become_ready(self, seconds: float, answer: Answer) -> None:
        assert self._server is not None
        self._count.was_ready = True
        self._server.card_fault = ""
        self._state.write_cold(answer.first_s if answer.first_s >= 0 else None)
        self._state.update(
            state="ready", ready_s=seconds, answered=int(time.time()), code="", reason=""
        )
        self._tell(f"ready after {seconds:.1f} s")

    def _note_answer(self) -> None:
        assert self._server is not None
        self._server.card_fault = ""  # the card works: it was that of one request
        self._state.update(answered=int(time.time()))

    def _watch(self) -> CheckFailure:
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
        asks = False
        ask_at = now + self._definition["check_every"]
        while True:
            pause_end = min(ask_at, time.monotonic() + self._settings["ready_every"])
            if not self._is_fault_told:  # while the ready path was asked
                self._pause(pause_end)
            if self._is_fault_told:
                self._is_fault_told = False
                # does it still answer? but a fault that each question causes asks no more at once
                ask_at = min(ask_at, question_at + self._settings["ready_every"])
            if time.monotonic() - ready_since >= self._settings["steady_after"]:
                self._count.starts = 0
            # however often the question is due, the ready path is asked between two of them
            asks = not asks and time.monotonic() >= ask_at
            result = self._await_check("question" if asks else "ready")
            asked = time.monotonic()
            question_at = asked if asks else question_at
            busy = isinstance(result, ServerBusy)
            if asks and not busy and isinstance(result, CheckFailure):
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
            if busy or not isinstance(result, CheckFailure):
                answered = asked
                ready_failures = ready_failures if asks else 0
                continue
            ready_failures += 1
            patience = self._definition["answer_timeout"] if result.timed_out else 0
            if ready_failures >= READY_FAILURES and asked - answered >= patience:
                return result
