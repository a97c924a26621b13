"""Messages reach receivers that are up, and wait for those that are not."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fleet import language
from fleet.errors import InvalidInput
from fleet.language import CHINESE, ENGLISH, n_
from mlufleet.watch.notices import delivery
from mlufleet.watch.notices.delivery import DeliveryError, Notifier, send_message
from mlufleet.watch.notices.messages import Message, compose_message
from mlufleet.watch.notices.receivers import NoticeSettings, load_settings
from mlufleet.watch.problems import Change, Problem
from tests.unit.mlufleet.watch.notices.robots import SECRET, TOKEN, Robots, drip, listening
from tests.waiting import until

SETTINGS = """\
collect: 0
receivers:
  - {name: hook, type: webhook, url: %(url)s/hook, token_file: %(folder)s/token}
  - {name: ding, type: dingtalk, url_file: %(folder)s/ding, secret_file: %(folder)s/key,
     keyword: 告警}
  - {name: lark, type: feishu, url: %(url)s/feishu, secret_file: %(folder)s/key}
  - {name: wecom, type: wecom, url_file: %(folder)s/wecom}
"""


def change(host: str, kind: str = "opened", code: str = "CARD_DROPPED", at: float = 1000) -> Change:
    problem = Problem(code, "0000:39:00.0", "a card has dropped off the bus", "Power-cycle it.")
    return Change(at, host, kind, problem, at - 60)


def new_problems(count: int) -> str:
    return n_("{count} new problem", "{count} new problems", count)


class Queue:
    """What the store keeps for receivers."""

    def __init__(self, *changes: Change) -> None:
        self.changes = list(enumerate(changes, 1))
        self.told: dict[str, int] = {}

    def list_untold(self, receiver: str) -> list[tuple[int, Change]]:
        told = self.told.setdefault(receiver, 0)
        return [(number, one) for number, one in self.changes if number > told]

    def mark_told(self, receiver: str, number: int) -> None:
        self.told[receiver] = number


@pytest.fixture
def robots() -> Iterator[Robots]:
    with listening() as found:
        yield found


@pytest.fixture(params=[ENGLISH, CHINESE])
def spoken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both languages in turn: the watch speaks that one."""
    monkeypatch.setenv(language.LANGUAGE_VARIABLE, ENGLISH)
    language.use_language(request.param)
    yield
    language._load_catalog.cache_clear()


def load(folder: Path, robots: Robots, text: str = SETTINGS) -> NoticeSettings:
    secrets = {
        "token": TOKEN,
        "key": SECRET,
        "ding": f"{robots.url}/dingtalk?access_token={TOKEN}",
        "wecom": f"{robots.url}/wecom?key={TOKEN}",
    }
    for name, secret in secrets.items():
        (folder / name).write_text(f"{secret}\n")
        (folder / name).chmod(0o600)
    (folder / "notices.yml").write_text(text % {"url": robots.url, "folder": folder})
    return load_settings(folder / "notices.yml")


def message(*changes: Change) -> Message:
    found = compose_message(
        list(enumerate(changes, 1)), ("opened",), NoticeSettings.model_construct()
    )
    assert found is not None
    return found


def test_each_receiver_gets_it_in_its_own_form(
    tmp_path: Path, robots: Robots, spoken: None
) -> None:
    settings = load(tmp_path, robots)
    for receiver in settings.receivers:
        send_message(receiver, message(change("mlu1")), time.time())
    for kind in ("dingtalk", "feishu", "wecom"):
        (text,) = robots.taken[kind]
        assert "mlu1" in text and "CARD_DROPPED 0000:39:00.0" in text and "Power-cycle" in text
        assert new_problems(1) in text
    (document,) = robots.taken["hook"]
    (told,) = document["changes"]
    assert document.keys() == {"version", "id", "title", "text", "changes"}
    assert (told["kind"], told["code"], told["subject"]) == (
        *("opened", "CARD_DROPPED", "0000:39:00.0"),
    )
    assert document["version"] == 1 and new_problems(1) in document["title"]


def test_the_words_of_a_host_call_nobody(tmp_path: Path, robots: Robots) -> None:
    settings = load(tmp_path, robots)
    hostile = Change(
        1, "h", "opened", Problem("DRIFT", "", '<@all> <at user_id="all"></at>', "x"), 0
    )
    for receiver in settings.receivers[2:]:
        send_message(receiver, message(hostile), time.time())
    for kind in ("feishu", "wecom"):
        assert "<" not in robots.taken[kind][0] and "＜@all" in robots.taken[kind][0]


def test_a_long_message_is_cut_to_what_a_robot_takes(tmp_path: Path, robots: Robots) -> None:
    receiver = load(tmp_path, robots).receivers[3]
    told = message(*(change(f"主机{number}", code=f"X{number}") for number in range(200)))
    send_message(receiver, told, time.time())
    (text,) = robots.taken["wecom"]
    assert len(text.encode()) <= 2048 and "more lines" in text


@pytest.mark.parametrize(
    ("name", "file", "said"),
    [("ding", "key", "310000"), ("lark", "key", "19021"), ("wecom", "wecom", "93000")],
)
def test_a_refusal_is_told_without_the_secret(
    tmp_path: Path, robots: Robots, name: str, file: str, said: str
) -> None:
    settings = load(tmp_path, robots)
    wrong = (tmp_path / file).read_text().replace("kept", "lost")
    (tmp_path / file).write_text(wrong)
    receiver = next(one for one in settings.receivers if one.name == name)
    with pytest.raises(DeliveryError, match=said) as raised:
        send_message(receiver, message(change("mlu1")), time.time())
    assert "everybody" not in str(raised.value) and name not in robots.taken


@pytest.mark.parametrize("name", ["ding", "wecom"])
def test_a_refusal_that_quotes_the_secret_is_told_without_it(
    tmp_path: Path, robots: Robots, name: str
) -> None:
    settings = load(tmp_path, robots)
    robots.quotes = True
    receiver = next(one for one in settings.receivers if one.name == name)
    with pytest.raises(DeliveryError, match="code 1") as raised:
        send_message(receiver, message(change("mlu1")), time.time())
    assert TOKEN not in str(raised.value) and "[secret]" in str(raised.value)


@pytest.mark.parametrize("part", ["header", "body"])
def test_an_answer_in_drops_is_a_failure_in_time(tmp_path: Path, robots: Robots, part: str) -> None:
    text = SETTINGS.replace("type: webhook,", "type: webhook, timeout: 1,")
    settings = load(tmp_path, robots, text)
    robots.drips = part
    with pytest.raises(DeliveryError, match="no answer within 1 s"):
        send_message(settings.receivers[0], message(change("mlu1")), time.time())


def test_a_mail_server_in_drops_is_a_failure_in_time(tmp_path: Path, robots: Robots) -> None:
    def greet(sock: socket.socket) -> None:
        with sock, suppress(OSError), sock.makefile("wb", 0) as stream:
            drip(stream, b"220-mail")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: greet(listener.accept()[0]), daemon=True).start()
        settings = load(
            tmp_path,
            robots,
            "receivers:\n- {name: post, type: mail, host: 127.0.0.1, timeout: 1, "
            f"security: none, port: {listener.getsockname()[1]}, sender: a@b, to: [c@d]}}",
        )
        with pytest.raises(DeliveryError, match="no answer within 1 s"):
            send_message(settings.receivers[0], message(change("mlu1")), time.time())


@pytest.mark.parametrize("status", [302, 429, 500])
def test_an_error_or_a_redirect_is_a_failure(tmp_path: Path, robots: Robots, status: int) -> None:
    settings = load(tmp_path, robots)
    robots.status = status
    with pytest.raises(DeliveryError, match=str(status)):
        send_message(settings.receivers[0], message(change("mlu1")), time.time())
    assert not robots.taken


def test_nothing_that_listens_is_a_failure_without_the_url(tmp_path: Path, robots: Robots) -> None:
    settings = load(tmp_path, robots)
    url = f"http://127.0.0.1:1/dingtalk?access_token={TOKEN}\n"
    (tmp_path / "ding").write_text(url)
    with pytest.raises(DeliveryError) as raised:
        send_message(settings.receivers[1], message(change("mlu1")), time.time())
    assert TOKEN not in str(raised.value)


def test_a_receiver_that_is_down_holds_up_no_other_and_is_told_later(
    tmp_path: Path, robots: Robots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(delivery, "MIN_INTERVAL_S", 0.0)
    settings = load(tmp_path, robots)
    (tmp_path / "wecom").write_text("http://127.0.0.1:1/wecom\n")
    queue = Queue(change("mlu1"))
    notifier = Notifier(settings, queue)
    notifier.start()
    try:
        until(lambda: {"hook", "dingtalk", "feishu"} <= robots.taken.keys())
        until(lambda: notifier.errors["wecom"])
        queue.changes.append((2, change("mlu2")))
        (tmp_path / "wecom").write_text(f"{robots.url}/wecom?key={TOKEN}\n")
        notifier.wake()
        until(lambda: queue.told["wecom"] == 2 and not any(notifier.errors.values()))
    finally:
        notifier.stop(5)
    until(lambda: queue.told == dict.fromkeys(("hook", "ding", "lark", "wecom"), 2))
    # the one that was down was told both at once, and nobody was told anything twice
    assert ["mlu1" in text and "mlu2" in text for text in robots.taken["wecom"]] == [True]
    assert [len(document["changes"]) for document in robots.taken["hook"]] == [1, 1]


class LateQueue(Queue):
    """One to which something is added just after a receiver has looked, and found nothing."""

    notifier: Notifier

    def list_untold(self, receiver: str) -> list[tuple[int, Change]]:
        is_first = receiver not in self.told  # that of the start
        found = super().list_untold(receiver)
        if not self.changes and not is_first:
            self.changes.append((1, change("mlu1")))
            self.notifier.wake()
        return found


def test_what_comes_between_a_look_and_the_wait_is_told(tmp_path: Path, robots: Robots) -> None:
    text = "".join(SETTINGS.splitlines(keepends=True)[:3])  # the first receiver
    queue = LateQueue()
    queue.notifier = Notifier(load(tmp_path, robots, text), queue)
    queue.notifier.start()
    try:
        until(lambda: queue.told.get("hook") == 1)
    finally:
        queue.notifier.stop(5)
    assert len(robots.taken["hook"]) == 1


class Mailbox:
    """Keeps the mail that a real SMTP server takes."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, how: str, data: Any) -> Any:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == TOKEN.encode())


def make_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "mail.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_mail_goes_encrypted_with_a_login_from_a_file(
    tmp_path: Path, robots: Robots, spoken: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    box = Mailbox()
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(
        box,
        hostname="localhost",
        port=port,
        tls_context=context,
        require_starttls=True,
        authenticator=box.authenticate,
        auth_required=True,
    )
    server.start()
    try:
        settings = load(
            tmp_path,
            robots,
            "receivers:\n- {name: post, type: mail, host: localhost, "
            f"port: {port}, user: mlu, password_file: %(folder)s/token, "
            "sender: mlu@example.org, to: [ops@example.org]}",
        )
        with pytest.raises(DeliveryError):  # a certificate that nobody vouches for
            send_message(settings.receivers[0], message(change("mlu1")), time.time())
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        send_message(settings.receivers[0], message(change("主机1")), time.time())
    finally:
        server.stop()
    (mail,) = box.mails
    assert box.logins == [(b"mlu", TOKEN.encode())]
    assert new_problems(1) in mail["Subject"] and "主机1" in mail.get_content()
    assert mail["To"] == "ops@example.org" and mail["Message-ID"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("receivers: []", "receivers"),
        ("receivers: [{name: a, type: hook}]", "notices.yml:1: receivers.0"),
        ("receivers: [{name: a, type: webhook}]", "url_file: give either"),
        ("receivers: [{name: a, type: webhook, url: x}]", "expected a URL"),
        ("receivers: [{name: a, type: wecom, url_file: /nowhere}]", "No such file"),
        (
            "receivers:\n- {name: a, type: webhook, url: %(url)s}\n"
            "- {name: a, type: webhook, url: %(url)s}",
            "notices.yml:3: receivers.1.name: 'a' is there twice",
        ),
        (
            "receivers: [{name: a, type: mail, host: h, user: u, password_file: p, "
            "security: none, sender: a@b, to: [c@d]}]",
            "clear text",
        ),
        ("receivers: [{name: a, type: webhook, url: %(url)s, kinds: [broken]}]", "kinds"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(
    tmp_path: Path, robots: Robots, text: str, said: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        load(tmp_path, robots, text)
    assert said in str(raised.value)


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, robots: Robots) -> None:
    load(tmp_path, robots)
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(InvalidInput, match=r"token_file: .*chmod 600"):
        load_settings(tmp_path / "notices.yml")
