"""The server of one start: its process with all that it starts, and the checks that it is asked.

Python 3.6 and its standard library, as all of the supervisor.
"""

import os
import signal
import subprocess
import threading
import time
from typing import Any, Callable, Dict, Optional

from client_http import Address, CheckFailure, read_key
from client_questions import Answer, ask, ask_streaming, check_ready
from supervisor_output import Output
from supervisor_processes import INSTANCE_VARIABLE, ProcessTable, list_members, send_signal

#: Seconds between two looks at the processes of a server that is to end.
END_INTERVAL_S = 0.05
#: Seconds in which the last lines of a process that has ended come out of the pipe.
OUTPUT_TIMEOUT_S = 1.0
#: Environment variable by which mlu-fleet's own server finds the key; others may use it.
KEY_VARIABLE = "MLUFLEET_SERVE_KEY_FILE"


def encode(word: str) -> bytes:
    """Encode a word of a command as UTF-8, whatever the locale of the image says."""
    return word.encode("utf-8", "surrogateescape")


class Server:
    """A process that was started once; the next start is another one.

    Attributes:
        pid: Its process id.
    """

    def __init__(
        self, definition: Dict[str, Any], instance: Dict[str, Any], table: ProcessTable, start: int
    ) -> None:
        self._instance, self._table = instance, table
        self._several = len(definition["instances"]) > 1
        self._mark = "{}-{}-{}".format(os.getpid(), instance["name"], start)
        self._environment = dict(os.environ, PYTHONUNBUFFERED="1", PATH=definition["path"])
        self._environment[KEY_VARIABLE] = definition["key_file"]
        self._environment.update(instance["environment"])
        self._environment[INSTANCE_VARIABLE] = self._mark
        if not self._environment[KEY_VARIABLE]:
            del self._environment[KEY_VARIABLE]
        self._output: Optional[Output] = None
        self.pid = 0

    def start(self, emit: Callable[[str, Any], None]) -> None:
        """Start the process and the threads that wait for its output and its end.

        Args:
            emit: Called with `exit` and the status at its end, and with `fault` once its output
                tells of a fault of a card.

        Raises:
            CheckFailure: It cannot be started.
        """
        try:
            process = self._table.start(
                args=[encode(word) for word in self._instance["command"]],
                cwd=self._instance["workdir"],
                env={encode(name): encode(value) for name, value in self._environment.items()},
            )
        except (OSError, ValueError) as error:
            raise CheckFailure("SERVE_CRASHED", f"cannot be started: {error}") from None
        self.pid = process.pid
        prefix = "[{}] ".format(self._instance["name"]).encode() if self._several else b""
        self._output = Output(process.stdout, prefix, lambda: emit("fault", None))
        self._output.start()

        def await_end(process: "subprocess.Popen[bytes]" = process) -> None:
            emit("exit", self._table.wait(process))

        threading.Thread(target=await_end, daemon=True).start()

    @property
    def card_fault(self) -> str:
        """The last line that told of a fault of a card; "" once the model has answered since."""
        return self._output.card_fault if self._output else ""

    @card_fault.setter
    def card_fault(self, line: str) -> None:
        if self._output:
            self._output.card_fault = line

    def read_last_lines(self) -> str:
        """Return the end of the output of a process that has ended."""
        if self._output is None:
            return ""
        self._output.join(OUTPUT_TIMEOUT_S)
        return self._output.last_lines()

    def end(self, grace: float, kill_timeout: float, on_stuck: Callable[[str], None]) -> None:
        """End all of its processes: SIGTERM, after `grace` seconds SIGKILL.

        One that the kernel does not end keeps its card. It is told of by `on_stuck` and waited
        for, as no other server could use the card.
        """
        send_signal(list_members(self.pid, self._mark), signal.SIGTERM)
        if not self._await_members(grace):
            waited = 0.0
            while True:
                send_signal(list_members(self.pid, self._mark), signal.SIGKILL)
                if self._await_members(kill_timeout):
                    break
                waited += kill_timeout
                left = list_members(self.pid, self._mark)
                on_stuck(f"process {left} does not end, {waited:g} s after SIGKILL")
        if self._output is not None:
            self._output.join(OUTPUT_TIMEOUT_S)

    def _await_members(self, seconds: float) -> bool:
        """Wait until no process of the server lives; say whether that came in time."""
        end = time.monotonic() + seconds
        while list_members(self.pid, self._mark):
            if time.monotonic() >= end:
                return False
            time.sleep(END_INTERVAL_S)
        return True


def run_check(kind: str, definition: Dict[str, Any], port: int, ready_timeout: float) -> Any:
    """Do a check; it always ends with a result.

    Args:
        kind: `ready` for the ready path, `question`, or `cold` for the first question of a start.
        definition: The supervisor's definition.
        port: Port of the instance.
        ready_timeout: Seconds for an answer of the ready path.

    Returns:
        A failure, an answer, or `None` for a ready path that answers.
    """
    try:
        address = Address("127.0.0.1", port, read_key(definition["key_file"]))
        if kind == "ready":
            check_ready(definition, address, ready_timeout)
            return None
        return _ask_question(kind, definition, address)
    except CheckFailure as failure:
        return failure
    except Exception as error:  # a check must not end without a result
        return CheckFailure("SERVE_WRONG", f"{kind}: {error!r}")


def _ask_question(kind: str, definition: Dict[str, Any], address: Address) -> Answer:
    timeout = definition["answer_timeout"]
    if kind == "cold" and definition["api"] == "openai":
        try:
            return ask_streaming(definition, address, timeout)
        except CheckFailure as failure:
            if failure.code != "SERVE_WRONG":
                raise
            # it may answer without a stream, as it does later: that the proof tells
    answer = ask(definition, address, timeout)
    return answer._replace(first_s=-1.0) if kind == "cold" else answer
