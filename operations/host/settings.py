"""What a host's data says, over the defaults of a dataclass."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from pyinfra.api import Host

T = TypeVar("T")


def from_host_data(settings_type: type[T], host: Host) -> T:
    """:param kind: a dataclass; each field is a key of the data, which has been validated"""
    settings: Any = settings_type
    said = {field.name: host.data.get(field.name) for field in fields(settings)}
    return settings_type(**{name: value for name, value in said.items() if value is not None})
