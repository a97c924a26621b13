"""Who is told, as a file says: web services, chat groups and mail, with secrets in files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import Self, override

from fleet.documents import loading
from fleet.documents.types import (
    Bool,
    Int,
    Model,
    Name,
    build_field_error,
    check_http_url,
    matching,
)
from fleet.errors import InvalidInput
from fleet.language import N_, _
from fleet.secret_files import read_secret

#: Fields that name the file of a secret; that of a URL has other rules.
SECRET_FIELDS = ("token_file", "secret_file", "password_file")
#: Parts of a secret URL of that length are secrets themselves: shorter ones are words.
MIN_SECRET_LENGTH = 9

#: Kinds of changes that can be told; see :class:`mlufleet.watch.problems.Change`.
Kind = Literal["opened", "resolved", "flapping", "rebooted", "quarantined", "released"]
TOLD_KINDS: tuple[Kind, ...] = get_args(Kind)

Url = Annotated[str, AfterValidator(check_http_url)]
MailAddress = Annotated[str, matching(r"[^@\s<>,]+@[^@\s<>,]+", N_("an address: name@example.org"))]


class ReceiverBase(Model):
    """What all receivers have."""

    #: Name in messages about the receiver, and in the store: a renamed receiver is a new one.
    name: Name
    #: Kinds of changes that it is told.
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = TOLD_KINDS
    #: Seconds that it may take to answer.
    timeout: Annotated[Int, Field(ge=1, le=120)] = 10

    def read_secrets(self) -> list[str]:
        """Return what no message or log may have, also if the receiver quotes it.

        Raises:
            InvalidInput: The file of a secret cannot be used.
        """
        return [
            read_secret(path, f"{self.name}: {field}")
            for field in SECRET_FIELDS
            if (path := getattr(self, field, None))
        ]


class HttpReceiver(ReceiverBase):
    """A receiver with a URL, which may itself be the secret."""

    #: URL, if there is no secret in it.
    url: Url | None = None
    #: File with the URL, if there is.
    url_file: str | None = None

    @override
    def read_secrets(self) -> list[str]:
        secrets = super().read_secrets()
        if self.url_file is None:
            return secrets
        url = self.read_url()
        parts = urlsplit(url)
        words = [*parts.path.split("/"), *re.split("[&=]", parts.query)]
        long = [word for word in words if len(word) >= MIN_SECRET_LENGTH]
        return [*secrets, url, *long, *map(unquote, long)]

    @model_validator(mode="after")
    def _check_one_url(self) -> Self:
        if (self.url is None) == (self.url_file is None):
            raise build_field_error(_("give either `url` or `url_file`"), "url_file")
        return self

    def read_url(self) -> str:
        """Return the URL.

        Raises:
            InvalidInput: Its file cannot be used.
        """
        if self.url is not None:
            return self.url
        assert self.url_file is not None
        url = read_secret(self.url_file, f"{self.name}: url_file")
        try:
            return check_http_url(url) or ""
        except ValueError:
            raise InvalidInput(
                _(
                    "{receiver}: url_file: {path}: expected a URL (https://…) in it",
                    receiver=self.name,
                    path=self.url_file,
                )
            ) from None


class Webhook(HttpReceiver):
    """A web service that takes JSON."""

    type: Literal["webhook"]
    #: File with a token, sent as `Authorization: Bearer`.
    token_file: str | None = None


class Robot(HttpReceiver):
    """A robot of a chat group."""

    #: Word that the group's robot requires in each message; is put into its title.
    keyword: str = ""


class DingTalk(Robot):
    """A custom robot of a DingTalk group."""

    type: Literal["dingtalk"]
    #: File with the key of its signatures (SEC…).
    secret_file: str | None = None


class Feishu(Robot):
    """A custom robot of a Feishu or Lark group."""

    type: Literal["feishu"]
    #: File with the key of its signatures.
    secret_file: str | None = None


class WeCom(Robot):
    """A robot of a WeCom group; it knows no signatures."""

    type: Literal["wecom"]


class Mail(ReceiverBase):
    """Mail through an SMTP server."""

    type: Literal["mail"]
    #: The server's name or address.
    host: Annotated[str, Field(min_length=1)]
    #: Its port; by default that of `security`.
    port: Annotated[Int, Field(ge=1, le=65535)] | None = None
    #: How the connection is encrypted; "none" is for a server on this machine.
    security: Literal["starttls", "tls", "none"] = "starttls"
    #: Login name; empty for a server that wants none.
    user: str = ""
    #: File with the password of that login.
    password_file: str | None = None
    #: Sender's address.
    sender: MailAddress
    #: Addresses.
    to: Annotated[tuple[MailAddress, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_login(self) -> Self:
        if bool(self.user) != bool(self.password_file):
            raise build_field_error(_("give both `user` and `password_file`, or none"), "user")
        if self.user and self.security == "none":
            raise build_field_error(
                _("a password would be sent in clear text: use starttls or tls"), "security"
            )
        return self


Receiver = Annotated[Webhook | DingTalk | Feishu | WeCom | Mail, Field(discriminator="type")]


class NoticeSettings(Model):
    """The file of `mlufleet watch --notify`."""

    #: Who is told.
    receivers: Annotated[tuple[Receiver, ...], Field(min_length=1)]
    #: Seconds for which changes are collected into one message.
    collect: Annotated[Int, Field(ge=0, le=3600)] = 30
    #: Hosts beyond which a message lists counts instead of every change.
    digest_above: Annotated[Int, Field(ge=1)] = 5
    #: Address of the status page, for the last line of messages.
    status_url: Url | None = None
    #: Whether a problem that was resolved before anybody was told is left out of messages.
    skip_brief: Bool = True

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [receiver.name for receiver in self.receivers]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise build_field_error(
                    _("{name!r} is there twice: rename one", name=name), "receivers", number, "name"
                )
        return self


def load_settings(path: Path) -> NoticeSettings:
    """Read the file of `mlufleet watch --notify`, and check every secret that it names.

    Args:
        path: A YAML file.

    Raises:
        InvalidInput: It, or the file of a secret, cannot be used.
    """
    data, node = loading.read_mapping(path)
    settings = loading.validate_document(NoticeSettings, data, path, node)
    for receiver in settings.receivers:
        check_secrets(receiver)
    return settings


def check_secrets(receiver: ReceiverBase) -> None:
    """Read every secret of a receiver once.

    Args:
        receiver: The receiver.

    Raises:
        InvalidInput: The file of a secret cannot be used.
    """
    if isinstance(receiver, HttpReceiver):
        receiver.read_url()
    receiver.read_secrets()
