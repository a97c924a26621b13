"""Delivery of messages: a thread per receiver, so that none holds up another or the watch."""

from __future__ import annotations

import logging
import smtplib
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from email.message import EmailMessage
from email.utils import format_datetime, localtime
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Protocol

from typing_extensions import override

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.secret_files import read_secret
from fleet.text import sanitize
from mlufleet.watch.notices import forms
from mlufleet.watch.notices.messages import Message, compose_message
from mlufleet.watch.notices.receivers import (
    HttpReceiver,
    Mail,
    NoticeSettings,
    ReceiverBase,
)
from mlufleet.watch.notices.time_limit import (
    LimitedHandler,
    LimitedSmtp,
    LimitedSmtpTls,
    TimeLimit,
)
from mlufleet.watch.problems import Change

LOG = logging.getLogger(__name__)
#: seconds until the next try after the first failure; doubles with each
FIRST_RETRY_S = 5.0
MAX_RETRY_S = 600.0
#: seconds between two messages to one receiver: chat robots take 20 a minute
MIN_INTERVAL_S = 4.0
#: seconds between two looks at the queue while it is emptied
FLUSH_POLL_S = 0.1
#: messages about the watch itself that wait for a receiver that does not answer; older ones go
MAX_ANNOUNCED = 20
#: bytes of an answer that are read
MAX_ANSWER_BYTES = 65536
#: stands for a secret in what a receiver says
HIDDEN = "[secret]"
#: ports of mail servers
SMTP_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class NoticeQueue(Protocol):
    """What delivery needs of the store."""

    def list_untold(self, receiver: str) -> Sequence[tuple[int, Change]]:
        """Return the changes since the last one that a receiver was told, with their numbers.

        A receiver that was not there before begins with what changes from now on.
        """

    def mark_told(self, receiver: str, number: int) -> None:
        """Note that a receiver knows everything up to a change."""


class DeliveryError(Exception):
    """A receiver did not take a message. Its text names no secret."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A message goes where the settings say, or nowhere."""

    @override
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def send_message(receiver: ReceiverBase, message: Message, now: float) -> None:
    """Bring a message to a receiver.

    Args:
        receiver: The receiver.
        message: The message.
        now: Seconds since the epoch.

    Raises:
        DeliveryError: It did not take the message.
    """
    try:
        with TimeLimit(receiver.timeout) as limit:
            _send(receiver, message, now, limit)
    except InvalidInput as error:
        raise DeliveryError(str(error)) from None
    except DeliveryError as error:
        raise DeliveryError(hide_secrets(str(error), receiver.read_secrets())) from None


def _send(receiver: ReceiverBase, message: Message, now: float, limit: TimeLimit) -> None:
    try:
        if isinstance(receiver, HttpReceiver):
            _post(receiver, forms.build_request(receiver, message, now), limit)
        elif isinstance(receiver, Mail):
            _mail(receiver, message, limit)
        else:
            raise TypeError(type(receiver).__name__)
    except DeliveryError:
        if not limit.is_over:
            raise
    if limit.is_over:  # whatever a conversation looks like that was cut
        raise DeliveryError(_("no answer within {seconds:g} s", seconds=receiver.timeout))


def hide_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return what a receiver said without the secrets that it was sent, and may have quoted.

    Args:
        text: What it said.
        secrets: The secrets.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _read_answer(answer: HTTPResponse) -> bytes:
    """Return the begin of an answer."""
    body = b""
    while len(body) < MAX_ANSWER_BYTES and (block := answer.read1(MAX_ANSWER_BYTES)):
        body += block
    return body


def _post(receiver: HttpReceiver, request: forms.HttpRequest, limit: TimeLimit) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "mlu-fleet"}
    opener = urllib.request.build_opener(_NoRedirect, LimitedHandler(limit))
    call = urllib.request.Request(request.url, request.body, {**headers, **request.headers})
    try:
        with opener.open(call, timeout=receiver.timeout) as answer:
            status, body = answer.status, _read_answer(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise DeliveryError(_("HTTP status {status}", status=error.code)) from None
    except (OSError, HTTPException, ValueError) as error:
        # the error may quote the URL, and that may be the secret
        reason = getattr(error, "reason", error)
        said = getattr(reason, "strerror", None) or type(reason).__name__
        raise DeliveryError(_("no answer: {said}", said=said)) from None
    if refusal := forms.find_refusal(receiver, status, body):
        raise DeliveryError(sanitize.escape_line(refusal))


def _mail(receiver: Mail, message: Message, limit: TimeLimit) -> None:
    mail = EmailMessage()
    mail["Subject"] = message.title
    mail["From"], mail["To"] = receiver.sender, ", ".join(receiver.to)
    mail["Date"] = format_datetime(localtime())
    mail["Message-ID"] = f"<{message.identity}.{receiver.name}@mlu-fleet.invalid>"
    mail.set_content("\n".join(message.lines) + "\n")
    port, context = receiver.port or SMTP_PORTS[receiver.security], ssl.create_default_context()
    try:
        if receiver.security == "tls":
            server: smtplib.SMTP = LimitedSmtpTls(
                limit, receiver.host, port, timeout=receiver.timeout, context=context
            )
        else:
            server = LimitedSmtp(limit, receiver.host, port, timeout=receiver.timeout)
        with server:
            if receiver.security == "starttls":
                server.starttls(context=context)
            if receiver.password_file:
                secret = read_secret(receiver.password_file, f"{receiver.name}: password_file")
                server.login(receiver.user, secret)
            server.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        said = getattr(error, "strerror", None) or getattr(error, "smtp_error", b"") or error
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise DeliveryError(
            _("mail server: {said}", said=sanitize.join_lines(text)[:200])
        ) from None


class Notifier:
    """Tells receivers what changes, each in a thread of its own.

    Args:
        settings: The receivers.
        queue: What is to be told.
        clock: Returns seconds since the epoch.

    Attributes:
        errors: Receiver -> why it did not take the last message; empty if it did.
    """

    def __init__(
        self, settings: NoticeSettings, queue: NoticeQueue, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings, self.queue, self.clock = settings, queue, clock
        self.errors = {receiver.name: "" for receiver in settings.receivers}
        self._announced: dict[str, list[Message]] = {name: [] for name in self.errors}
        self._collect_s = settings.collect
        self._changed, self._is_stopping = threading.Condition(), False
        #: how often :meth:`wake` was called: what came between two looks at the queue is not missed
        self._wakes = 0
        self._threads = [
            threading.Thread(
                target=self._work, args=(one,), name=f"notices {one.name}", daemon=True
            )
            for one in settings.receivers
        ]

    def start(self) -> None:
        """Begin to tell."""
        for receiver in self.settings.receivers:
            self.queue.list_untold(receiver.name)  # a new one begins here
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look at the queue now: something was added to it."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()

    def announce(self, text: str) -> None:
        """Tell every receiver something about the watch itself, which is not in the queue.

        Args:
            text: One line.
        """
        message = Message(f"watch-{self.clock():.3f}", _("mlu-fleet: {text}", text=text), (), ())
        with self._changed:
            for waiting in self._announced.values():
                waiting.append(message)
                del waiting[:-MAX_ANNOUNCED]
        self.wake()

    def flush(self, timeout_s: float) -> None:
        """Tell everything now that is to be told, and wait for it.

        Args:
            timeout_s: How long to wait for receivers.
        """
        self._collect_s = 0
        self.wake()
        end = time.monotonic() + timeout_s
        for receiver in self.settings.receivers:
            while self.queue.list_untold(receiver.name) and time.monotonic() < end:
                time.sleep(FLUSH_POLL_S)

    def stop(self, timeout_s: float) -> None:
        """End the threads; what was not told stays in the queue.

        Args:
            timeout_s: How long to wait for a message that is on its way.
        """
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))

    def _work(self, receiver: ReceiverBase) -> None:
        delay_s = FIRST_RETRY_S
        while not self._is_stopping:
            wakes = self._wakes
            try:
                wait_s = self.tell(receiver)
            except DeliveryError as error:
                if self.errors[receiver.name] != str(error):
                    LOG.warning(
                        "%s",
                        _(
                            "notices: {receiver}: {error}; trying again",
                            receiver=receiver.name,
                            error=error,
                        ),
                    )
                self.errors[receiver.name] = str(error)
            except Exception as error:  # a thread that ended would never tell anything again
                LOG.exception("notices: %s", receiver.name)
                self.errors[receiver.name] = f"{type(error).__name__}: {error}"
            else:
                delay_s = FIRST_RETRY_S
                self._await_wake(wakes, wait_s)
                continue
            self._sleep(delay_s)
            delay_s = min(2 * delay_s, MAX_RETRY_S)

    def _await_wake(self, wakes: int, seconds: float | None) -> None:
        """Wait until :meth:`wake` was called more often than so many times, or time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping or self._wakes != wakes, seconds)

    def _sleep(self, seconds: float) -> None:
        """Wait, whatever is added to the queue meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping, seconds)

    def tell(self, receiver: ReceiverBase) -> float | None:
        """Tell a receiver what has changed, if that was collected for long enough.

        Args:
            receiver: The receiver.

        Returns:
            Seconds after which there may be something to tell; None if only :meth:`wake` knows.

        Raises:
            DeliveryError: It did not take the message, which stays in the queue.
        """
        waiting = self._announced[receiver.name]
        with self._changed:
            announced = list(waiting)
        for message in announced:
            self._send(receiver, message)
            with self._changed:
                if message in waiting:  # else it had to go meanwhile
                    waiting.remove(message)
        changes = self.queue.list_untold(receiver.name)
        if not changes:
            return None
        age_s = self.clock() - changes[0][1].time
        if 0 <= age_s < self._collect_s:
            return self._collect_s - age_s
        found = compose_message(changes, receiver.kinds, self.settings)
        if found is not None:
            send_message(receiver, found, self.clock())
        self.queue.mark_told(receiver.name, changes[-1][0])
        self.errors[receiver.name] = ""
        if found is not None:
            self._sleep(MIN_INTERVAL_S)
        return 0.0

    def _send(self, receiver: ReceiverBase, message: Message) -> None:
        send_message(receiver, message, self.clock())
        self.errors[receiver.name] = ""
        self._sleep(MIN_INTERVAL_S)
