"""HTTP as the client of an endpoint speaks it: a request, all of its answer, in time.

Python 3.6 and its standard library, as all of the client. The address itself is asked: the
environment's proxies are not used, redirections not followed.
"""

import http.client
import json
import re
import socket
import threading
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple

#: Most bytes of a body that are read.
BODY_LIMIT = 1 << 20
#: Characters of a foreign text that are repeated in a reason or in the result.
EXCERPT_LENGTH = 200
#: What the vendor's software prints when a card fails: its errors by name or number, memory that
#: is used up, a device node that cannot be opened.
CARD_FAULT = re.compile(
    r"CNRT error|cnrtError\w+|MLU out of memory|"
    r"(?:No such (?:file|device)|Permission denied|Input/output error)[^\n]*/dev/cambricon|"
    r"/dev/cambricon[^\n]*(?:No such (?:file|device)|Permission denied|Input/output error)",
    re.IGNORECASE,
)


class CheckFailure(Exception):
    """What is wrong with an endpoint.

    Attributes:
        code: Failure code.
        reason: Its details.
        timed_out: Whether it was reached and only did not answer in time, as a busy server may.
    """

    def __init__(self, code: str, reason: str, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.code = "SERVE_CARD" if CARD_FAULT.search(reason) else code
        self.reason = reason
        self.timed_out = timed_out


class Unavailable(CheckFailure):
    """The server says itself that it does not answer yet, or not now.

    By a status other than 200, or by a list of models without its own, as a server does whose
    workers have not reported yet.
    """


class ServerBusy(CheckFailure):
    """The server refused a question with status 429, as too many wait: it is alive."""


def is_wrong_answer(result: Any) -> bool:
    """Return whether a check failed because of what a complete answer with status 200 says."""
    is_failure = isinstance(result, CheckFailure) and not isinstance(result, Unavailable)
    return is_failure and result.code == "SERVE_WRONG"


class Address(NamedTuple):
    """Where an endpoint is, and the key that it wants ("" for none)."""

    host: str
    port: int
    key: str = ""


def read_key(path: str) -> str:
    """Read the key that clients send; "" if there is no file to read."""
    if not path:
        return ""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckFailure("SERVE_WRONG", f"the key cannot be read: {error}") from error


class _Watchdog:
    """Ends a connection at a time: a server that sends a byte now and then is late as well."""

    def __init__(self, connection: http.client.HTTPConnection, timeout: float) -> None:
        self.late = False
        self._socket = connection.sock
        self._timer = threading.Timer(timeout, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        self.late = True
        with suppress(OSError):  # it may just have been closed
            self._socket.shutdown(socket.SHUT_RDWR)

    def cancel(self) -> None:
        self._timer.cancel()


def excerpt(text: str) -> str:
    """Return the beginning of a foreign text in one line."""
    return " ".join(text.split())[:EXCERPT_LENGTH]


@contextmanager
def send(
    address: Address, method: str, path: str, body: Optional[str], timeout: float
) -> Iterator[http.client.HTTPResponse]:
    """Send a request; its response is to be read within the block, all of it in time."""
    what = f"{method} {path}"
    headers = {"Connection": "close", "Accept": "*/*"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if address.key:
        headers["Authorization"] = "Bearer " + address.key
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    watchdog = None
    try:
        connection.connect()
        watchdog = _Watchdog(connection, timeout)
        connection.request(method, path, None if body is None else body.encode(), headers)
        yield connection.getresponse()
        if watchdog.late:
            raise socket.timeout()
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = isinstance(error, socket.timeout) or (watchdog is not None and watchdog.late)
        if late:
            reason = f"{what}: no complete answer within {timeout:g} s"
        else:
            reason = f"{what}: {excerpt(str(error)) or type(error).__name__}"
        raise CheckFailure("SERVE_SILENT", reason, timed_out=late) from error
    finally:
        if watchdog is not None:
            watchdog.cancel()
        connection.close()


def request_text(
    address: Address, method: str, path: str, body: Optional[str], timeout: float
) -> Tuple[int, str]:
    """Send a request and read the whole answer.

    Args:
        address: The endpoint.
        method: GET or POST.
        path: The path.
        body: The body of a POST request; `None` for no body.
        timeout: Seconds for all of it.

    Returns:
        The status and the text.

    Raises:
        CheckFailure: It cannot be reached, drops the connection, is late or sends too much.
    """
    with send(address, method, path, body, timeout) as response:
        content = response.read(BODY_LIMIT + 1)
        if response.length and len(content) <= BODY_LIMIT:
            raise http.client.IncompleteRead(content, response.length)
    what = f"{method} {path}"
    if len(content) > BODY_LIMIT:
        raise CheckFailure("SERVE_WRONG", f"{what}: more than {BODY_LIMIT} bytes")
    try:
        return response.status, content.decode("utf-8")
    except UnicodeDecodeError:
        raise CheckFailure("SERVE_WRONG", f"{what}: the answer is not UTF-8") from None


def check_status(status: int, text: str, what: str) -> None:
    """Raise what another status than 200 means."""
    if status == 429:
        raise ServerBusy("SERVE_SILENT", f"{what}: status 429")
    if status != 200:
        raise Unavailable("SERVE_WRONG", f"{what}: status {status}: {excerpt(text)}".rstrip(": "))


def parse_json(text: str, what: str) -> Dict[str, Any]:
    """Parse an answer that must be a JSON object."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CheckFailure("SERVE_WRONG", f"{what}: no JSON object: {excerpt(text)}")
    return value
