"""What can be said of hosts, wherever it is said: YAML, CSV or Ansible."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from fleet.documents.strict_yaml import DECIMAL_PATTERN
from fleet.documents.types import Bool, Int, Model
from fleet.inventory import addresses, ranges
from fleet.release.card_assignment import CardAssignment, find_overlaps


def _check_pattern(pattern: str) -> str:
    ranges.expand_pattern(pattern)
    addresses.check_name(re.sub(r"\[[^\[\]]*\]", "0", pattern))
    return pattern


#: brackets can only be a range
HostPattern = Annotated[str, AfterValidator(_check_pattern)]


GROUP_NAME = re.compile(r"(?!(?:all|ungrouped)$)[A-Za-z0-9][A-Za-z0-9._-]*")


def check_group(name: str) -> str:
    """:raises ValueError: pyinfra would not take it, or --limit would read it otherwise"""
    if not GROUP_NAME.fullmatch(name):
        raise ValueError(
            f"{name[:80]!r} is not a group: a letter or digit, then also . _ and -; "
            "and not all or ungrouped"
        )
    return name


def _check_group_pattern(name: str) -> str:
    check_group(ranges.PLACEHOLDER.sub("0", name))
    return name


def _check_ipv4(text: str) -> str:
    if not addresses.IPV4_ADDRESS.fullmatch(text):
        raise ValueError(
            f"{text[:80]!r} is not an IPv4 address: four numbers from 0 to 255, "
            "without zeros before them"
        )
    return addresses.normalize_address(text)


def _check_port_range(text: str) -> str:
    first, dash, last = text.partition("-")
    if not re.fullmatch(r"\d{1,5}(-\d{1,5})?", text) or not (
        1024 <= int(first) <= int(last or first) <= 65535 and (not dash or last)
    ):
        raise ValueError(f"{text[:80]!r} is not a range of ports from 1024 to 65535: 6881-6999")
    return text


class HostData(Model):
    """What can be said of one host, or as a default of all."""

    ssh_hostname: str | None = None
    ssh_port: Int | None = Field(default=None, ge=1, le=65535)
    ssh_user: Annotated[str, AfterValidator(addresses.check_login)] | None = None
    ssh_key: str | None = None
    ssh_known_hosts_file: str | None = None
    #: file with the sudo password; it is never put into a command line
    sudo_password_file: str | None = None
    release: str | None = None
    #: several on one host, each with its own cards: {baichuan-7b: 0-3, chatglm-6b: 4-7}
    releases: CardAssignment | None = None
    store: str | None = None
    #: devices expected on the PCI bus (an X8 board has two)
    cards: Int | None = Field(default=None, ge=1)
    evict: Bool | None = None
    keep_dirty: Bool | None = None
    smoke: Literal["auto", "always"] | None = None
    #: seconds to wait for foreign jobs on the cards before a driver change; 0: refuse at once
    busy_timeout: Int | None = Field(default=None, ge=0)
    #: seconds a reboot may take; servers with much memory need minutes
    reboot_timeout: Int | None = Field(default=None, ge=10)
    #: seconds in which a connection that is lost has to come back
    reconnect_timeout: Int | None = Field(default=None, ge=1)
    #: seconds to wait for another package manager (unattended upgrades) to end
    lock_timeout: Int | None = Field(default=None, ge=0)
    #: files of the site's key for kernel modules, which DKMS signs with, and of its certificate
    signing_key: str | None = None
    signing_certificate: str | None = None
    #: level up to which every run validates the host: 3 and 4 are the vendor's suite, where it is
    validation: Int | None = Field(default=None, ge=0, le=4)
    #: whether tests may run that load cards and power supplies as far as they go
    validation_destructive: Bool | None = None
    #: whether what has passed is run again
    validation_again: Bool | None = None
    #: file with tests in place of files/validation.yml
    validation_tests: str | None = None
    #: file with what good cards do, as `mlufleet golden` writes it
    golden: str | None = None
    #: how big files come that several hosts of a run want; the others are settings of `swarm`
    distribution: Literal["auto", "ssh", "swarm"] | None = None
    #: hosts that want a file, and its MiB, from which on `auto` is `swarm`
    swarm_hosts: Int | None = Field(default=None, ge=1)
    swarm_size: Int | None = Field(default=None, ge=1)
    #: the controller's, where a host sees another one than it must use
    swarm_address: Annotated[str, AfterValidator(_check_ipv4)] | None = None
    #: TCP, on the controller and on every host
    swarm_ports: Annotated[str, AfterValidator(_check_port_range)] | None = None
    #: MiB/s that a host takes, and that it gives; 0: no limit
    swarm_rate: Int | None = Field(default=None, ge=0)
    #: MiB/s that the controller gives of one file
    swarm_seed_rate: Int | None = Field(default=None, ge=0)
    #: also groups of pyinfra's: `--limit NAME`, `group_data/NAME.py`
    groups: tuple[Annotated[str, AfterValidator(_check_group_pattern)], ...] = ()
    #: anything else pyinfra or a site's own code wants to know
    data: dict[str, Any] = Field(default_factory=dict)

    @field_validator(
        "ssh_hostname", "ssh_user", "ssh_key", "ssh_known_hosts_file", "sudo_password_file", "store"
    )
    @classmethod
    def _check_not_blank(cls, text: str | None) -> str | None:
        if text is not None and not text.strip():
            raise ValueError("an empty text: leave the field out, or fill it in")
        return text

    @field_validator("data")
    @classmethod
    def _check_data_names(cls, data: dict[str, Any]) -> dict[str, Any]:
        for name in sorted(cls.model_fields.keys() & data.keys()):
            raise ValueError(f"{name} is a field of the host: write it beside `data`, not in it")
        return data

    @model_validator(mode="after")
    def _check_releases(self) -> HostData:
        if self.release is not None and self.releases:
            raise ValueError("say `release`, or `releases` with their cards, not both")
        given = self.releases or {}
        if problem := next(find_overlaps(given), ""):
            raise ValueError(problem)
        last = max((number for cards in given.values() for number in cards), default=0)
        if self.cards and last >= self.cards:
            raise ValueError(f"card {last} of {self.cards}: cards are counted from 0")
        return self

    def explicit_fields(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True, exclude_defaults=True)


class Fleet(Model):
    defaults: HostData = HostData()
    hosts: dict[HostPattern, HostData] = Field(min_length=1)


def parse_value(field: str, text: str) -> Any:
    """What a format without types means by a text; as it is where no type fits."""
    known = HostData.model_fields.get(field)
    if known and not {Int, Bool} & set(get_args(known.annotation)):
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if DECIMAL_PATTERN.fullmatch(text) and len(text) < 30 else text
