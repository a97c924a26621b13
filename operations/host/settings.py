"""Settings of a host: its data, over the defaults of a dataclass."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from pyinfra.api import Host

T = TypeVar("T")


def from_host_data(settings_type: type[T], host: Host) -> T:
    """Return settings with the values that a host's data set.

    Args:
        settings_type: a dataclass whose fields are keys of host data; the data have been validated
        host: the host
    """
    dataclass_type: Any = settings_type
    values = {field.name: host.data.get(field.name) for field in fields(dataclass_type)}
    return settings_type(**{name: value for name, value in values.items() if value is not None})
