"""Fields of a host in an inventory, whether it is YAML, CSV or Ansible."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from fleet.documents.strict_yaml import DECIMAL_PATTERN
from fleet.documents.types import Bool, Int, Model, matching
from fleet.inventory import addresses, ranges
from fleet.language import N_, _
from fleet.release.card_assignment import CardAssignment, find_overlaps
from fleet.release.target import ANY_ADDRESS
from fleet.release.usual_folders import HostFolder


def _check_pattern(pattern: str) -> str:
    ranges.expand_pattern(pattern)
    addresses.check_name(re.sub(r"\[[^\[\]]*\]", "0", pattern))
    return pattern


#: name of a host, or a pattern with ranges in brackets
HostPattern = Annotated[str, AfterValidator(_check_pattern)]


GROUP_NAME = re.compile(r"(?!(?:all|ungrouped)$)[^\W_][\w.-]*")


def check_group(name: str) -> str:
    """Check the name of a group.

    Args:
        name: the name.

    Returns:
        The same name.

    Raises:
        ValueError: pyinfra would refuse it, or --limit would misread it.
    """
    if not GROUP_NAME.fullmatch(name):
        raise ValueError(
            _(
                "invalid group name {name!r}: use letters, digits, '.', '_' and '-', "
                "starting with a letter or digit; `all` and `ungrouped` are reserved",
                name=name[:80],
            )
        )
    addresses.check_legible(name, ascii_only=False)
    return name


def _check_group_pattern(name: str) -> str:
    check_group(ranges.PLACEHOLDER.sub("0", name))
    return name


def _check_ipv4(text: str) -> str:
    if not addresses.IPV4_ADDRESS.fullmatch(text):
        raise ValueError(
            _(
                "{text!r} is not an IPv4 address: write four numbers from 0 to 255 "
                "without leading zeros",
                text=text[:80],
            )
        )
    return addresses.normalize_address(text)


def _check_bound_address(text: str) -> str:
    """Check an address to listen on, which may be all addresses of the host."""
    return text if text == ANY_ADDRESS else _check_ipv4(text)


def _check_port_range(text: str) -> str:
    first, dash, last = text.partition("-")
    if not re.fullmatch(r"\d{1,5}(-\d{1,5})?", text) or not (
        1024 <= int(first) <= int(last or first) <= 65535 and (not dash or last)
    ):
        raise ValueError(
            _(
                "{text!r} is not a range of ports from 1024 to 65535, such as 6881-6999",
                text=text[:80],
            )
        )
    return text


#: host and port of a registry, as images are named by
RegistryHost = Annotated[
    str, matching(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?", N_("a registry: HOST or HOST:PORT"))
]
#: fields that are lists of words; in CSV, blanks separate them
LIST_FIELDS = ("groups", "insecure_registries", "look_in")


class HostData(Model):
    """Fields of a host, or defaults of all hosts."""

    ssh_hostname: str | None = None
    ssh_port: Int | None = Field(default=None, ge=1, le=65535)
    ssh_user: Annotated[str, AfterValidator(addresses.check_login)] | None = None
    ssh_key: str | None = None
    ssh_known_hosts_file: str | None = None
    #: file with the sudo password, which is never put on a command line
    sudo_password_file: str | None = None
    release: str | None = None
    #: several releases, each with its own cards: {baichuan-7b: 0-3, chatglm-6b: 4-7}
    releases: CardAssignment | None = None
    store: str | None = None
    #: number of devices expected on the PCI bus (an X8 board has two)
    cards: Int | None = Field(default=None, ge=1)
    evict: Bool | None = None
    keep_dirty: Bool | None = None
    #: folders of the host, besides the usual ones, where files of its releases may lie already
    look_in: tuple[HostFolder, ...] | None = None
    smoke: Literal["auto", "always", "record"] | None = None
    #: how far `mlufleet watch` may go to mend the host by itself
    remediate: Literal["off", "restart", "repair"] | None = None
    #: whether runs work on the host also while it is in quarantine; meant for `--data`
    include_quarantined: Bool | None = None
    #: how long to wait for other jobs on the cards before a driver change, in seconds; 0: do not
    busy_timeout: Int | None = Field(default=None, ge=0)
    #: how long a reboot may take, in seconds; servers with much memory need minutes
    reboot_timeout: Int | None = Field(default=None, ge=10)
    #: how long a lost connection may take to return, in seconds
    reconnect_timeout: Int | None = Field(default=None, ge=1)
    #: how long to wait for another package manager (unattended upgrades), in seconds
    lock_timeout: Int | None = Field(default=None, ge=0)
    #: files of the key that DKMS signs kernel modules with, and of its certificate
    signing_key: str | None = None
    signing_certificate: str | None = None
    #: level up to which every run validates the host; 3 and 4 are the vendor's suite
    validation: Int | None = Field(default=None, ge=0, le=4)
    #: whether tests may run that load cards and power supplies to their limits
    validation_destructive: Bool | None = None
    #: whether tests that have passed are run again
    validation_again: Bool | None = None
    #: file with tests that replaces files/validation.yml
    validation_tests: str | None = None
    #: file with the baseline of good cards
    golden: str | None = None
    #: IPv4 address of the host that its servers are bound to; 0.0.0.0 for all of them
    serve_address: Annotated[str, AfterValidator(_check_bound_address)] | None = None
    #: file with the key that clients of its servers have to send, never put on a command line
    serve_key: str | None = None
    #: where hosts get images that a release has in a registry and as an archive
    image_source: Literal["auto", "archive", "registry"] | None = None
    #: file with user and password of the registry, which is never put on a command line
    registry_login: str | None = None
    #: file with the certificate of the CA of the site's registry
    registry_ca: str | None = None
    #: registries, HOST or HOST:PORT, that docker may use without TLS
    insecure_registries: tuple[RegistryHost, ...] | None = None
    #: how big files reach several hosts
    distribution: Literal["auto", "ssh", "swarm"] | None = None
    #: `auto` uses a swarm for files of this size in MiB that this many hosts need
    swarm_hosts: Int | None = Field(default=None, ge=1)
    swarm_size: Int | None = Field(default=None, ge=1)
    #: IPv4 address of the controller as hosts reach it
    swarm_address: Annotated[str, AfterValidator(_check_ipv4)] | None = None
    #: TCP ports of the swarm on the controller and every host
    swarm_ports: Annotated[str, AfterValidator(_check_port_range)] | None = None
    #: limit of a host in each direction, in MiB/s; 0: no limit
    swarm_rate: Int | None = Field(default=None, ge=0)
    #: limit of the controller for each file, in MiB/s; 0: no limit
    swarm_seed_rate: Int | None = Field(default=None, ge=0)
    #: groups of pyinfra: `--limit NAME`, `group_data/NAME.py`
    groups: tuple[Annotated[str, AfterValidator(_check_group_pattern)], ...] = ()
    #: any other pyinfra host data
    data: dict[str, Any] = Field(default_factory=dict)

    @field_validator(
        "ssh_hostname",
        "ssh_user",
        "ssh_key",
        "ssh_known_hosts_file",
        "sudo_password_file",
        "store",
        "registry_login",
        "registry_ca",
        "serve_key",
    )
    @classmethod
    def _check_not_blank(cls, text: str | None) -> str | None:
        if text is not None and not text.strip():
            raise ValueError(_("empty: set a value, or remove the field"))
        return text

    @field_validator("remediate", mode="before")
    @classmethod
    def _read_bare_off(cls, value: object) -> object:
        return "off" if value is False else value  # YAML 1.1 reads an unquoted off as false

    @field_validator("data")
    @classmethod
    def _check_data_names(cls, data: dict[str, Any]) -> dict[str, Any]:
        for name in sorted(cls.model_fields.keys() & data.keys()):
            raise ValueError(_("{name} is a field of the host: move it out of `data`", name=name))
        return data

    @model_validator(mode="after")
    def _check_releases(self) -> HostData:
        if self.release is not None and self.releases:
            raise ValueError(_("set either `release`, or `releases` with their cards"))
        releases = self.releases or {}
        if problem := next(find_overlaps(releases), ""):
            raise ValueError(problem)
        last = max((number for cards in releases.values() for number in cards), default=0)
        if self.cards and last >= self.cards:
            raise ValueError(
                _(
                    "card {last} does not exist: the {cards} cards are numbered from 0",
                    last=last,
                    cards=self.cards,
                )
            )
        return self

    def explicit_fields(self) -> dict[str, Any]:
        """Return the fields that are set.

        Returns:
            Values by field, without those that equal the default.
        """
        return self.model_dump(exclude_none=True, exclude_defaults=True)


class Fleet(Model):
    """The content of an inventory: hosts by name or pattern, and defaults of all of them."""

    defaults: HostData = HostData()
    hosts: dict[HostPattern, HostData] = Field(min_length=1)


def parse_value(field: str, text: str) -> Any:
    """Convert a text of a format without types, such as CSV, to the type of its field.

    Args:
        field: name of the field; data of the host have other names.
        text: the text.

    Returns:
        A boolean or an integer if the field allows it and the text looks like one; else the text.
    """
    if not _may_be_typed(field):
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if DECIMAL_PATTERN.fullmatch(text) and len(text) < 30 else text


@cache
def _may_be_typed(field: str) -> bool:
    """Tell whether a field may be a number or a boolean, as data of the host may."""
    info = HostData.model_fields.get(field)
    return info is None or bool({Int, Bool} & set(get_args(info.annotation)))
